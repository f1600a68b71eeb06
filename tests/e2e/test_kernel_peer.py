#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Linux kernel's TCP against headraced's, through a network that gets worse and worse.

    meters0 (kernel) -- mid0 [headrace-impair] mid1 -- hr0 (headraced)

MQTT sessions from plain sockets with long pipelines of QoS 1 publishes. Whatever happens below,
every session ends in time, and its PUBACKs come whole, in order, once. At the end each reading
that was acknowledged is accounted for, and no connection is left in the server.

usage: test_kernel_peer.py [NAME]...   only these scenarios
"""
import datetime
import itertools
import selectors
import socket
import struct
import sys
import time

import forge
import harness
import impaired

CONNACK = b"\x20\x02\0\0"
LINGER_RST = struct.pack("ii", 1, 0)
METERS = 60
# at 20 % loss each way a few CONNECTs need more than the usual 10 s
PATIENT = "mqtt:\n  connect_timeout_ms: 120000\n"


class Times:
    """Times of reading, each used once and later than the one before, from half an hour ago."""

    def __init__(self):
        self.numbers = itertools.count()
        self.start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)

    def next(self):
        moment = self.start + datetime.timedelta(milliseconds=next(self.numbers))
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


TIMES = Times()


class Session:
    """One MQTT session: CONNECT, `count` publishes as fast as the socket takes them, their PUBACKs.

    buffer      SO_RCVBUF, for a tiny window
    segment     TCP_MAXSEG
    pause_s     read nothing for so long after CONNACK, so that the window shuts
    sip         read so many bytes at a time, 5 ms apart
    leave       how it ends: "close", "half" (FIN behind the last publish, then read to the end),
                "reset" (RST in the middle)
    """

    def __init__(self, number, count, buffer=0, segment=0, pause_s=0, sip=65536, leave="close"):
        self.name, self.count, self.sip, self.leave = f"session {number}", count, sip, leave
        self.pause_s = pause_s
        self.meter = f"SM-{number % METERS + 1:05d}"
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        if segment:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        self.out = forge.mqtt_connect(f"{self.meter}".encode()) + b"".join(
            self.publish(i + 1) for i in range(count))
        self.sent = self.acked = 0
        self.received = b""
        self.greeted = False
        self.read_from = 0
        self.done = False
        self.socket.connect_ex((harness.SERVER, 1883))

    def publish(self, packet_id):
        payload = (f'{{"meterId":"{self.meter}","ts":"{TIMES.next()}","kWh":60000.125,"kW":3.21,'
                   '"pf":0.97,"v":239.4,"status":"OK"}')
        return forge.mqtt_publish(f"meters/{self.meter}/readings".encode(), payload.encode(), 1,
                                  packet_id)

    def events(self, now):
        """What to wait for; 0: nothing now."""
        if self.leave == "reset" and self.acked > self.count // 4:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
            self.end()
            return 0
        wanted = selectors.EVENT_WRITE if self.sent < len(self.out) else 0
        return wanted | (selectors.EVENT_READ if now >= self.read_from else 0)

    def end(self):
        self.socket.close()
        self.done = True

    def write(self):
        self.sent += self.socket.send(self.out[self.sent:self.sent + 65536])
        if self.sent == len(self.out) and self.leave == "half":
            self.socket.shutdown(socket.SHUT_WR)

    def read(self, now):
        data = self.socket.recv(self.sip)
        if not data:
            harness.check(self.leave == "half" and self.sent == len(self.out),
                          f"{self.name}: closed by the server after {self.acked} PUBACKs")
            return self.end()
        self.received += data
        if self.sip < 65536:
            self.read_from = now + 0.005
        self.parse(now)
        if self.acked == self.count and self.leave != "half":
            self.end()
        return None

    def parse(self, now):
        if not self.greeted:
            if len(self.received) < 4:
                return
            harness.check(self.received[:4] == CONNACK,
                          f"{self.name}: not a CONNACK: {self.received[:4]!r}")
            self.received = self.received[4:]
            self.greeted = True
            self.read_from = now + self.pause_s
        whole = len(self.received) // 4 * 4
        for at in range(0, whole, 4):
            self.acked += 1
            expected = struct.pack("!BBH", 0x40, 2, self.acked)
            harness.check(self.received[at:at + 4] == expected,
                          f"{self.name}: {self.received[at:at + 4].hex()} instead of the PUBACK "
                          f"{expected.hex()}")
        self.received = self.received[whole:]


def turn(waiting, sessions, now):
    """Wait a little and let those act who can."""
    for s in sessions:
        wanted = 0 if s.done else s.events(now)
        registered = s.socket in waiting.get_map() if not s.done else False
        if wanted and not registered:
            waiting.register(s.socket, wanted, s)
        elif wanted and waiting.get_key(s.socket).events != wanted:
            waiting.modify(s.socket, wanted, s)
        elif registered and not wanted:
            waiting.unregister(s.socket)
    for key, events in waiting.select(0.005):
        session = key.data
        if events & selectors.EVENT_READ:
            session.read(now)
        if events & selectors.EVENT_WRITE and not session.done:
            session.write()


def run_sessions(sessions, patience_s):
    deadline = time.monotonic() + patience_s
    while not all(s.done for s in sessions):
        now = time.monotonic()
        if now > deadline:
            late = [f"{s.name} ({s.leave}): sent {s.sent} of {len(s.out)} bytes, {s.acked} of "
                    f"{s.count} PUBACKs" for s in sessions if not s.done]
            harness.fail(f"not over after {patience_s} s: " + "; ".join(late))
        with selectors.DefaultSelector() as waiting:
            for _ in range(200):
                if all(s.done for s in sessions):
                    break
                turn(waiting, sessions, time.monotonic())
    return sum(s.acked for s in sessions)


# --- the network ---

def make_middle():
    """harness.make_network has joined hr0 and meters0: put the two ends apart."""
    harness.run("ip", "link", "del", harness.CLIENT_IF)
    for end, middle in ((harness.CLIENT_IF, "mid0"), (harness.PORT_IF, "mid1")):
        harness.run("ip", "link", "add", end, "type", "veth", "peer", "name", middle)
        for name in (end, middle):
            impaired.bring_up(name, harness.CLIENT if name == harness.CLIENT_IF else None)


def know_server():
    """Keep what ARP says for good: it tries three times only, and a lost packet more or less is
    not what is looked at here."""
    with impaired.Shim("mid0", "mid1"):
        socket.create_connection((harness.SERVER, 1883), timeout=10).close()
    entry = harness.run("ip", "neighbour", "show", harness.SERVER, "dev", harness.CLIENT_IF).split()
    harness.run("ip", "neighbour", "replace", harness.SERVER, "lladdr",
                entry[entry.index("lladdr") + 1], "dev", harness.CLIENT_IF, "nud", "permanent")


# --- the scenarios: options of the network, sessions, seconds they may take ---

def mixed(count):
    """Every way to leave, in turn."""
    return [Session(i, count, leave=("close", "half", "reset")[i % 3]) for i in range(12)]


SCENARIOS = {
    "clean": ((), lambda: [Session(i, 3000) for i in range(4)], 15),
    "clean_leave": ((), lambda: mixed(400), 10),
    "shut_window": (("--delay-ms", "1"),
                    lambda: [Session(i, 1500, buffer=2048, pause_s=2) for i in range(4)], 20),
    "slow_reader": (("--delay-ms", "1"),
                    lambda: [Session(i, 1500, buffer=2048, sip=40) for i in range(4)], 20),
    "small_segments": (("--delay-ms", "1"),
                       lambda: [Session(i, 500, segment=100) for i in range(4)], 15),
    "loss_5": (("--loss", "5", "--delay-ms", "10"),
               lambda: [Session(i, 300) for i in range(16)], 30),
    "loss_20": (("--loss", "20", "--delay-ms", "5"),
                lambda: [Session(i, 40) for i in range(12)], 60),
    "reorder": (("--reorder", "20", "--duplicate", "10", "--corrupt", "2", "--delay-ms", "10",
                 "--jitter-ms", "10"), lambda: [Session(i, 300) for i in range(8)], 30),
    "bursts": (("--burst", "10,30,80", "--delay-ms", "5"),
               lambda: [Session(i, 200, segment=400) for i in range(8)], 40),
    "narrow": (("--rate-kbit", "2000", "--queue-kb", "16", "--delay-ms", "20"),
               lambda: [Session(i, 200) for i in range(8)], 30),
    "loss_5_leave": (("--loss", "5", "--delay-ms", "10"), lambda: mixed(100), 30),
}


def check_empty(rig, patience_s=150):
    """What RST and FIN have ended is gone from the server. Where an RST was lost and nothing was
    under way that another would answer, the keep-alive of 60 s ends the session after 90."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        left = connections(rig)
        if left == 0:
            return
        time.sleep(0.2)
    harness.fail(f"{left} connections are left in the server after {patience_s} s")


def connections(rig):
    return sum(level["used"] for level in rig.api.status()["levels"]
               if level["name"].endswith(" connections"))


def run_scenario(rig, name, number):
    options, make, patience_s = SCENARIOS[name]
    with impaired.Shim("mid0", "mid1", "--seed", str(number), *options):
        start = time.monotonic()
        sessions = make()
        acked = run_sessions(sessions, patience_s)
        print(f"{name:15} {len(sessions):3} sessions {acked:6} PUBACKs "
              f"{time.monotonic() - start:6.1f} s", flush=True)
    harness.check(rig.alive(), f"{name}: headraced ended")
    return acked


def test():
    names = sys.argv[1:] or list(SCENARIOS)
    make_middle()
    with harness.Rig("kernel-peer", meters=METERS, more=PATIENT) as rig:
        rig.start()
        know_server()
        acked = sum(run_scenario(rig, name, i + 1) for i, name in enumerate(names))
        with impaired.Shim("mid0", "mid1"):
            check_empty(rig)
        rig.settle()
        total = sum(rig.api.totals().values())
        harness.check(total >= acked, f"{acked} PUBACKs, but only {total} readings accounted for")
        rig.check_audit()


if __name__ == "__main__":
    harness.main(test)
