# SPDX-License-Identifier: Apache-2.0
"""Write what arrives for one UDP port of an interface to a pcap file, while a `with` block runs."""
import socket
import struct
import threading
import time

ETH_P_ALL = 3
SNAPLEN = 65535
LINKTYPE_ETHERNET = 1


class Capture:
    """IPv4 without options only, which is what headrace-gen sends. `frames` counts them."""

    def __init__(self, interface, port, path):
        self.port, self.path, self.frames = port, path, 0
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind((interface, 0))
        self.socket.settimeout(0.2)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.take, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.over.set()
        self.thread.join()
        self.socket.close()

    def wanted(self, frame):
        return (len(frame) >= 42 and frame[12:15] == b"\x08\x00\x45" and
                frame[23] == socket.IPPROTO_UDP and
                int.from_bytes(frame[36:38], "big") == self.port)

    def take(self):
        with open(self.path, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, SNAPLEN, LINKTYPE_ETHERNET))
            while not self.over.is_set():
                try:
                    frame = self.socket.recv(SNAPLEN)
                except TimeoutError:
                    continue
                if self.wanted(frame):
                    us = time.time_ns() // 1000
                    f.write(struct.pack("<IIII", us // 10**6, us % 10**6, len(frame), len(frame)))
                    f.write(frame)
                    self.frames += 1
