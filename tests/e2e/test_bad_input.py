#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Malformed frames, MQTT, CoAP and JSON, more than 10,000 of them, while a fleet goes on sending:
headraced lives, each is counted where it must be, the good traffic is unharmed."""
import collections
import os
import random
import socket
import time

import check_ledger
import forge
import harness

FRAMES = 10000
STREAMS = 1500
DATAGRAMS = 4000
PAYLOADS = 3000


def port_macs():
    macs = []
    for name in (harness.CLIENT_IF, harness.PORT_IF):
        with open("/proc/net/dev") as f:
            harness.check(name in f.read(), f"no interface {name}")
        link = harness.run("ip", "-o", "link", "show", name)
        macs.append(bytes.fromhex(link.split("link/ether ")[1].split()[0].replace(":", "")))
    return macs


def pace(index, every=50, pause_s=0.005):
    """The port's ring is small: don't make it drop what we want to see counted."""
    if index % every == every - 1:
        time.sleep(pause_s)


def send_frames(rng, expected):
    client, server = port_macs()
    kinds = forge.frames(client, server, harness.CLIENT, harness.SERVER)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((harness.CLIENT_IF, 0))
        for i in range(FRAMES):
            counter, make = kinds[i % len(kinds)]
            s.send(make(rng))
            expected[counter] += 1
            pace(i)


def send_cut_off(_rng, expected):
    """A client that goes in the middle of a packet is answered with the connection's end, at once:
    its keep-alive of 60 s would end it after 90."""
    hello = forge.mqtt_connect()
    publish = forge.mqtt_publish(b"meters/SM-00001/readings", b"{}" * 40)
    for cut in (1, 2, 10, len(publish) - 1):
        with socket.create_connection((harness.SERVER, 1883), timeout=60) as s:
            s.sendall(hello + publish[:cut])
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        expected["mqtt_cut_off"] += 1


def send_streams(rng, expected):
    """Each on a connection of its own, which headraced has to close."""
    kinds = forge.mqtt()
    for i in range(STREAMS):
        counter, make = kinds[i % len(kinds)]
        with socket.create_connection((harness.SERVER, 1883), timeout=10) as s:
            s.sendall(make(rng))
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            except socket.timeout:
                harness.fail(f"a connection stayed open that should count as {counter}")
        expected[counter] += 1


def send_datagrams(rng, expected):
    kinds = forge.coap()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(DATAGRAMS):
            counter, make = kinds[i % len(kinds)]
            s.sendto(make(rng), (harness.SERVER, 5683))
            expected[counter] += 1
            pace(i)


def read_packet(stream):
    head = stream.read(2)
    harness.check(len(head) == 2 and head[1] < 128, f"broken connection: got {head!r}")
    return head[0], stream.read(head[1])


def send_payloads(rng):
    """In good QoS 1 messages of one connection: each must be acknowledged, since it has a durable
    fate. Returns what was sent."""
    sent = []
    makes = forge.json()
    with socket.create_connection((harness.SERVER, 1883), timeout=20) as s:
        stream = s.makefile("rb")
        s.sendall(forge.mqtt_connect())
        harness.check(read_packet(stream) == (0x20, b"\0\0"), "no CONNACK")
        for i in range(PAYLOADS):
            payload = makes[i % len(makes)](rng)
            sent.append(payload)
            packet_id = i % 65535 + 1
            s.sendall(forge.mqtt_publish(b"meters/SM-00001/readings", payload, 1, packet_id))
            got = read_packet(stream)
            harness.check(got == (0x40, packet_id.to_bytes(2, "big")),
                          f"no PUBACK for {payload[:60]!r}, but {got}")
        s.sendall(b"\xe0\0")
    return sent


def grown(rig, before, counter):
    return rig.api.counters()[counter] - before[counter]


def check_counters(rig, before, expected):
    deadline = time.monotonic() + 15
    short = True
    while short and time.monotonic() < deadline:
        time.sleep(0.3)
        short = any(grown(rig, before, c) < n for c, n in expected.items())
    wrong = []
    for counter, number in sorted(expected.items()):
        got = grown(rig, before, counter)
        print(f"  {counter}: {number} sent, {got} counted")
        if got != number:
            wrong.append(counter)
    harness.check(not wrong, f"not counted as they must be: {', '.join(wrong)}")


def check_payloads(rig, sent):
    """Every payload is in the error queue, byte by byte."""
    queue = collections.Counter(rig.api.error_payloads())
    for payload, number in collections.Counter(sent).items():
        harness.check(queue[payload] >= number,
                      f"{number} times sent, {queue[payload]} times in the error queue: "
                      f"{payload[:80]!r}")
    print(f"  {len(sent)} payloads, all in the error queue")


def test():
    seed = int(os.environ.get("HEADRACE_SEED", time.time_ns() % 10**9))
    print(f"seed {seed} (HEADRACE_SEED repeats it)", flush=True)
    rng = random.Random(seed)
    with harness.Rig("bad-input", meters=60, seed=seed) as rig:
        rig.start()
        before = rig.api.counters()
        fleet = rig.fleet("--clean", "--quiet", "--rate", "5", "--seconds", "600",
                          "--ledger", rig.path("ledger.jsonl"))
        expected = collections.Counter()
        for send in (send_frames, send_streams, send_cut_off, send_datagrams):
            send(rng, expected)
            harness.check(rig.alive(), f"headraced died in {send.__name__}")
        payloads = send_payloads(rng)
        harness.check(rig.alive(), "headraced died of a payload")
        check_counters(rig, before, expected)
        harness.check(harness.end(fleet, patience_s=30) == 0,
                      f"good traffic was harmed: the fleet ended with {fleet.returncode}")
        rig.settle()
        check_payloads(rig, payloads)
        wrong, summary = check_ledger.check(rig.api, rig.path("ledger.jsonl"), alone=False)
        harness.check(not wrong, "; ".join(wrong[:check_ledger.ERRORS_SHOWN]))
        print(f"  good traffic: {summary['readings_acked']} readings acknowledged and stored")
        rig.check_audit()


if __name__ == "__main__":
    harness.main(test)
