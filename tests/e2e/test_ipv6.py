#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""IPv6 beside IPv4, against the Linux kernel: neighbour discovery both ways, ping, MQTT and CoAP
with real clients, a fragmented datagram, and malformed frames that are counted where they must
be."""
import collections
import os
import random
import re
import socket
import struct
import subprocess
import time

import forge
import harness
from test_bad_input import pace, port_macs
from test_clients import FLAT, now

SERVER = "fd77::1"
CLIENT = "fd77::2"
FRAMES = 1000


def set_up_kernel():
    with open(f"/proc/sys/net/ipv6/conf/{harness.CLIENT_IF}/disable_ipv6", "w") as f:
        f.write("0")
    harness.run("ip", "address", "add", f"{CLIENT}/64", "dev", harness.CLIENT_IF, "nodad")


def add_address(rig, more=""):
    """The keys that switch IPv6 on, into the rig's configuration."""
    with open(rig.config_file) as f:
        text = f.read()
    text = re.sub(r"(?m)^( +)(address: .*)$", rf"\1\2\n\1address6: {SERVER}/64{more}", text)
    with open(rig.config_file, "w") as f:
        f.write(text)


def link_local(mac):
    """RFC 4291 appendix A."""
    eui = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + eui)


def ping(address):
    echo = struct.pack("!BBHHH", 128, 0, 0, 77, 1) + b"headrace" * 100
    target = socket.getaddrinfo(address, None, socket.AF_INET6, socket.SOCK_RAW)[0][4]
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        s.settimeout(5)
        s.sendto(echo, target)
        while True:
            answer, sender = s.recvfrom(2048)
            if answer[0] == 129:
                break
    harness.check(answer[4:] == echo[4:], f"echo from {address} came back changed")
    harness.check(sender[0].split("%")[0] == address.split("%")[0],
                  f"{address} answered as {sender[0]}")


def run_client(*command):
    got = subprocess.run(command, capture_output=True, text=True, timeout=20)
    text = got.stdout + got.stderr
    harness.check(got.returncode == 0, f"{command[0]}: exit {got.returncode}: {text}")
    return text


def test_mqtt(rig, address, meter):
    text = run_client("mosquitto_pub", "-d", "-h", address, "-q", "1", "-i", meter,
                      "-t", f"meters/{meter}/readings",
                      "-m", FLAT.format(meter=meter, ts=now(), kwh="61000.125"))
    harness.check("received PUBACK" in text, f"no PUBACK from {address}: {text}")
    rig.settle()
    values = [float(v["active_energy"]) for _, v in rig.api.readings(meter)]
    harness.check(61000.125 in values, f"an acknowledged reading is not there: {values}")


def test_coap():
    text = run_client(harness.coap_client(), "-v", "6", "-m", "post", "-t", "json", "-B", "10",
                      "-e", FLAT.format(meter="SM-00011", ts=now(), kwh="61000.250"),
                      f"coap://[{SERVER}]/readings")
    harness.check("2.04" in text, f"CoAP: expected 2.04: {text}")


def test_fragmented_datagram(rig, meter):
    """A CoAP message over the MTU: the kernel sends fragments of it. (Those of IPv4 do not reach
    this kind of port: the packet socket puts them together.)"""
    before = rig.api.counters()
    payload = FLAT.format(meter=meter, ts=now(), kwh="61000.375").encode()
    payload = payload.replace(b"{", b"{" + b" " * 4000)
    # CON POST, Uri-Path readings, Content-Format 50
    message = (b"\x40\x02" + random.randbytes(2) + b"\xb8readings" + b"\x11\x32" + b"\xff"
               + payload)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.sendto(message, (SERVER, 5683))
        answer = s.recv(2048)
    harness.check(answer[1] == 0x44, f"2.04 expected for a fragmented message: {answer!r}")
    deadline = time.monotonic() + 10
    while rig.api.counters()["net_reassembled"] == before["net_reassembled"]:
        harness.check(time.monotonic() < deadline, "net_reassembled did not grow")
        time.sleep(0.2)


# --- malformed frames ---

def checksum6(source, target, protocol, data):
    return forge.checksum(source + target + struct.pack("!II", len(data), protocol) + data)


class Frames6:
    def __init__(self, client_mac, server_mac):
        self.macs = server_mac + client_mac
        self.us = socket.inet_pton(socket.AF_INET6, SERVER)
        self.peer = socket.inet_pton(socket.AF_INET6, CLIENT)

    def ipv6(self, protocol, payload, hops=64, source=None, target=None, length=None, version=6,
             chain=b"", first=None):
        """A packet whose header can lie; `chain`: extension headers, `first` the first one's
        number."""
        payload = chain + payload
        header = struct.pack("!IHBB", version << 28, len(payload) if length is None else length,
                             protocol if first is None else first, hops)
        addresses = (source or self.peer) + (target or self.us)
        return self.macs + b"\x86\xdd" + header + addresses + payload

    def udp(self, data, lie=0):
        segment = struct.pack("!HHHH", 40000, 5683, 8 + len(data), 0) + data
        total = checksum6(self.peer, self.us, 17, segment) ^ lie
        return segment[:6] + struct.pack("!H", total or 0xffff) + segment[8:]

    def icmp(self, kind, body, source=None):
        message = bytes([kind, 0, 0, 0]) + body
        total = checksum6(source or self.peer, self.us, 58, message)
        return message[:2] + struct.pack("!H", total) + message[4:]


