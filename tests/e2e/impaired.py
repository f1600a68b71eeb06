# SPDX-License-Identifier: Apache-2.0
"""headrace-impair and the interfaces that it joins."""
import contextlib
import subprocess

import harness


def bring_up(interface, address=None):
    """Without offloads: a checksum or a segmentation left to hardware would reach the other end
    undone."""
    with contextlib.suppress(OSError):  # only spares us noise on the link
        with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w") as f:
            f.write("1")
    harness.run("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    if address:
        harness.run("ip", "address", "add", f"{address}/24", "dev", interface)
    harness.run("ip", "link", "set", interface, "up")


def start_ready(command):
    """Start a program that prints "ready" as its first line."""
    process = harness.spawn(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    harness.check(line == "ready\n", f"{command[0]} did not start: {line!r}")
    return process


class Shim:
    """headrace-impair between two interfaces, as long as the `with` lasts."""

    def __init__(self, a, b, *options):
        self.process = start_ready([harness.program("headrace-impair"), *options, a, b])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        harness.end(self.process)
