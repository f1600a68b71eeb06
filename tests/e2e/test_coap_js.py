#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The package coap from npm: discovery in blocks, separate responses, ETag, Accept, blocks both
ways, the resource directory and observed readings. Skipped where npm or its registry is not there."""
import json
import os
import subprocess

import harness
from test_mqtt_js import install

METER = "SM-00005"


def check(seen):
    core = seen["core"]
    harness.check(core["code"] == "2.05" and '</rd>;rt="core.rd"' in core["text"] and
                  "</link3>" in core["text"], f"discovery: {core}")
    harness.check(seen["filtered"]["text"] == '</rd>;rt="core.rd";ct=40',
                  f"discovery with a filter: {seen['filtered']}")
    harness.check(seen["separate"]["text"] == "separate", f"separate: {seen['separate']}")
    harness.check(seen["valid"]["code"] == "2.03", f"ETag: {seen['valid']}")
    harness.check(seen["accept"]["format"] == "text/plain" and seen["refused"]["code"] == "4.06",
                  f"Accept: {seen['accept']}, {seen['refused']}")
    harness.check(seen["put"]["code"] == "2.04" and seen["large"],
                  f"PUT in blocks, GET in blocks: {seen['put']}, same: {seen['large']}")
    harness.check(seen["created"]["code"] == "2.01" and seen["created"]["location"][0] == "rd" and
                  '/js>;rt="js"' in seen["found"]["text"],
                  f"directory: {seen['created']}, {seen['found']}")
    harness.check(seen["posted"]["code"] == "2.04", f"a reading: {seen['posted']}")
    harness.check(len(seen["states"]) >= 2 and "60001.501" in seen["states"][-1],
                  f"observed: {seen['states']}")
    harness.check(seen["non"]["code"] == "2.05", f"NON: {seen['non']}")


def test():
    folder = os.environ["HEADRACE_NODE"]
    with harness.Rig("coapjs", meters=10, more="coap:\n  interop: true\n") as rig:
        rig.start()
        got = subprocess.run(["node", os.path.join(folder, "coap_talk.js"), harness.SERVER, METER],
                             capture_output=True, text=True, timeout=90)
        harness.check(got.returncode == 0, f"coap_talk.js: {got.stdout}{got.stderr}")
        check(json.loads(got.stdout))


if __name__ == "__main__":
    if "HEADRACE_NODE" not in os.environ:
        os.environ["HEADRACE_NODE"] = install()
    harness.main(test)
