#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A port of this machine's loopback that leads to the same port in the demo's namespace, so that a
browser outside sees the dashboard. The listening socket is made outside and inherited; this process,
inside, passes on what comes, and ends with headraced.

Usage: doorway.py DESCRIPTOR PID PORT
"""
import contextlib
import os
import socket
import subprocess
import sys
import threading

import harness

VARIABLE = "HEADRACE_DOOR"
LOOK_S = 1


def make(port):
    """Outside: a listening socket, of that port if it is free. The namespace's process finds it."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
    except OSError:
        door.bind(("127.0.0.1", 0))
    door.listen()
    door.set_inheritable(True)
    os.environ[VARIABLE] = str(door.detach())


def open_to(pid, port):
    """Inside: a process that stays. Returns the port outside."""
    number = int(os.environ[VARIABLE])
    with socket.socket(fileno=os.dup(number)) as door:
        outside = door.getsockname()[1]
    harness.spawn([sys.executable, os.path.abspath(__file__), str(number), str(pid), str(port)],
                  keep=True, pass_fds=(number,), stdin=subprocess.DEVNULL,
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return outside


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for s in source, target:
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


def pass_on(client, port):
    with client, contextlib.suppress(OSError), \
            socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join()


def main():
    number, pid, port = map(int, sys.argv[1:])
    door = socket.socket(fileno=number)
    door.settimeout(LOOK_S)
    while os.path.exists(f"/proc/{pid}"):
        with contextlib.suppress(TimeoutError):
            client, _ = door.accept()
            client.settimeout(None)
            threading.Thread(target=pass_on, args=(client, port), daemon=True).start()


if __name__ == "__main__":
    main()
