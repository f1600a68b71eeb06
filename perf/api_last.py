#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long GET /readings/ID/last takes while meters send as much as the daemon takes: headraced and
headrace-fleet on this machine, in a namespace, first at rest and then under load. A client keeps one
connection to the Unix socket and asks every 2 ms: as an ordinary program, whose times have its own
wait for a processor in them, and at real-time priority (root only), which shows the daemon's. Prints
percentiles, what the load was, and what the daemon measured from head to answer
(headrace_api_request_seconds). Not a test: its figures are this machine's.

Usage: perf/api_last.py [METERS [SECONDS]]       as root, or where user namespaces are allowed
"""
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness  # noqa: E402

METERS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
ROUTE = 'route="/readings/{id}/last"'


def exchange(sock, target):
    """Over a socket of our own: http.client takes longer than the daemon. The body."""
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    got = b""
    while True:
        part = sock.recv(65536)
        harness.check(part, "the daemon has closed the connection")
        got += part
        head, end, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if end and len(body) == int(length.group(1)):
            harness.check(head.startswith(b"HTTP/1.1 200 "), f"{target}: {head[:100]}")
            return body


def ask_for(rig, ids, seconds):
    """Durations in ms, sorted."""
    connection = harness.UnixConnection(rig.path("api.sock"))
    connection.connect()
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        target = f"/readings/{random.choice(ids)}/last"
        before = time.perf_counter()
        exchange(connection.sock, target)
        took.append((time.perf_counter() - before) * 1000)
        time.sleep(0.002)
    connection.close()
    return sorted(took)


def ask_first(rig, ids, seconds):
    """The same, and nobody takes the processor from us."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        print("not root: no client at real-time priority")
        return None
    try:
        return ask_for(rig, ids, seconds)
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def show(what, took):
    if not took:
        return
    points = [(name, took[min(len(took) - 1, int(len(took) * part))])
              for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))]
    print(f"{what:24} {len(took):6} requests  " +
          "  ".join(f"{name} {ms:7.3f} ms" for name, ms in points) + f"  max {took[-1]:7.3f} ms")


def own_view(rig):
    """The daemon's own: which part of the requests took up to 1 and 4 ms (about)."""
    connection = harness.UnixConnection(rig.path("api.sock"))
    connection.request("GET", "/metrics")
    lines = [line for line in connection.getresponse().read().decode().splitlines()
             if ROUTE in line and "_seconds_" in line]
    total = int(next(line for line in lines if "_count" in line).split()[-1])
    for line in lines:
        for bound in ("0.001024", "0.004096"):
            if f'le="{bound}"' in line:
                print(f"the daemon: {int(line.split()[-1]) / total:8.4%} within {bound} s")


def bench():
    with harness.Rig("last", meters=METERS, segment_mb=64) as rig:
        rig.start()
        ids = [d["id"] for d in rig.api.call("GET", "/devices", limit=10000)["devices"]]
        fleet = rig.fleet("--quiet", "--clean", "--rate", "20", "--seconds", "3")
        fleet.wait()
        rig.settle()
        show("at rest", ask_for(rig, ids, 5))
        before, begun = rig.api.status()["readings"]["received"], time.monotonic()
        fleet = rig.fleet("--quiet", "--clean", "--rate", "100000", "--seconds",
                          str(SECONDS + 5))
        show("load, any client", ask_for(rig, ids, SECONDS / 2))
        show("load, real-time client", ask_first(rig, ids, SECONDS / 2))
        rate = (rig.api.status()["readings"]["received"] - before) / (time.monotonic() - begun)
        with open("/proc/loadavg") as f:
            print(f"the load: {rate:,.0f} readings/s of {len(ids)} devices, "
                  f"on {os.cpu_count()} processors for {f.read().split()[0]} that want one")
        own_view(rig)
        fleet.wait()


harness.main(bench)
