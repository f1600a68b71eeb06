# SPDX-License-Identifier: Apache-2.0
"""The stacks that users would pick instead, from Debian's packages, each with its own folder.

mosquitto and PostgreSQL: the broker as in rig.py, a subscriber (mosquitto_sub, QoS 1) whose lines
this process turns into rows, and psql, which copies them in transactions of up to ROWS with
synchronous_commit on. VictoriaMetrics: its import of JSON lines by HTTP.
"""
import http.client
import json
import os
import pwd
import shutil
import subprocess
import threading
import time

import rig
from rig import harness

ROWS = 1000
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
TABLE = ("CREATE TABLE readings (meter text, ts timestamptz, kwh numeric, kw numeric, pf numeric, "
         "v numeric, PRIMARY KEY (meter, ts));")


def tree_seconds(pids):
    """CPU time of processes and of all that descend from them, the dead ones included."""
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(
            (int(pid), sum(map(int, fields[11:15]))))
    total, todo = 0, [(pid, None) for pid in pids]
    while todo:
        pid, ticks = todo.pop()
        if ticks is None:
            try:
                with open(f"/proc/{pid}/stat") as f:
                    ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:15]))
            except OSError:
                continue
        total += ticks
        todo += children.get(pid, [])
    return total / rig.TICKS_PER_S


