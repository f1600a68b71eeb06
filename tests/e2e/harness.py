# SPDX-License-Identifier: Apache-2.0
"""What the demo and the end-to-end tests share: a network namespace with a veth pair, a folder with
configuration, journal and store, headraced on one end of the pair, and clients on the other.

Everything lives in one namespace that ends with its last process, and in one temporary folder.
Child processes die with this one, unless they were told to be kept.
"""
import base64
import collections
import contextlib
import ctypes
import datetime
import functools
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("HEADRACE_BUILD", os.path.join(ROOT, "build"))

# Where Debian keeps ip and ethtool, which an ordinary user's PATH leaves out.
os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# Debian's modules (paho, jsonschema), also seen from another Python, whose own come first.
sys.path.append("/usr/lib/python3/dist-packages")

SERVER = "10.77.0.1"
CLIENT = "10.77.0.2"
PORT_IF = "hr0"        # headraced's end: no address, its own stack answers there
CLIENT_IF = "meters0"  # the kernel's end
SKIP = 77
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """A test's expectation that was not met; its text says which."""


def fail(text):
    raise Failure(text)


def check(condition, text):
    if not condition:
        fail(text)


def skip(text):
    print(f"skipped: {text}")
    sys.exit(SKIP)


@functools.cache
def program(name):
    """Path of a built program."""
    found = [p for p in glob.glob(os.path.join(BUILD, "**", name), recursive=True)
             if os.path.isfile(p) and os.access(p, os.X_OK)]
    if not found:
        fail(f"{name} is not in {BUILD}: build it first (ninja -C {BUILD})")
    return found[0]


# --- the namespace ---

def netns_id():
    return str(os.stat("/proc/self/ns/net").st_ino)


def unshare_command():
    if os.geteuid() == 0:
        return ["unshare", "--net"]
    return ["unshare", "--user", "--map-root-user", "--net"]


def enter_namespace():
    """Run this program again in a network namespace of its own; return there. An ordinary user
    gets a user namespace around it. Exit 77 where the system does not allow it."""
    outer = os.environ.get("HEADRACE_OUTER_NETNS")
    if outer and outer != netns_id():
        return
    command = unshare_command()
    probe = subprocess.run(command + ["true"], capture_output=True, text=True)
    if probe.returncode:
        skip(f"no network namespace here: {probe.stderr.strip()}")
    os.environ["HEADRACE_OUTER_NETNS"] = netns_id()
    os.environ["HEADRACE_OUTER_USER"] = str(os.geteuid())
    sys.stdout.flush()
    os.execvp(command[0], command + [sys.executable] + sys.argv)


def enter_command(pid):
    """How a person gets into the namespace of process `pid`."""
    outer_user = os.environ.get("HEADRACE_OUTER_USER", "0")
    if outer_user == "0":
        return f"nsenter -t {pid} -n"
    return f"nsenter -t {pid} -U --preserve-credentials -n"


def run(*command):
    got = subprocess.run(command, capture_output=True, text=True)
    if got.returncode:
        fail(f"{' '.join(command)}: {(got.stderr or got.stdout).strip()}")
    return got.stdout


def make_network():
    """The veth pair. Without offloads: a checksum left to hardware would reach the port undone."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", PORT_IF, "type", "veth", "peer", "name", CLIENT_IF)
    for name in (PORT_IF, CLIENT_IF):
        with contextlib.suppress(OSError):  # only spares us noise on the link
            with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as f:
                f.write("1")
        run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        run("ip", "link", "set", name, "up")
    run("ip", "address", "add", f"{CLIENT}/24", "dev", CLIENT_IF)


# --- processes ---

def coap_client():
    """Debian names libcoap's client after its TLS library."""
    for name in ("coap-client-notls", "coap-client-openssl", "coap-client"):
        if shutil.which(name):
            return name
    fail("no coap-client: scripts/setup.sh installs it")
    return None

def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, keep=False, **more):
    """In a session of its own: a Ctrl-C is ours to act upon."""
    if not keep:
        more["preexec_fn"] = die_with_parent
    return subprocess.Popen(command, start_new_session=True, **more)


