#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A port in a VLAN: frames with its tag are answered, with its tag; others are dropped and
counted."""
import re
import socket
import struct
import time

import forge
import harness
from test_bad_input import port_macs

VLAN = 10
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
VLAN_VALID = 1 << 4


def add_vlan(rig):
    with open(rig.config_file) as f:
        text = f.read()
    text = re.sub(r"(?m)^( +)(address: .*)$", rf"\1\2\n\1vlan: {VLAN}", text)
    with open(rig.config_file, "w") as f:
        f.write(text)


def tagged(frame, vlan):
    return frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]


def tag_of(ancillary):
    """The kernel takes the tag out of the frame, and tells it beside; None: there was none."""
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", data[:20])
            return tag & 0xfff if status & VLAN_VALID else None
    return None


def answer(s, wanted, patience_s):
    """(tag, frame) of the first frame that `wanted` likes; None: none came."""
    deadline = time.monotonic() + patience_s
    while (left := deadline - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            frame, ancillary, _, _ = s.recvmsg(2048, 256)
        except socket.timeout:
            break
        if wanted(frame):
            return tag_of(ancillary), frame
    return None


def test():
    with harness.Rig("vlan", meters=10) as rig:
        add_vlan(rig)
        rig.start()
        client, server = port_macs()
        f = forge.Frames(client, server, harness.CLIENT, harness.SERVER)
        broadcast = forge.Frames(client, b"\xff" * 6, harness.CLIENT, harness.SERVER)
        arp = broadcast.ethernet(0x0806, broadcast.arp(1, f.target))
        echo = f.ipv4(1, f.icmp(8, b"headrace" * 8))

        def is_arp_reply(frame):
            return frame[6:12] == server and frame[12:14] == b"\x08\x06" and frame[21] == 2

        def is_echo_reply(frame):
            return frame[6:12] == server and frame[12:14] == b"\x08\0" and frame[34] == 0

        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as s:
            s.bind((harness.CLIENT_IF, ETH_P_ALL))
            s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            for request, wanted, name in ((arp, is_arp_reply, "ARP"),
                                          (echo, is_echo_reply, "ping")):
                s.send(tagged(request, VLAN))
                got = answer(s, wanted, 10)
                harness.check(got, f"{name} in VLAN {VLAN} was not answered")
                harness.check(got[0] == VLAN, f"{name} was answered with the tag {got[0]}")
            before = rig.api.counters()["net_rx_drop_vlan"]
            for wrong in (arp, echo, tagged(echo, VLAN + 1), tagged(tagged(echo, VLAN), VLAN)):
                s.send(wrong)
            got = answer(s, lambda frame: is_arp_reply(frame) or is_echo_reply(frame), 1)
            harness.check(not got, "a frame from outside the VLAN was answered")
        after = rig.api.counters()["net_rx_drop_vlan"]
        harness.check(after - before == 4, f"4 frames of other VLANs, {after - before} counted")


if __name__ == "__main__":
    harness.main(test)
