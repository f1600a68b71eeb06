# SPDX-License-Identifier: Apache-2.0
"""Very many connections, then peers that hold a zero window, then a flood of SYNs, and a real client
among them all the time.

One headraced, one io worker, one port of shared memory with headrace-gen at its other end. The
generator also bridges a veth pair, so that mosquitto_pub, on the kernel's TCP, reaches the same io
worker by the same port. Three steps, in each of which every meter delivers one reading:

  1 the connections alone   2 beside the zero windows   3 beside those and the flood
"""
import datetime
import json
import re
import subprocess
import time

import rig
from rig import harness

BRIDGE_IF, CLIENT_IF = "bridge0", "client0"
CLIENT = "10.77.0.2"
METER = "SM-REAL"
STEPS = ("alone", "zero windows", "SYN flood")
# A real client's patience: a SYN lost in the flood costs it seconds, none of them the server's.
PUBLISH_TIMEOUT_S = 60
COUNTERS = ("tcp_cookies_sent", "tcp_cookies_accepted", "net_tx_drop_full", "net_tx_no_buffer",
            "mqtt_in_pingreq")


def make_bridge():
    """The kernel's end has an address, the generator's has none."""
    harness.run("ip", "link", "add", BRIDGE_IF, "type", "veth", "peer", "name", CLIENT_IF)
    for name in (BRIDGE_IF, CLIENT_IF):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as f:
            f.write("1")
        harness.run("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        harness.run("ip", "link", "set", name, "up")
    harness.run("ip", "address", "add", f"{CLIENT}/16", "dev", CLIENT_IF)


def remove_bridge():
    subprocess.run(["ip", "link", "del", BRIDGE_IF], capture_output=True)


def publish(number):
    """One reading by mosquitto_pub, QoS 1; seconds until it had its PUBACK and was gone."""
    now = datetime.datetime.now(datetime.timezone.utc)
    payload = json.dumps({"meterId": METER, "ts": now.isoformat(timespec="milliseconds"),
                          "kWh": 1000 + number / 1000, "kW": 1.5, "pf": 0.97, "v": 230.1,
                          "status": "OK"})
    started = time.monotonic()
    got = subprocess.run(
        ["mosquitto_pub", "-d", "-h", rig.SERVER, "-q", "1", "-i", f"real-{number}",
         "-t", f"meters/{METER}/readings", "-m", payload],
        capture_output=True, text=True, timeout=PUBLISH_TIMEOUT_S)
    if got.returncode or "received PUBACK" not in got.stdout:
        harness.fail(f"mosquitto_pub got no PUBACK: exit {got.returncode}: {got.stdout}"
                     f"{got.stderr}")
    return time.monotonic() - started


def poll_buckets(metrics):
    """Of io0's polls that found work: {upper bound in s: how many at or below}."""
    return {float(bound): int(count) for bound, count in re.findall(
        r'^headrace_poll_seconds_bucket\{worker="io0",le="([^"]+)"\} (\d+)', metrics, re.M)}


def poll_percentile_us(before, after, percent):
    """An upper bound: the buckets are powers of two."""
    total = after[float("inf")] - before[float("inf")]
    for bound in sorted(after):
        if total and after[bound] - before[bound] >= total * percent / 100:
            return round(bound * 1e6) if bound != float("inf") else None
    return None


class Scale:
    def __init__(self, connections, zero_windows, flood_per_s, within_s, cpu, gen_cpu,
                 publishes=3):
        self.connections, self.zero_windows = connections, zero_windows
        self.flood_per_s, self.within_s, self.publishes = flood_per_s, within_s, publishes
        self.place = {"cpu": cpu, "gen_cpu": gen_cpu}
        self.published = 0
        self.marks, self.steps = [], []

    def look(self, server):
        status = server.status()
        return {"status": status, "polls": poll_buckets(server.metrics()),
                "resident": rig.resident_bytes(server.process.pid)}

    def on_step(self, server, begins):
        """Called as the generator's steps begin and end."""
        if begins:
            self.marks.append(self.look(server))
            took = []
            for _ in range(self.publishes):
                self.published += 1
                took.append(publish(self.published))
            self.steps.append({"name": STEPS[len(self.steps)],
                               "mosquitto_pub_s": [round(s, 3) for s in took]})
            return
        before, after = self.marks[-1], self.look(server)
        connections = after["status"]["connections"]
        self.steps[-1].update(
            connections=connections["count"],
            bytes_per_connection=connections["bytes_per_connection"],
            pools={p["name"]: p["used"] for p in connections["pools"]},
            resident_bytes=after["resident"],
            poll_p50_us=poll_percentile_us(before["polls"], after["polls"], 50),
            poll_p99_us=poll_percentile_us(before["polls"], after["polls"], 99),
            worker_s=round(after["status"]["worker_s"] - before["status"]["worker_s"], 2),
            counters={name: after["status"]["counters"].get(name, 0) -
                      before["status"]["counters"].get(name, 0) for name in COUNTERS})

    def add_real_meter(self, server):
        with open(server.path("devices.csv"), "a") as f:
            f.write(f"{METER},active,100000\n")

    def run(self, start_s=300, timeout_s=600):
        n = self.connections
        room = n + self.zero_windows + 1024
        with rig.Headraced("scale", n, connections=room, **self.place) as s:
            try:
                make_bridge()
                self.add_real_meter(s)
                s.options["devices"] += 1
                s.start(patience_s=start_s)
                empty = rig.resident_bytes(s.process.pid)
                got = s.generate(
                    "--meters", n, "--profile", "herd", "--within", self.within_s,
                    "--rate", "1,1,1", "--keep-alive", 60, "--connect-window", 4096,
                    "--zero-window", self.zero_windows, "--zero-window-from", 2,
                    "--syn-flood", self.flood_per_s, "--syn-flood-from", 3, "--bridge",
                    BRIDGE_IF, "--drain", 30, timeout_s=timeout_s,
                    on_step=lambda begins, _: self.on_step(s, begins))
                status = self.settled(s)
                stored = len(s.api.readings(METER))
            finally:
                remove_bridge()
        return self.result(got, status, stored, empty)

    @staticmethod
    def settled(server, patience_s=60):
        deadline = time.monotonic() + patience_s
        while True:
            status = server.status()
            caught_up = status["store"]["applied_block"] >= status["journal"]["durable_block"]
            if (status["readings"]["in_flight"] == 0 and caught_up) or \
                    time.monotonic() > deadline:
                return status
            time.sleep(0.2)

    def result(self, got, status, stored, empty):
        for step, sent in zip(self.steps, got["steps"]):
            step.update(scheduled=sent["scheduled"], acked=sent["acked"],
                        acked_per_s=sent["acked_per_s"], latency_us=sent["latency_us"])
        t = got["totals"]
        return {"connections": self.connections, "zero_windows": self.zero_windows,
                "flood_per_s": self.flood_per_s,
                "connect_seconds": got["connect_seconds"],
                "connections_per_s": got["connections_per_s"], "setup_us": got["setup_us"],
                "bytes_per_idle_connection": status["bytes_per_connection"],
                "memory_reserved_bytes": status["memory_budget_bytes"],
                "resident_before_bytes": empty, "steps": self.steps,
                "poll": status["stages"][0]["poll"],
                "messages_acked": t["messages_acked"], "reset": t["reset"],
                "closed_by_server": t["closed_by_peer"], "timed_out": t["timed_out"],
                "pings": t["pings"], "holders": t["holders"],
                "holders_evicted": t["holders_lost"], "syns_flooded": t["syns_flooded"],
                "real_published": self.published, "real_stored": stored,
                "readings_stored": status["readings"]["since_start"]["stored"]}


def wrong(result):
    """What was promised and did not happen."""
    said = []

    def expect(condition, text):
        if not condition:
            said.append(text)
    n = result["connections"]
    expect(len(result["steps"]) == len(STEPS), f"{len(result['steps'])} steps of {len(STEPS)}")
    for step in result["steps"]:
        expect(step.get("acked") == step.get("scheduled") == n,
               f"{step['name']}: {step.get('acked')} of {n} meters had their reading acknowledged")
        expect(step.get("connections", 0) >= n, f"{step['name']}: {step.get('connections')} "
               f"connections at the end, of {n}")
    expect(result["holders"] >= result["zero_windows"],
           f"{result['holders']} zero windows of {result['zero_windows']}")
    expect(result["syns_flooded"] > 0 or not result["flood_per_s"], "no flood")
    expect(result["real_stored"] == result["real_published"],
           f"mosquitto_pub: {result['real_published']} acknowledged, {result['real_stored']} stored")
    expect(result["readings_stored"] == result["messages_acked"] + result["real_published"],
           f"{result['readings_stored']} readings stored, acknowledged "
           f"{result['messages_acked']} + {result['real_published']}")
    return said