def kinds(f):
    mapped = bytes(10) + b"\xff\xff\x0a\x4d\0\2"
    multicast = b"\xff\x02" + bytes(13) + b"\1"
    solicit = bytes(4) + f.us + b"\1\1" + f.macs[6:]
    chain = b"\x3c\0\1\4\0\0\0\0" * 3 + b"\x11\0\1\4\0\0\0\0"  # four times destination options
    noise = forge.noise
    return [
        ("net_rx_drop_ipv6_header", lambda r: f.ipv6(17, noise(r, 30, 99), version=4)),
        ("net_rx_drop_ipv6_header", lambda r: f.ipv6(17, noise(r, 30, 99), length=1400)),
        ("net_rx_drop_ipv6_source", lambda r: f.ipv6(17, noise(r, 30, 99), source=multicast)),
        ("net_rx_drop_ipv6_source", lambda r: f.ipv6(17, noise(r, 30, 99), source=f.us)),
        ("net_rx_drop_ipv6_mapped", lambda r: f.ipv6(6, noise(r, 30, 99), source=mapped)),
        ("net_rx_drop_ipv6_destination",
         lambda r: f.ipv6(17, noise(r, 30, 99), target=f.us[:15] + b"\x63")),
        ("net_rx_drop_ipv6_extension",
         lambda r: f.ipv6(17, noise(r, 8, 99), first=60, chain=chain)),
        ("net_rx_drop_ipv6_extension",
         lambda r: f.ipv6(17, bytes(4), first=60, chain=bytes([17, r.randint(1, 255), 1, 4]))),
        ("net_rx_drop_ipv6_option",
         lambda r: f.ipv6(17, noise(r, 8, 99), first=0, chain=b"\x11\0\xc2\4" + r.randbytes(4))),
        ("net_rx_drop_ipv6_routing",
         lambda r: f.ipv6(17, noise(r, 8, 99), first=43, chain=b"\x11\0\0" + r.randbytes(5))),
        ("net_rx_drop_fragment",
         lambda r: f.ipv6(6, noise(r, 8, 99), first=44, chain=b"\6\0\0\1" + r.randbytes(4))),
        ("net_rx_drop_fragment_tiny",
         lambda r: f.ipv6(17, r.randbytes(8), first=44, chain=b"\x11\0\0\1" + r.randbytes(4))),
        ("net_rx_drop_fragment_length",
         lambda r: f.ipv6(17, r.randbytes(57), first=44, chain=b"\x11\0\0\1" + r.randbytes(4))),
        ("net_rx_drop_protocol", lambda r: f.ipv6(r.choice([4, 41, 59, 132]), noise(r, 8, 99))),
        ("net_rx_drop_l4_checksum", lambda r: f.ipv6(17, f.udp(noise(r, 9, 99), lie=0x101))),
        ("net_rx_drop_udp_unsummed",
         lambda r: f.ipv6(17, struct.pack("!HHHH", 40000, 5683, 16, 0) + r.randbytes(8))),
        ("net_rx_drop_icmp", lambda r: f.ipv6(58, f.icmp(r.randint(138, 255), noise(r, 8, 99)))),
        ("net_rx_drop_nd_hop_limit", lambda r: f.ipv6(58, f.icmp(135, solicit), hops=254)),
        ("net_rx_drop_nd_router", lambda r: f.ipv6(58, f.icmp(134, r.randbytes(12)), hops=255)),
        ("net_rx_drop_nd", lambda r: f.ipv6(58, f.icmp(135, solicit[:21] + b"\0" + solicit[22:]),
                                            hops=255)),
    ]


def send_frames(rng):
    expected = collections.Counter()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((harness.CLIENT_IF, 0))
        made = kinds(Frames6(*port_macs()))
        for i in range(FRAMES):
            counter, make = made[i % len(made)]
            s.send(make(rng))
            expected[counter] += 1
            pace(i)
    return expected


def check_counters(rig, before, expected):
    deadline = time.monotonic() + 15
    grown = None
    while grown != expected and time.monotonic() < deadline:
        time.sleep(0.2)
        after = rig.api.counters()
        grown = collections.Counter({c: after[c] - before[c] for c in expected})
    wrong = [f"{c}: {expected[c]} sent, {grown[c]} counted"
             for c in expected if grown[c] != expected[c]]
    harness.check(not wrong, "; ".join(wrong))
    print(f"  {FRAMES} malformed frames, {len(expected)} counters, all right")


def test():
    seed = int(os.environ.get("HEADRACE_SEED", time.time_ns() % 10**9))
    print(f"seed {seed} (HEADRACE_SEED repeats it)", flush=True)
    set_up_kernel()
    with harness.Rig("ipv6", meters=60) as rig:
        add_address(rig)
        rig.start()
        server_mac = port_macs()[1]
        local = f"{link_local(server_mac)}%{harness.CLIENT_IF}"
        ping(SERVER)
        ping(local)
        test_mqtt(rig, SERVER, "SM-00001")
        test_mqtt(rig, local, "SM-00002")
        test_mqtt(rig, harness.SERVER, "SM-00003")
        test_coap()
        test_fragmented_datagram(rig, "SM-00012")
        before = rig.api.counters()
        check_counters(rig, before, send_frames(random.Random(seed)))
        harness.run("ip", "-6", "neigh", "flush", "dev", harness.CLIENT_IF)
        ping(SERVER)  # found again
        counters = rig.api.counters()
        harness.check(counters["net_rx_nd_solicit"] >= 2, "the kernel did not ask for us")
        harness.check(counters["net_rx_nd_advert"] >= 1, "the kernel did not answer us")
        rig.check_audit()


if __name__ == "__main__":
    harness.main(test)
