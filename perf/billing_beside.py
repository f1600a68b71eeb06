#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ingest without a billing run, beside one, and without one again, in one run of one headraced.

The store is filled with a month of readings of --bills meters (headrace-year). Each round is A, B, A:
the generator connects --meters meters and sends two steps, --rate messages/s for the latency and as
fast as acknowledgements come for the rate; by a veth pair, for the end of a memif may take the other
end along. In B the bills of that month are run,
and then reviewed again and again, which draws each of them anew, until the generator has ended.

Printed: of each step the acknowledged messages/s, the latency from sending to the PUBACK, the CPU time
of the data path's worker a message, and what B lost against the mean of the two A around it. Where
everything shares few cores the rate says as much of the machine as of headraced: the CPU time a
message is the steadier figure.

    perf/billing_beside.py [--bills 2000] [--rounds 3] [--seconds 10] [--json FILE]
"""
import argparse
import json
import os
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig  # noqa: E402
from rig import harness  # noqa: E402

MONTH = "2025-03"
TARIFF = "sample-b"
STEPS = ("steady", "flat out")


class Beside(rig.Headraced):
    """headraced with a month of readings in its store."""

    def __init__(self, o):
        super().__init__("beside", o.meters, cpu=o.cpu, gen_cpu=o.gen_cpu, veth=True)
        self.o = o
        self.options["devices"] = o.meters + o.bills + 1
        self.write_config()
        os.rename(self.path("devices.csv"), self.path("fleet.csv"))
        with open(self.path("devices.csv"), "w", encoding="utf-8") as f:
            f.write("id\n")
        harness.run(harness.program("headrace-year"), "--config", self.path("headrace.yaml"),
                    "--meters", str(o.bills), "--from", "2025-02-28", "--days", "33", "--bare")

    def write_config(self):
        with open(self.path("headrace.yaml"), "w", encoding="utf-8") as f:
            f.write(rig.CONFIG.format(folder=self.folder, device=self.device, server=rig.SERVER,
                                      prefix=f"perf{os.getpid()}", cpu=self.cpu, root=rig.ROOT,
                                      **self.options) +
                    f"tariffs_dir: {rig.ROOT}/configs/tariffs\n"
                    "territory: { timezone: America/Los_Angeles }\n"
                    "retention: { raw_days: 0, hour_days: 0, day_days: 0 }\n")

    def start(self, patience_s=120):
        self.launch([harness.program("headraced"), "--config", self.path("headrace.yaml")])
        deadline = time.monotonic() + patience_s
        while "headraced: ready" not in self.log_tail():
            if self.process.poll() is not None or time.monotonic() > deadline:
                harness.fail("headraced did not start")
            time.sleep(0.05)
        harness.run(harness.program("headrace"), "--socket", self.path("api.sock"), "devices",
                    "import", self.path("fleet.csv"))


class Billing(threading.Thread):
    """The month's run, then reviews of it, until it is told to end."""

    def __init__(self, server, work):
        super().__init__(daemon=True)
        self.api = harness.Api(server.path("api.sock"))
        self.work = work
        self.over = threading.Event()
        self.drawn = self.cpu_ms = 0  # of works that are over
        self.now = 0                  # of all
        self.begin()

    def begin(self):
        what = {"tariff": TARIFF} if self.work == "run" else {}
        self.api.call("POST", f"/billing/{self.work}", month=MONTH, **what)
        self.work = "review"

    def run(self):
        while True:
            status = self.api.call("GET", "/billing")
            self.now = self.drawn + status["done"]
            if not status["running"]:
                harness.check(not status["failure"], f"billing: {status['failure']}")
                self.drawn += status["done"]
                self.cpu_ms += status["cpu_ms"]
                if self.over.is_set():
                    return
                self.begin()
            time.sleep(0.05)


