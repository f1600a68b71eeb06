#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goodput of the TCP engine beside the Linux kernel's, over the same bad network.

A kernel client, headrace-impair in the middle, and as the server first a kernel in a namespace of
its own, then the engine (engine_host). Many connections at once, one seed for the network, both
ways: the server as sender (port 19), and as receiver (port 9).

Usage: tcp_goodput.py [--loss PERCENT] [--rtt-ms MS] [--flows N] [--seconds S] [--seed N]
                      [--congestion NAME] [--check PERCENT] [--verbose]

--check: exit 1 if the engine is more than so much below the kernel.
"""
import argparse
import os
import re
import selectors
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
import harness  # noqa: E402
import impaired  # noqa: E402

SERVER, CLIENT = "10.78.0.1", "10.78.0.2"
DISCARD, SOURCE = 9, 19
TCP_INFO_BYTES_ACKED = 120  # offset in struct tcp_info, linux/tcp.h
BLOCK = bytes(i % 251 for i in range(251 * 260))


def exists(interface):
    return any(name == interface for _, name in socket.if_nameindex())


def set_congestion(s, name):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


# --- the kernel as server: this program again, in a namespace of its own ---

def serve(interface, congestion, client_mac):
    while not exists(interface):
        time.sleep(0.01)
    impaired.bring_up(interface, SERVER)
    know(interface, CLIENT, client_mac)
    waiting = selectors.DefaultSelector()
    for port in (DISCARD, SOURCE):
        s = socket.create_server((SERVER, port), backlog=1024)
        set_congestion(s, congestion)
        waiting.register(s, selectors.EVENT_READ, -port)
    print("ready", flush=True)
    while True:
        for key, _ in waiting.select():
            try:
                serve_one(waiting, key)
            except BlockingIOError:
                pass
            except OSError:
                waiting.unregister(key.fileobj)
                key.fileobj.close()


def serve_one(waiting, key):
    """key.data: of a listener its port, negative; of a connection the bytes sent."""
    s = key.fileobj
    if key.data < 0:
        s, _ = s.accept()
        s.setblocking(False)
        waiting.register(s, selectors.EVENT_READ if key.data == -DISCARD else
                         selectors.EVENT_WRITE, 0)
    elif key.events == selectors.EVENT_WRITE:
        sent = s.send(BLOCK[key.data % 251:])
        waiting.modify(s, key.events, key.data + sent)
    elif not s.recv(1 << 16):
        raise OSError


# --- the network ---

def mac_of(interface):
    return re.search(r"link/ether (\S+)", harness.run("ip", "link", "show", "dev", interface))[1]


def know(interface, address, mac):
    """A lost ARP request would look like a round trip of a second to every connection."""
    harness.run("ip", "neighbour", "add", address, "lladdr", mac, "dev", interface)


class Network:
    """client - shim - server. The end removes all of it."""

    def __init__(self, o, kind):
        self.children = []
        self.verbose = o.verbose
        harness.run("ip", "link", "add", "client0", "type", "veth", "peer", "name", "shim0")
        harness.run("ip", "link", "add", "server0", "type", "veth", "peer", "name", "shim1")
        impaired.bring_up("client0", CLIENT)
        know("client0", SERVER, mac_of("server0"))
        impaired.bring_up("shim0")
        impaired.bring_up("shim1")
        if kind == "kernel":
            self.kernel(o)
        else:
            impaired.bring_up("server0")
            self.start([harness.program("engine_host"), "server0", SERVER])
        self.start([harness.program("headrace-impair"), "--seed", str(o.seed), "--loss",
                    str(o.loss), "--delay-ms", str(o.rtt_ms / 2), "shim0", "shim1"])

    def start(self, command):
        self.children.append(impaired.start_ready(command))

    def kernel(self, o):
        """A namespace exists from its process's unshare on: ask until it is another one."""
        child = harness.spawn(["unshare", "--net", sys.executable, os.path.abspath(__file__),
                               "--congestion", o.congestion, "--serve", "server0",
                               "--client-mac", mac_of("client0")],
                              stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        while os.readlink(f"/proc/{child.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        harness.run("ip", "link", "set", "server0", "netns", str(child.pid))
        harness.check(child.stdout.readline() == "ready\n", "the kernel's server did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            harness.end(child)
            if self.verbose:
                print(child.stdout.read(), end="")
        harness.run("ip", "link", "del", "client0")
        if exists("shim1"):
            harness.run("ip", "link", "del", "shim1")


# --- the transfers ---

def connect_all(o, port):
    """Connections of which the handshake is over: it is not what is measured."""
    waiting = selectors.DefaultSelector()
    for _ in range(o.flows):
        s = socket.socket()
        s.setblocking(False)
        set_congestion(s, o.congestion)
        s.connect_ex((SERVER, port))
        waiting.register(s, selectors.EVENT_WRITE)
    connected, deadline = [], time.monotonic() + 60
    while len(connected) < o.flows and time.monotonic() < deadline:
        for key, _ in waiting.select(1):
            error = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            harness.check(error == 0, f"connect: {os.strerror(error)}")
            waiting.unregister(key.fileobj)
            connected.append(key.fileobj)
    harness.check(len(connected) == o.flows, "not all connections came up in 60 s")
    return connected


def bytes_acked(s):
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from("Q", info, TCP_INFO_BYTES_ACKED)[0]


def check_content(data, offset):
    phase = offset % 251
    harness.check(data == BLOCK[phase:phase + len(data)], f"wrong bytes at {offset}")


def transfer(o, port):
    """Bytes that all connections moved per second. What waits in the receiver at the start of the
    measurement is not counted."""
    socks = connect_all(o, port)
    waiting = selectors.DefaultSelector()
    sending = port == DISCARD
    for s in socks:
        waiting.register(s, selectors.EVENT_WRITE if sending else selectors.EVENT_READ)
    got = dict.fromkeys(socks, 0)
    start = time.monotonic()
    while time.monotonic() < start + o.seconds:
        for key, _ in waiting.select(0.1):
            s = key.fileobj
            if sending:
                s.send(BLOCK)
                continue
            data = s.recv(1 << 15)
            harness.check(data, "the server closed")
            check_content(data, got[s])
            got[s] += len(data)
    each = sorted(bytes_acked(s) for s in socks) if sending else sorted(got.values())
    elapsed = time.monotonic() - start
    for s in socks:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    return sum(each) / elapsed, each[0] / elapsed, each[len(each) // 2] / elapsed


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--loss", type=float, default=5, help="percent, each way")
    p.add_argument("--rtt-ms", type=float, default=200)
    p.add_argument("--flows", type=int, default=32)
    p.add_argument("--seconds", type=float, default=30)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--congestion", default="cubic", help="the kernel's algorithm")
    p.add_argument("--check", type=float, metavar="PERCENT")
    p.add_argument("--verbose", action="store_true",
                   help="print the counters of the engine and the network")
    p.add_argument("--serve", metavar="INTERFACE", help=argparse.SUPPRESS)
    p.add_argument("--client-mac", help=argparse.SUPPRESS)
    return p.parse_args()


def measure():
    o = options()
    print(f"{o.loss:g} % loss each way, {o.rtt_ms:g} ms, {o.flows} connections, {o.seconds:g} s, "
          f"seed {o.seed}, kernel's congestion control {o.congestion}; kB/s")
    print(f"{'server is':12} {'server':8} {'per conn.':>10} {'median':>8} {'slowest':>8}")
    low = []
    for role, port in (("sender", SOURCE), ("receiver", DISCARD)):
        rates = {}
        for kind in ("kernel", "engine"):
            with Network(o, kind):
                rates[kind], least, median = transfer(o, port)
            print(f"{role:12} {kind:8} {rates[kind] / o.flows / 1e3:10.1f} {median / 1e3:8.1f} "
                  f"{least / 1e3:8.1f}", flush=True)
        ratio = rates["engine"] / rates["kernel"]
        print(f"{role:12} engine / kernel = {ratio:.2f}", flush=True)
        if o.check is not None and ratio < 1 - o.check / 100:
            low.append(role)
    harness.check(not low, f"the engine is more than {o.check} % below the kernel as "
                  f"{' and '.join(low)}")


def main():
    o = options()
    if o.serve:
        serve(o.serve, o.congestion, o.client_mac)
    harness.enter_namespace()
    try:
        measure()
    except harness.Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)


if __name__ == "__main__":
    main()
