#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker never allocates, locks or makes a blocking file call after start: counted by a preloaded
library while the fleet sends everything it can, duplicates and bad readings included, and while
the registry is changed."""
import os
import signal
import time

import harness


def test():
    library = os.path.join(harness.BUILD, "tests", "e2e", "libdiscipline.so")
    with harness.Rig("discipline", meters=60, seed=7) as rig:
        report = rig.path("discipline.txt")
        os.environ["LD_PRELOAD"], os.environ["HEADRACE_DISCIPLINE"] = library, report
        rig.start()
        del os.environ["LD_PRELOAD"]
        os.kill(rig.daemon.pid, signal.SIGUSR2)
        fleet = rig.fleet("--seconds", "4", "--rate", "50", "--quiet",
                          "--ledger", rig.path("ledger.jsonl"))
        time.sleep(2)
        rig.headrace("devices", "import", rig.path("devices.csv"))
        harness.check(fleet.wait(60) == 0, f"the fleet ended with {fleet.returncode}")
        received = sum(rig.api.totals().values())
        rig.stop()
        with open(report) as f:
            lines = [line.split(maxsplit=1) for line in f.read().splitlines()]
    # once its loop has ended, an lcore's thread waits in read() for its next task
    seen, offences = lines[0], [line for line in lines[1:]
                                if not (line[0] == "1" and "read " in line[1] and
                                        "librte_eal" in line[1])]
    harness.check(int(seen[0]) > 1000, f"the workers were not watched: {seen}")
    harness.check(not offences, "workers called: " +
                  "; ".join(" ".join(line) for line in offences))
    print(f"{received} readings, {seen[0]} polls watched, no forbidden call")


if __name__ == "__main__":
    harness.main(test)
