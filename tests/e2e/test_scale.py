#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many connections, peers that hold a zero window, a flood of SYNs, and mosquitto_pub among them: the
scenario of perf/scale.py, small. Nothing is timed here; everything is counted."""
import os
import sys

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "perf"))
import scale  # noqa: E402

CONNECTIONS, ZERO_WINDOWS = 20000, 2000
FLOOD_PER_S = 20000  # the cache of half-open connections has 5,756 places
EACH_BYTES = {"connection blocks", "connection table", "MQTT sessions", "io connection state"}


def check_memory(result):
    """What each pool has in use adds up, and stays within an idle connection's budget."""
    harness.check(result["bytes_per_idle_connection"] <= 512,
                  f"an idle connection takes {result['bytes_per_idle_connection']} bytes")
    for step in result["steps"]:
        of_each = {name: step["pools"][name] for name in EACH_BYTES}
        # mosquitto_pub's last connection may go between two looks
        harness.check(max(of_each.values()) - min(of_each.values()) <= 1,
                      f"{step['name']}: {step['connections']} connections, but {of_each}")
    held = result["steps"][1]
    harness.check(held["pools"]["send chunks"] >= ZERO_WINDOWS,
                  f"each zero window keeps a CONNACK waiting: {held['pools']}")


def test():
    harness.run("ip", "link", "del", harness.PORT_IF)  # its network is the bridge's here
    cpus = sorted(os.sched_getaffinity(0))
    result = scale.Scale(CONNECTIONS, ZERO_WINDOWS, FLOOD_PER_S, 2, cpu=cpus[0],
                         gen_cpu=cpus[-1], publishes=2).run(start_s=60, timeout_s=150)
    wrong = scale.wrong(result)
    harness.check(not wrong, "; ".join(wrong))
    check_memory(result)
    flood = result["steps"][2]
    harness.check(flood["counters"]["tcp_cookies_sent"] > 0,
                  f"{result['syns_flooded']} SYNs did not fill the cache of half-open connections")
    print(f"{result['connections']:,} connections, {result['holders']:,} zero windows, "
          f"{result['syns_flooded']:,} SYNs of nobody's: {result['messages_acked']:,} readings and "
          f"{result['real_stored']} of mosquitto_pub's acknowledged and stored")


if __name__ == "__main__":
    harness.main(test)
