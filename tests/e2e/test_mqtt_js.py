#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mqtt.js from npm: both versions, all QoS, properties both ways, and what an acknowledgement says
about a partly refused array. Skipped where npm or its registry is not there."""
import json
import os
import shutil
import subprocess

import harness

SOURCE = os.path.join(harness.ROOT, "tests", "e2e", "node")


def install():
    """The packages of package-lock.json in a folder of the build; before the namespace, which has
    no way out."""
    folder = os.path.join(harness.BUILD, "tests", "e2e", "node")
    lock = os.path.join(folder, "package-lock.json")
    wanted = os.path.join(SOURCE, "package-lock.json")
    if not shutil.which("npm") or not shutil.which("node"):
        harness.skip("no node and npm: apt-get install nodejs npm")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(SOURCE):
        if name.endswith(".js"):
            shutil.copy(os.path.join(SOURCE, name), folder)
    with open(wanted) as f:
        text = f.read()
    if os.path.isdir(os.path.join(folder, "node_modules")) and os.path.exists(lock):
        with open(lock) as f:
            if f.read() == text:
                return folder
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(SOURCE, name), folder)
    command = ["timeout", "120", "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    got = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if got.returncode:
        os.unlink(lock)
        harness.skip(f"npm ci: {got.returncode} {got.stderr.strip()[-300:]}")
    return folder


def check(seen):
    for version in ("4", "5"):
        harness.check(seen["versions"][version] == ["js/a/0 zero 0", "js/a/2 two 2", "js/b/1 one 1"],
                      f"version {version}: {seen['versions'][version]}")
    p = seen["properties"]
    harness.check(p["user"] == ["1", "2"] and p["type"] == "text/plain" and p["response"] == "js/r"
                  and p["correlation"] == "c" and p["id"] == 9 and 90 <= p["expires"] <= 100,
                  f"properties: {p}")
    topic = "js/a/long/topic/of/many/levels"
    told, *later = seen["aliases"]["lengths"]
    harness.check(seen["aliases"]["topics"] == [topic] * 3 and seen["aliases"]["aliases"] == [1] * 3
                  and later == [told - len(topic)] * 2, f"aliases: {seen['aliases']}")
    puback, pubrec = seen["refused"]
    harness.check(puback["cmd"] == "puback" and puback["reason"] == 0x99 and
                  puback["text"] == "1 of 2 readings refused: missing_field", f"PUBACK: {puback}")
    harness.check(pubrec["cmd"] == "pubrec" and pubrec["reason"] == 0x99 and
                  pubrec["text"].startswith("1 of 1 readings refused: "), f"PUBREC: {pubrec}")


def test():
    folder = os.environ["HEADRACE_NODE"]
    with harness.Rig("mqttjs", meters=10) as rig:
        rig.start()
        got = subprocess.run(["node", os.path.join(folder, "mqtt_talk.js"), harness.SERVER],
                             capture_output=True, text=True, timeout=60)
        harness.check(got.returncode == 0, f"mqtt_talk.js: {got.stdout}{got.stderr}")
        check(json.loads(got.stdout))
        rig.settle()
        harness.check(len(rig.api.readings("SM-00003")) == 1, "one good reading expected")


if __name__ == "__main__":
    if "HEADRACE_NODE" not in os.environ:
        os.environ["HEADRACE_NODE"] = install()
    harness.main(test)
