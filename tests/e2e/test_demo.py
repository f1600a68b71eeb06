#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stranger's first five minutes: demo.sh --keep (without what it installs and builds), then every
line that it prints, as pasted into a shell; the dashboard from outside; and nothing is left."""
import http.client
import os
import re
import subprocess
import sys
import time

import harness
from harness import check

HERE = os.path.dirname(os.path.abspath(__file__))


def paste(lines, script=""):
    """A shell's output of the lines one after the other; each must succeed."""
    text = "\n".join(["set -e", *lines, script])
    got = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=120)
    check(got.returncode == 0, f"{lines}: exit {got.returncode}: {got.stdout}{got.stderr}")
    return got.stdout


def fetch(port, path, token=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def look_around(commands):
    """What the README names, and then what the demonstration printed."""
    shell = next(c for c in commands if c.startswith("export PATH="))
    asked = [c for c in commands if c.startswith("headrace ") and "tokens" not in c]
    check(len(asked) > 5, f"only these commands are printed: {asked}")
    for command in asked:
        if command == "headrace top":
            command += " --once"
        check(paste([shell, command]).strip(), f"{command} says nothing")
    sent = [c for c in commands if c.startswith("nsenter ")]
    check(len(sent) == 2, f"not two ways to send: {sent}")
    said = "".join(subprocess.run(["bash", "-c", c], capture_output=True, text=True,
                                  timeout=60).stdout for c in sent)
    check("received PUBACK" in said and "2.04" in said, f"not acknowledged: {said}")
    for meter in "SM-90002", "SM-90003":
        check("1247.83" in paste([shell, f"headrace readings list {meter}"]), f"not there: {meter}")
    return paste([shell, next(c for c in commands if "tokens create" in c)]).strip()


def browse(port, token):
    status, page = fetch(port, "/ui/")
    check(status == 200 and b"<html" in page, f"no page from outside: {status}")
    check(fetch(port, "/devices")[0] == 401, "devices without a token")
    status, body = fetch(port, "/devices?limit=3", token)
    check(status == 200 and b"SM-00001" in body, f"not signed in: {status}")


def closed(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            fetch(port, "/health")
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test():
    got = subprocess.run([sys.executable, os.path.join(HERE, "demo.py"), "--keep", "--meters", "20",
                          "--seconds", "2"], capture_output=True, text=True, timeout=120)
    if got.returncode == harness.SKIP:
        harness.skip(got.stdout.strip())
    text = got.stdout
    check(got.returncode == 0 and "The accounts balance." in text,
          f"the demonstration failed: {text[-3000:]}{got.stderr}")
    commands = re.findall(r"^  (\S.*)$", text.split("== headraced goes on")[1], re.M)
    stop = next(c for c in commands if c.startswith("kill "))
    try:
        token = look_around(commands)
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", text).group(1))
        browse(port, token)
    finally:
        paste([stop])
    check(closed(port), "the door stays open")
    folder = re.search(r"folder (\S+)", text).group(1)
    check(not os.path.exists(folder), f"{folder} is left")
    print(f"{len(commands)} lines as pasted")


if __name__ == "__main__":
    try:
        test()
    except harness.Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
    print("passed")