def end(process, signal_number=signal.SIGTERM, patience_s=20):
    """Signal, wait, and kill what does not end. Returns the exit status."""
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


# --- the API ---

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def milliseconds(text):
    """Of a time as the API writes it."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


class Api:
    """The HTTP API at its Unix socket, as far as the tests need it."""

    def __init__(self, path):
        self.path = path
        self.connection = None

    def call(self, method, where, **query):
        """The answer's JSON. One more try when a kept connection has been closed."""
        query = {k: v for k, v in query.items() if v is not None}
        target = where + ("?" + urllib.parse.urlencode(query) if query else "")
        for last in (False, True):
            try:
                if not self.connection:
                    self.connection = UnixConnection(self.path)
                self.connection.request(method, target)
                answer = self.connection.getresponse()
                body = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.connection = None
                if last:
                    raise
        if answer.status != 200:
            fail(f"{method} {target}: {answer.status} {body.decode(errors='replace').strip()}")
        return json.loads(body)

    def status(self):
        return self.call("GET", "/status")

    def totals(self):
        """Readings by fate since the store was made."""
        return self.status()["readings"]["totals"]

    def counters(self):
        """By name; those that are zero are left out."""
        return collections.Counter(self.status()["counters"])

    def readings(self, meter):
        """(meter's time in ms, {channel: value}) of all stored readings, values as text."""
        answer = self.call("GET", f"/readings/{meter}", limit=100000)
        check(not answer["more"], f"more than 100,000 readings of {meter}")
        return [(milliseconds(r["meter_time"]),
                 {name: v["value"] for name, v in r["values"].items()})
                for r in answer["readings"]]

    def error_entries(self):
        at = 0
        while at is not None:
            answer = self.call("GET", "/errors", limit=10000, **{"from": at})
            yield from answer["errors"]
            at = answer.get("next")

    def errors(self):
        """(fate, meter as sent, meter's time in ms or 0) of the whole error queue."""
        return [(e["reason"], e["device"],
                 milliseconds(e["meter_time"]) if "meter_time" in e else 0)
                for e in self.error_entries()]

    def error_payloads(self):
        """The bytes that came, of each entry."""
        return [base64.b64decode(self.call("GET", f"/errors/{e['number']}")["raw_base64"])
                for e in self.error_entries()]

    def audit(self):
        """(balanced, the checks that failed)."""
        answer = self.call("POST", "/audit")
        return answer["balanced"], [f"{c['check']}: {c['detail']}" for c in answer["checks"]
                                    if not c["ok"]]


# --- the rig ---

def work_folder(prefix):
    """A temporary folder on a file system that takes O_DIRECT (a tmpfs may not)."""
    for parent in (tempfile.gettempdir(), "/var/tmp", BUILD):
        folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
        probe = os.path.join(folder, "probe")
        try:
            os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT))
            os.unlink(probe)
            return folder
        except OSError:
            shutil.rmtree(folder)
    skip("no folder for temporary files takes O_DIRECT")


CONFIG = """\
# Made by {who} from the shipped defaults; see configs/headrace.yaml for every key.
dpdk:
  hugepages: auto
  file_prefix: {prefix}
ports:
  - device: net_af_packet0,iface={port_if},blocksz=65536,framesz=2048,framecnt=4096
    address: {server}/24
workers:
  - cpu: {cpu}
    stages: [io0, stage0, store]
journal:
  dir: {folder}/journal
  segment_mb: {segment_mb}
store:
  dir: {folder}/store
  flush_s: {flush_s}
channels_file: {root}/configs/channels.yaml
profiles_dir: {root}/configs/profiles
tariffs_dir: {root}/configs/tariffs
registry:
  file: {folder}/devices.csv
api:
  socket: {folder}/api.sock
"""


