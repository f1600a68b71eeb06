#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random instants under load, many times, also while it recovers. Afterwards every
reading that was ever acknowledged is in the store, once, with its values, and the audit balances."""
import os
import random
import time

import check_ledger
import harness

ROUNDS = int(os.environ.get("HEADRACE_ROUNDS", "22"))


def test():
    seed = int(os.environ.get("HEADRACE_SEED", time.time_ns() % 10**9))
    print(f"seed {seed}, {ROUNDS} rounds (HEADRACE_SEED, HEADRACE_ROUNDS)", flush=True)
    rng = random.Random(seed)
    with harness.Rig("crash", meters=100, seed=seed, segment_mb=4, flush_s=2) as rig:
        rig.start()
        fleet = rig.fleet("--reconnect", "--ledger-sync", "--quiet", "--rate", "10",
                          "--seconds", "3600", "--ledger", rig.path("ledger.jsonl"),
                          "--summary", rig.path("summary.json"))
        under_load = 0
        for number in range(1, ROUNDS + 1):
            start = time.monotonic()
            received = sum(rig.api.totals().values())
            time.sleep(rng.uniform(0.05, 2.5))
            harness.check(fleet.poll() is None, f"the fleet ended with {fleet.returncode}")
            harness.check(rig.alive(), f"headraced died by itself: {rig.daemon.returncode}")
            grown = sum(rig.api.totals().values()) - received
            under_load += grown > 0
            rig.kill()
            if number % 4 == 0:  # once more, while it recovers
                rig.start(wait=False)
                time.sleep(rng.uniform(0.0, 0.3))
                rig.kill()
            killed = time.monotonic()
            rig.start()
            print(f"round {number}: {grown} readings, killed after {killed - start:.2f} s, "
                  f"ready again in {time.monotonic() - killed:.2f} s", flush=True)
        harness.check(under_load >= ROUNDS // 2, f"only {under_load} rounds had traffic")
        harness.check(harness.end(fleet, patience_s=90) == 0,
                      f"the fleet ended with {fleet.returncode}: not everything was acknowledged")
        rig.settle()
        wrong, summary = check_ledger.check(rig.api, rig.path("ledger.jsonl"), resent=True)
        harness.check(not wrong, f"{len(wrong)} wrong: " +
                      "; ".join(wrong[:check_ledger.ERRORS_SHOWN]))
        print(f"{summary['readings_acked']} readings acknowledged over {ROUNDS} crashes, "
              f"{summary['in_store']} in the store, all as they must be")
        rig.check_audit()


if __name__ == "__main__":
    harness.main(test)