class Postgres:
    """A cluster of its own on a Unix socket, run by an unprivileged user."""

    def __init__(self, folder):
        self.folder, self.data = folder, os.path.join(folder, "pg")
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        os.mkdir(self.data)
        if self.user:
            owner = pwd.getpwnam("postgres")
            os.chown(self.data, owner.pw_uid, owner.pw_gid)
            os.chmod(folder, 0o755)
        self.process = None

    def start(self):
        harness.run(*self.user, f"{POSTGRES_BIN}/initdb", "-D", f"{self.data}/db", "-A", "trust",
                    "-U", "bench", "--no-instructions")
        log = open(os.path.join(self.folder, "postgres.log"), "w")
        self.process = harness.spawn(
            self.user + [f"{POSTGRES_BIN}/postgres", "-D", f"{self.data}/db", "-k", self.data,
                         "-c", "listen_addresses=", "-c", "synchronous_commit=on",
                         "-c", "fsync=on", "-c", "max_wal_size=4GB"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data)
        deadline = time.monotonic() + 30
        while self.query("SELECT 1", check=False) != "1":
            if self.process.poll() is not None or time.monotonic() > deadline:
                harness.fail("PostgreSQL did not start")
            time.sleep(0.1)
        self.query(TABLE)

    def psql(self):
        return [f"{POSTGRES_BIN}/psql", "-h", self.data, "-U", "bench", "-d", "postgres", "-q",
                "-A", "-t", "-X"]

    def query(self, text, check=True):
        got = subprocess.run(self.psql() + ["-c", text], capture_output=True, text=True)
        if check and got.returncode:
            harness.fail(f"psql: {got.stderr.strip()}")
        return got.stdout.strip()

    def stop(self):
        if self.process and self.process.poll() is None:
            # the server itself, when runuser stands before it: SIGINT is its fast way to stop
            pid_file = f"{self.data}/db/postmaster.pid"
            with open(pid_file) as f:
                os.kill(int(f.readline()), 2)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                harness.end(self.process)


class MosquittoPostgres(rig.Mosquitto):
    """The broker, its subscriber, and PostgreSQL behind it."""

    def __init__(self, name, **more):
        super().__init__(name, **more)
        self.postgres = Postgres(self.folder)
        self.subscriber = self.copier = self.thread = None
        self.rows = 0
        self.thread_s = 0.0

    def start(self):
        super().start()
        self.postgres.start()
        self.copier = harness.spawn(self.postgres.psql() + ["-v", "ON_ERROR_STOP=1"],
                                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE)
        self.subscriber = harness.spawn(
            ["mosquitto_sub", "-h", rig.SERVER, "-q", "1", "-i", "writer", "-t",
             "meters/+/readings"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.copy, daemon=True)
        self.thread.start()
        time.sleep(1)
        if self.subscriber.poll() is not None:
            harness.fail("mosquitto_sub ended")

    def copy(self):
        """What has come in, up to ROWS, becomes one transaction."""
        source, rest = self.subscriber.stdout.fileno(), b""
        while chunk := os.read(source, 1 << 18):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for at in range(0, len(lines), ROWS):
                rows = []
                for line in lines[at:at + ROWS]:
                    r = json.loads(line)
                    rows.append(f"{r['meterId']}\t{r['ts']}\t{r['kWh']}\t{r['kW']}\t{r['pf']}\t"
                                f"{r['v']}\n")
                self.copier.stdin.write(("COPY readings FROM STDIN;\n" + "".join(rows) +
                                         "\\.\n").encode())
                self.copier.stdin.flush()
                self.rows += len(rows)
            self.thread_s = time.thread_time()

    def committed(self):
        return int(self.postgres.query("SELECT count(*) FROM readings"))

    def cpu_s(self):
        return self.thread_s + tree_seconds(
            [self.process.pid, self.subscriber.pid, self.copier.pid, self.postgres.process.pid])

    def wait_committed(self, count, patience_s=60):
        """Until so many rows are on disk."""
        deadline = time.monotonic() + patience_s
        while (have := self.committed()) < count:
            if time.monotonic() > deadline:
                harness.fail(f"{have} of {count} rows after {patience_s} s")
            time.sleep(0.2)

    def stop(self):
        for process in (self.subscriber, self.copier):
            if process:
                if process.stdin:
                    process.stdin.close()
                harness.end(process, patience_s=5)
        self.subscriber = self.copier = None
        self.postgres.stop()
        return super().stop()


class VictoriaMetrics:
    """Import of JSON lines, a reading being a sample of each channel."""

    PORT = 18428

    def __init__(self, cpu):
        self.folder, self.cpu, self.process = harness.work_folder("headrace-perf-vm-"), cpu, None

    def __enter__(self):
        log = open(os.path.join(self.folder, "log"), "w")
        self.process = harness.spawn(
            ["taskset", "-c", str(self.cpu), "victoria-metrics",
             f"-storageDataPath={self.folder}/data", f"-httpListenAddr=127.0.0.1:{self.PORT}",
             "-retentionPeriod=100y"], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.post(b"")
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    harness.end(self.process)
                    shutil.rmtree(self.folder, ignore_errors=True)
                    harness.fail("VictoriaMetrics did not start")
                time.sleep(0.1)

    def __exit__(self, kind, value, trace):
        harness.end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def post(self, body, connection=None):
        c = connection or http.client.HTTPConnection("127.0.0.1", self.PORT, timeout=30)
        c.request("POST", "/api/v1/import", body)
        answer = c.getresponse()
        answer.read()
        if answer.status != 204:
            harness.fail(f"VictoriaMetrics: {answer.status}")

    @staticmethod
    def body(meters, ts_ms):
        values = {"kWh": 1247.83, "kW": 3.21, "pf": 0.97, "v": 239.4}
        return "".join(
            f'{{"metric":{{"__name__":"{name}","meter":"SM-{m:08}"}},"values":[{value}],'
            f'"timestamps":[{ts_ms}]}}\n' for m in meters
            for name, value in values.items()).encode()

    def load(self, batch, seconds, meters=50000):
        """(readings/s, CPU ns per reading) with messages of `batch` readings, one at a time."""
        now = round(time.time() * 1000)
        bodies = [self.body(range(at, at + batch), now) for at in range(0, meters, batch)]
        connection = http.client.HTTPConnection("127.0.0.1", self.PORT, timeout=30)
        before, sent = rig.cpu_seconds(self.process.pid), 0
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            body = bodies[sent % len(bodies)]
            if sent >= len(bodies):  # another interval each time round
                body = body.replace(str(now).encode(),
                                    str(now + 1000 * (sent // len(bodies))).encode())
            self.post(body, connection)
            sent += 1
        taken = time.monotonic() - begin
        cpu = rig.cpu_seconds(self.process.pid) - before
        return sent * batch / taken, cpu / (sent * batch) * 1e9
