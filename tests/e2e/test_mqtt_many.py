#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many real TCP clients connected, subscribed and publishing at once: 1,000, or as many as the
environment's HEADRACE_MANY says (10,000 fit the defaults)."""
import os
import subprocess

import harness

CLIENTS = int(os.environ.get("HEADRACE_MANY", "1000"))
MESSAGES = 3
PATIENCE_S = 60 + CLIENTS // 20


def test():
    with harness.Rig("many", meters=10) as rig:
        rig.start()
        got = subprocess.run(
            [harness.program("headrace-many"), harness.SERVER, "1883", str(CLIENTS),
             str(MESSAGES), str(PATIENCE_S)], capture_output=True, text=True)
        print(got.stdout.strip())
        counters = rig.api.counters()
        harness.check(got.returncode == 0, f"headrace-many: {got.stdout}{got.stderr}{counters}")
        for name in ("mqtt_in_publish_qos1", "mqtt_out_publish", "mqtt_out_puback"):
            harness.check(counters[name] == CLIENTS * MESSAGES,
                          f"{name}: {counters[name]}, expected {CLIENTS * MESSAGES}")
        harness.check(rig.stop() == 0, "not an orderly end")


if __name__ == "__main__":
    harness.main(test)
