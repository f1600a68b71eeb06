#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stages spread over two workers, two queues, two ingest stages: as fast as the fleet can, everything
acknowledged is where it must be and the accounts balance."""
import os

import check_ledger
import harness

ONE = "    stages: [io0, stage0, store]\n"
LAYOUTS = {
    "one io, stages apart": (1, "    stages: [io0]\n  - cpu: {cpu}\n    stages: [stage0, store]\n"),
    "two of each": (2, "    stages: [io0, stage1]\n  - cpu: {cpu}\n"
                       "    stages: [io1, stage0, store]\n"),
}


def spread(rig, queues, stages):
    with open(rig.config_file) as f:
        text = f.read()
    harness.check(ONE in text, "the harness's configuration has another layout")
    text = text.replace(ONE, stages.format(cpu=max(os.sched_getaffinity(0))))
    text = text.replace("framecnt=4096", f"framecnt=4096,qpairs={queues}")
    text = text.replace("    address: ", f"    queues: {queues}\n    address: ")
    with open(rig.config_file, "w") as f:
        f.write(text)


def run_layout(name, queues, stages):
    with harness.Rig("workers", meters=200, seed=11) as rig:
        spread(rig, queues, stages)
        rig.start()
        fleet = rig.fleet("--seconds", "4", "--rate", "0", "--quiet",
                          "--ledger", rig.path("ledger.jsonl"))
        harness.check(fleet.wait(90) == 0, f"the fleet ended with {fleet.returncode}")
        rig.settle()
        wrong, summary = check_ledger.check(rig.api, rig.path("ledger.jsonl"))
        harness.check(not wrong, f"{len(wrong)} wrong: " +
                      "; ".join(wrong[:check_ledger.ERRORS_SHOWN]))
        rig.check_audit()
        print(f"{name}: {summary['readings_acked']} readings acknowledged, all as they must be")


def test():
    for name, (queues, stages) in LAYOUTS.items():
        run_layout(name, queues, stages)


if __name__ == "__main__":
    harness.main(test)
