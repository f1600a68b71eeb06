#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stages spread over two workers, two queues or one that two io stages share, two ingest stages: as
fast as the fleet can, everything acknowledged is where it must be and the accounts balance. Where
flows are spread, every io stage has its share, and a client id that connects again is taken over
from whichever of them has it."""
import os
import re
import socket

import check_ledger
import harness

ONE = "    stages: [io0, stage0, store]\n"
TWO = "    stages: [io0, stage1]\n  - cpu: {cpu}\n    stages: [io1, stage0, store]\n"
# io stages, queues of the device, who spreads the flows, the workers
LAYOUTS = {
    "one io, stages apart": (1, 1, "alone", "    stages: [io0]\n  - cpu: {cpu}\n"
                                            "    stages: [stage0, store]\n"),
    "two of each": (2, 2, "device", TWO),
    "two io stages on one queue": (2, 1, "software", TWO),
}
TAKEOVERS = 20  # all within one io stage: once in a million
CONNECT = b"\x10\x14\x00\x04MQTT\x04\x02\x00\x3c\x00\x08SM-00001"


def spread(rig, ios, queues, stages):
    with open(rig.config_file) as f:
        text = f.read()
    harness.check(ONE in text, "the harness's configuration has another layout")
    text = text.replace(ONE, stages.format(cpu=max(os.sched_getaffinity(0))))
    text = text.replace("framecnt=4096", f"framecnt=4096,qpairs={queues}")
    text = text.replace("    address: ", f"    queues: {ios}\n    address: ")
    with open(rig.config_file, "w") as f:
        f.write(text)


def of_each(rig, counter):
    """A counter's value by worker."""
    return {name: int(value) for name, value in re.findall(
        rf'^headrace_{counter}_total{{worker="(io\d+)"}} (\d+)', rig.headrace("metrics"), re.M)}


def connect():
    """As SM-00001, from a port of the kernel's choice: any io stage may get it."""
    s = socket.create_connection((harness.SERVER, 1883), timeout=30)
    s.sendall(CONNECT)
    harness.check(s.recv(4) == b"\x20\x02\x00\x00", "no CONNACK")
    return s


def ended(s):
    try:
        return s.recv(1) == b""
    except ConnectionError:
        return True


def check_takeovers(rig):
    """MQTT 3.1.1 3.1.4-2, across io stages."""
    before = of_each(rig, "mqtt_in_connect")
    sessions = [connect()]
    for _ in range(TAKEOVERS):
        sessions.append(connect())
        harness.check(ended(sessions[-2]), "an older session with the same client id goes on")
        sessions[-2].close()
    last = sessions[-1]
    last.sendall(b"\xc0\x00")
    harness.check(last.recv(2) == b"\xd0\x00", "the newest session does not answer a ping")
    last.close()
    after = of_each(rig, "mqtt_in_connect")
    harness.check(all(after[io] > before[io] for io in ("io0", "io1")),
                  f"of {TAKEOVERS} connections none came to one of the io stages: {after}")


def check_spread(rig, ios, queues, by):
    port = rig.api.status()["ports"][0]
    got = port["ios"], port["queues"], port["distribution"]
    harness.check(got == (ios, queues, by),
                  f"expected {ios} io stages on {queues} queues, flows spread by {by}: {port}")
    for counter in ("net_rx_tcp", "net_rx_udp"):
        share = of_each(rig, counter)
        harness.check(len(share) == ios and all(share.values()),
                      f"an io stage has nothing of {counter}: {share}")
    counters = rig.api.counters()
    harness.check((counters["net_handed"] > 0) == (by == "software"),
                  f"frames handed from io stage to io stage: {counters['net_handed']}")
    table = rig.headrace("status")
    harness.check(by == "alone" or re.search(rf"net_af_packet0 +{queues} +io0 to io1 +{by}", table),
                  f"headrace status does not say that {by} spreads the flows:\n{table}")


def run_layout(name, ios, queues, by, stages):
    with harness.Rig("workers", meters=200, seed=11) as rig:
        spread(rig, ios, queues, stages)
        rig.start()
        fleet = rig.fleet("--seconds", "4", "--rate", "0", "--quiet",
                          "--ledger", rig.path("ledger.jsonl"))
        harness.check(fleet.wait(90) == 0, f"the fleet ended with {fleet.returncode}")
        rig.settle()
        wrong, summary = check_ledger.check(rig.api, rig.path("ledger.jsonl"))
        harness.check(not wrong, f"{len(wrong)} wrong: " +
                      "; ".join(wrong[:check_ledger.ERRORS_SHOWN]))
        rig.check_audit()
        check_spread(rig, ios, queues, by)
        if ios > 1:
            check_takeovers(rig)
        print(f"{name}: {summary['readings_acked']} readings acknowledged, all as they must be")


def test():
    for name, layout in LAYOUTS.items():
        run_layout(name, *layout)


if __name__ == "__main__":
    harness.main(test)