def measure(server):
    """Both steps, what each cost."""
    marks, steps = [], []

    def on_step(begins, _):
        marks.append(server.status())
        if not begins:
            steps.append(marks[-1]["worker_s"] - marks[-2]["worker_s"])
    o = server.o
    got = server.generate("--meters", o.meters, "--rate", f"{o.rate},0", "--seconds", o.seconds,
                          "--warmup", 1, "--inflight-max", o.inflight, "--close",
                          timeout_s=30 * o.seconds + 300, on_step=on_step)
    out = {}
    for name, step, worker_s in zip(STEPS, got["steps"], steps):
        harness.check(step["acked"] > 0, f"{name}: nothing was acknowledged")
        out[name] = {"acked": step["acked"], "per_s": step["acked_per_s"],
                     "p50_us": step["latency_us"]["p50"], "p99_us": step["latency_us"]["p99"],
                     "cpu_ns": worker_s * 1e9 / step["acked"]}
    return out


def measure_beside(server, first):
    """The same beside billing, which has to be under way all the time."""
    billing = Billing(server, "run" if first else "review")
    billing.start()
    try:
        got = measure(server)
        drawn = billing.now
        harness.check(billing.is_alive(), "billing ended before the generator")
    finally:
        billing.over.set()
        billing.join(600)
    got["bills drawn meanwhile"] = drawn
    got["cpu_ms_a_bill"] = billing.cpu_ms / max(billing.drawn, 1)
    return got


def losses(a, b, a2):
    """Of B against the mean of its two neighbours, in percent; positive is worse."""
    out = {}
    for name in STEPS:
        def change(key):
            mean = (a[name][key] + a2[name][key]) / 2
            return 100 * (b[name][key] - mean) / mean
        out[name] = {"rate": -change("per_s"), "cpu": change("cpu_ns"), "p50": change("p50_us"),
                     "p99": change("p99_us")}
    return out


def show(label, got):
    for name in STEPS:
        s = got[name]
        print(f"{label:3} {name:9} {s['per_s']:>9,.0f}/s  p50 {s['p50_us']:>7,.0f} us  p99 "
              f"{s['p99_us']:>8,.0f} us  {s['cpu_ns']:>7,.0f} ns of CPU a message", flush=True)


def run(o):
    rounds = []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; worker on {o.cpu}, generator on "
          f"{o.gen_cpu}; {o.meters:,} meters by MQTT, QoS 1; {o.bills:,} bills of {MONTH}", flush=True)
    with Beside(o) as server:
        server.start()
        measure(server)  # pools, caches, the first connections
        for number in range(o.rounds):
            a, b = measure(server), measure_beside(server, number == 0)
            a2 = measure(server)
            for label, got in ("A", a), ("B", b), ("A", a2):
                show(label, got)
            print(f"    {b['bills drawn meanwhile']:,} bills drawn beside B, "
                  f"{b['cpu_ms_a_bill']:.2f} ms of CPU each"
                  f"{'' if b['bills drawn meanwhile'] else ': nothing was left for them'}", flush=True)
            rounds.append({"A": a, "B": b, "A again": a2, "loss": losses(a, b, a2)})
        audit = server.api.audit()
        harness.check(audit[0], f"the accounts do not balance: {audit[1]}")
    median = {name: {key: statistics.median(r["loss"][name][key] for r in rounds)
                     for key in ("rate", "cpu", "p50", "p99")} for name in STEPS}
    for name in STEPS:
        m = median[name]
        print(f"{name}: messages/s {-m['rate']:+.1f} %, CPU a message {m['cpu']:+.1f} %, p50 "
              f"{m['p50']:+.0f} %, p99 {m['p99']:+.0f} % beside billing (median of {o.rounds})")
    return {"rounds": rounds, "median_loss": median}


def options():
    cores = sorted(os.sched_getaffinity(0))
    p = argparse.ArgumentParser()
    p.add_argument("--bills", type=int, default=2000)
    p.add_argument("--meters", type=int, default=2000)
    p.add_argument("--rate", type=int, default=10000)
    p.add_argument("--inflight", type=int, default=1024)
    p.add_argument("--seconds", type=int, default=10)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--cpu", type=int, default=cores[0])
    p.add_argument("--gen-cpu", type=int, default=cores[-1])
    p.add_argument("--json")
    return p.parse_args()


def main():
    o = options()
    harness.enter_namespace()
    harness.take_signals()
    try:
        result = run(o)
    except harness.Failure as failure:
        sys.exit(f"FAILED: {failure}")
    if o.json:
        with open(o.json, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)


if __name__ == "__main__":
    main()