class Rig:
    """headraced, its folder and its clients. Use with `with`: the end removes everything."""

    def __init__(self, name, meters=200, seed=1, segment_mb=16, flush_s=60, keep=False,
                 more=""):
        self.folder = work_folder(f"headrace-{name}-")
        self.keep = keep
        self.more = more  # of the configuration
        self.daemon = None
        self.fleets = []
        self.meters, self.seed = meters, seed
        self.config_file = self.path("headrace.yaml")
        self.log_file = self.path("headraced.log")
        self.api = Api(self.path("api.sock"))
        try:
            self.fill_folder(name, segment_mb, flush_s)
        except BaseException:  # nobody else would: there is no __exit__ yet
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def fill_folder(self, name, segment_mb, flush_s):
        """The configuration and the meters' list."""
        with open(self.config_file, "w") as f:
            f.write(CONFIG.format(
                who=name, prefix=os.path.basename(self.folder), port_if=PORT_IF, server=SERVER,
                cpu=min(os.sched_getaffinity(0)), folder=self.folder, root=ROOT,
                segment_mb=segment_mb, flush_s=flush_s) + self.more)
        run(program("headrace-fleet"), "--meters", str(self.meters), "--seed", str(self.seed),
            "--devices", self.path("devices.csv"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.keep and kind is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # what follows is short, and must be done
        for fleet in self.fleets:
            end(fleet, patience_s=5)
        if self.daemon:
            end(self.daemon, patience_s=10)
        if kind is not None and issubclass(kind, Exception):
            print(f"--- the end of headraced's log:\n{self.log_tail()}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_tail(self, lines=40):
        try:
            with open(self.log_file, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def start(self, patience_s=60, wait=True):
        """Start headraced; return when it serves."""
        with open(self.log_file, "a") as log:
            start = log.tell()
            # where DPDK keeps its files; /run/dpdk otherwise, which is not ours to write to
            environment = dict(os.environ, RUNTIME_DIRECTORY=self.folder)
            self.daemon = spawn([program("headraced"), "--config", self.config_file],
                                keep=self.keep, env=environment, stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log)
        deadline = time.monotonic() + patience_s
        while wait and time.monotonic() < deadline:
            if self.daemon.poll() is not None:
                fail(f"headraced ended with {self.daemon.returncode} instead of starting")
            with open(self.log_file, errors="replace") as log:
                log.seek(start)
                if "headraced: ready" in log.read():
                    return
            time.sleep(0.02)
        if wait:
            fail(f"headraced was not ready in {patience_s} s")

    def stop(self, patience_s=30):
        """SIGTERM: drain and stop. Returns the exit status (negative: the signal)."""
        return end(self.daemon, patience_s=patience_s)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def alive(self):
        return self.daemon.poll() is None

    def settle(self, patience_s=30):
        """Wait until all that was received is durable, and findable in the store."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            status = self.api.status()
            if (status["readings"]["in_flight"] == 0 and
                    status["store"]["applied_block"] >= status["journal"]["durable_block"]):
                return
            time.sleep(0.1)
        fail(f"not settled after {patience_s} s: {status['readings']['in_flight']} readings in "
             f"flight, journal durable to {status['journal']['durable_block']}, "
             f"store applied to {status['store']['applied_block']}")

    def check_audit(self):
        balanced, failed = self.api.audit()
        check(balanced, f"the audit does not balance: {'; '.join(failed)}")

    def fleet(self, *options, **more):
        """Start headrace-fleet against headraced."""
        process = spawn([program("headrace-fleet"), "--host", SERVER, "--meters",
                         str(self.meters), "--seed", str(self.seed), *options], **more)
        self.fleets.append(process)
        return process

    def headrace(self, *arguments, expect=0):
        """Run the command line tool; its standard output."""
        command = [program("headrace"), "--socket", self.path("api.sock"), *arguments]
        got = subprocess.run(command, capture_output=True, text=True)
        if got.returncode != expect:
            fail(f"headrace {' '.join(arguments)}: exit {got.returncode}, expected {expect}: "
                 f"{got.stderr.strip()}")
        return got.stdout


def take_signals():
    """Every polite end goes through the clean-up, also where SIGINT came to us ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def main(test):
    """Run `test` in a namespace; exit 0, 1 with the reason, or 77."""
    enter_namespace()
    take_signals()
    try:
        make_network()
        test()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    print("passed")
