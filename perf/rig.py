# SPDX-License-Identifier: Apache-2.0
"""What perf/run stands on: a server under test, the generator against it, and what both cost.

A server is headraced or a peer, listening on a DPDK port or behind a veth pair. Each scenario gets a
fresh one, with its own folder; both ends of a memif are always started anew together, because the
death of one may take the other along.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import harness  # noqa: E402

SERVER_IF, GEN_IF = "bench0", "bench1"
SERVER = "10.77.0.1"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

CONFIG = """\
# Made by perf/run from the shipped defaults; see configs/headrace.yaml for every key.
dpdk: {{ hugepages: auto, memory_mb: 64, file_prefix: {prefix} }}
ports:
  - {{ device: "{device}", address: {server}/16, gateway: 10.77.1.1 }}
workers:
  - {{ cpu: {cpu}, stages: [io0, stage0, store] }}
limits:
  connections: {connections}
  devices: {devices}
  batches: {batches}
  messages: {messages}
  rx_memory_mb: {rx_mb}
  tx_memory_mb: {tx_mb}
journal: {{ dir: {folder}/journal }}
store: {{ dir: {folder}/store }}
channels_file: {root}/configs/channels.yaml
profiles_dir: {root}/configs/profiles
registry: {{ file: {folder}/devices.csv }}
api: {{ socket: {folder}/api.sock }}
"""

MOSQUITTO = """\
user root
listener 1883 {server}
allow_anonymous true
persistence true
persistence_location {folder}/
max_inflight_messages 0
max_queued_messages 0
log_dest none
"""


def cpu_seconds(pid):
    """User and system time of a process, all its threads."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def worker_seconds(pid):
    """Of the pinned workers alone: RocksDB, the writer and the API have threads of their own."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/stat") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue  # ended since the folder was read
        if name.startswith("rte-worker"):
            fields = rest.split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024


def folder_bytes(path):
    """As the file system counts them."""
    return sum(os.lstat(os.path.join(base, name)).st_blocks * 512
               for base, _, names in os.walk(path) for name in names)


def make_veth():
    """Both ends belong to nobody's stack but the server's and the generator's."""
    harness.run("ip", "link", "add", SERVER_IF, "type", "veth", "peer", "name", GEN_IF)
    for name in (SERVER_IF, GEN_IF):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as f:
            f.write("1")
        harness.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        harness.run("ip", "link", "set", name, "up")


def remove_veth():
    subprocess.run(["ip", "link", "del", SERVER_IF], capture_output=True)


class Server:
    """Use with `with`: the end stops it and removes its folder."""

    def __init__(self, name, cpu, gen_cpu, veth=False):
        self.folder = harness.work_folder(f"headrace-perf-{name}-")
        self.name, self.cpu, self.gen_cpu, self.veth = name, cpu, gen_cpu, veth
        self.process = None
        self.exit_status = None
        self.log_file = self.path("server.log")
        if veth:
            make_veth()
            # the driver's default of 512 frames overflows in a burst of one round trip
            ring = "blocksz=65536,framesz=2048,framecnt=4096"
            self.gen_device = f"net_af_packet0,iface={GEN_IF},{ring}"
            self.device = f"net_af_packet0,iface={SERVER_IF},{ring}"
        else:
            memif = f"socket={self.path('memif.sock')},socket-abstract=no"
            # rings of 4096: either side may be away for a millisecond
            self.gen_device = f"net_memif0,role=client,{memif},rsize=12"
            self.device = f"net_memif0,role=server,{memif}"

    def path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        died = self.process and self.process.poll()
        self.stop()
        if kind is not None:
            how = f"it died before: {died}" if died is not None else f"stopped: {self.exit_status}"
            print(f"--- the end of {self.name}'s log ({how}):\n{self.log_tail()}",
                  file=sys.stderr)
        if self.veth:
            remove_veth()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_tail(self):
        try:
            with open(self.log_file, errors="replace") as f:
                return "".join(f.readlines()[-20:])
        except OSError:
            return ""

    def stop(self):
        if self.process and self.exit_status is None:
            self.exit_status = harness.end(self.process)
        return self.exit_status

    def launch(self, command):
        with open(self.log_file, "a") as log:
            self.process = harness.spawn(command, stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log)

    def generate(self, *options, timeout_s=60, on_step=None):
        """Run headrace-gen; its JSON. `on_step(begins, number)` is called as its steps pass."""
        report = self.path("gen.json")
        command = [harness.program("headrace-gen"), "--device", self.gen_device, "--cpu",
                   str(self.gen_cpu), "--file-prefix", f"gen{os.getpid()}",
                   "--quiet", "--json", report, *map(str, options)]
        gen = harness.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + timeout_s
        try:
            for line in gen.stdout:
                step = re.match(r"gen: step (\d+) (begins|ends)", line)
                if step and on_step:
                    on_step(step[2] == "begins", int(step[1]))
                if time.monotonic() > deadline:
                    break
            gen.wait(max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            harness.fail(f"{self.name}: headrace-gen did not end in {timeout_s} s")
        finally:
            harness.end(gen, patience_s=5)
        if gen.returncode not in (0, 3):
            harness.fail(f"{self.name}: headrace-gen: exit {gen.returncode}: "
                         f"{gen.stderr.read().strip()}")
        with open(report) as f:
            return json.load(f)


class Headraced(Server):
    def __init__(self, name, meters, gen_options=(), connections=None, **more):
        super().__init__(name, **more)
        harness.run(harness.program("headrace-gen"), "--devices-csv", self.path("devices.csv"),
                    "--meters", str(meters), *map(str, gen_options))
        self.options = {"connections": connections or 16384, "devices": meters + 1,
                        "batches": 1024, "messages": 262144, "rx_mb": 256, "tx_mb": 128}
        self.api = harness.Api(self.path("api.sock"))

    def start(self, patience_s=60):
        with open(self.path("headrace.yaml"), "w") as f:
            f.write(CONFIG.format(folder=self.folder, device=self.device, server=SERVER,
                                  prefix=f"perf{os.getpid()}", cpu=self.cpu, root=ROOT,
                                  **self.options))
        self.launch([harness.program("headraced"), "--config", self.path("headrace.yaml")])
        deadline = time.monotonic() + patience_s
        while "headraced: ready" not in self.log_tail():
            if self.process.poll() is not None or time.monotonic() > deadline:
                harness.fail(f"{self.name}: headraced did not start")
            time.sleep(0.05)

    def status(self):
        """`headrace status --json`, and the process's CPU time."""
        got = harness.run(harness.program("headrace"), "--socket", self.path("api.sock"),
                          "status", "--json")
        status = json.loads(got)
        status["cpu_s"] = cpu_seconds(self.process.pid)
        status["worker_s"] = worker_seconds(self.process.pid)
        return status

    def metrics(self):
        return harness.run(harness.program("headrace"), "--socket", self.path("api.sock"),
                           "metrics")


class Mosquitto(Server):
    def start(self):
        harness.run("ip", "address", "add", f"{SERVER}/16", "dev", SERVER_IF)
        with open(self.path("mosquitto.conf"), "w") as f:
            f.write(MOSQUITTO.format(server=SERVER, folder=self.folder))
        self.launch(["taskset", "-c", str(self.cpu), shutil.which("mosquitto"), "-c",
                     self.path("mosquitto.conf")])
        time.sleep(1)
        if self.process.poll() is not None:
            harness.fail("mosquitto did not start")
