#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo behind ./demo.sh: a fleet sends, headraced stores, the accounts are compared."""
import argparse
import json
import os
import subprocess
import sys
import time

import check_ledger
import doorway
import harness

RATE = 5  # messages per second of each meter or gateway
PROGRAM = "demo.sh"
API_PORT = 9404


def parse_options():
    parser = argparse.ArgumentParser(prog=PROGRAM)
    parser.add_argument("--meters", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if not 1 <= options.meters <= 90000:
        parser.error("--meters: expected 1 to 90000")
    if not 1 <= options.seconds <= 86400:
        parser.error("--seconds: expected 1 to 86400")
    return options


def rejected(totals):
    return {fate: n for fate, n in totals.items()
            if n and fate not in ("stored", "duplicate", "conflict")}


def live_line(rig, before, seconds):
    """What headraced says of itself; returns its totals."""
    readings = rig.api.status()["readings"]
    totals = readings["totals"]
    rate = (sum(totals.values()) - sum(before.values())) / max(seconds, 0.001)
    print(f"headraced: {rate:.0f} readings/s; {totals['stored']} stored, "
          f"{totals['duplicate']} duplicate, {totals['conflict']} conflict, "
          f"{sum(rejected(totals).values())} rejected, "
          f"{readings['in_flight']} not yet durable", flush=True)
    return totals


def run_fleet(rig, seconds):
    """Traffic, with both sides' lines as they come. Returns the seconds it took."""
    fleet = rig.fleet("--seconds", str(seconds), "--rate", str(RATE),
                      "--ledger", rig.path("ledger.jsonl"), "--summary", rig.path("summary.json"),
                      stdout=subprocess.PIPE, text=True)
    start = last = time.monotonic()
    totals = rig.api.totals()
    for line in fleet.stdout:
        print(line, end="")
        now = time.monotonic()
        totals = live_line(rig, totals, now - last)
        last = now
    harness.check(fleet.wait() == 0, f"the fleet ended with {fleet.returncode}: 3 means that "
                  "connections or acknowledgements were lost")
    return min(time.monotonic() - start, seconds)


def table(rows):
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def print_accounts(summary, fleet, seconds):
    totals, sent = summary["totals"], summary["readings_sent"]
    received = sum(totals.values())
    unanswered = fleet["readings_unanswered"]
    rows = [
        ("readings sent", f"{sent:>8}   in {fleet['messages_sent']} messages"),
        ("  acknowledged", f"{summary['readings_acked']:>8}   PUBACK or CoAP response"),
        ("  best effort", f"{unanswered:>8}   QoS 0, and NON without an answer"),
        ("readings received", f"{received:>8}   by headraced's account"),
        ("  stored", f"{totals['stored']:>8}"),
        ("  duplicate", f"{totals['duplicate']:>8}"),
        ("  conflict", f"{totals['conflict']:>8}"),
        ("  rejected", f"{sum(rejected(totals).values()):>8}"),
    ]
    rows += [(f"    {fate}", f"{n:>8}") for fate, n in sorted(rejected(totals).items())]
    rows += [
        ("readings/s", f"{received / seconds:>8.0f}"),
        ("publish to ack, p50", f"{fleet['latency_us']['p50'] / 1000:>8.1f} ms"),
        ("publish to ack, p99", f"{fleet['latency_us']['p99'] / 1000:>8.1f} ms"),
        ("publish to ack, worst", f"{fleet['latency_us']['max'] / 1000:>8.1f} ms"),
    ]
    print("\n== accounts")
    table(rows)


def judge(rig, summary, wrong, fleet):
    """The four questions. Returns whether all are answered with yes."""
    sent, acked = summary["readings_sent"], summary["readings_acked"]
    received = sum(summary["totals"].values())
    balanced, failed = rig.api.audit()
    missing = sent - acked - fleet["readings_unanswered"]
    answers = [
        (not wrong, f"every acknowledged reading is where it must be: "
         f"{summary['identities_checked']} in the store, value by value, "
         f"{summary['errors_checked']} in the error queue"),
        (missing == 0 and fleet["readings_acked"] == acked,
         "sent = acknowledged + best effort"),
        (acked <= received <= sent,
         f"received = acknowledged + {received - acked} of {sent - acked} best effort"),
        (balanced, "headrace audit: " + ("; ".join(failed) or "balanced")),
    ]
    print("\n== checks")
    for good, text in answers:
        print(f"  {'ok  ' if good else 'FAIL'}  {text}")
    for line in wrong[:check_ledger.ERRORS_SHOWN]:
        print(f"        {line}")
    return all(good for good, _ in answers)


def print_how_to_go_on(rig):
    inside = harness.enter_command(rig.daemon.pid)
    folder = os.path.dirname(harness.program("headrace"))
    outside = doorway.open_to(rig.daemon.pid, API_PORT)
    flat = ('{"meterId":"%s","ts":"\'"$(date -u +%%FT%%TZ)"\'","kWh":1247.83,"kW":3.21,"pf":0.97,'
            '"v":239.4,"status":"OK"}')
    by_mqtt, by_coap = flat % "SM-90002", flat % "SM-90003"  # two meters that the fleet leaves alone
    coap_client = harness.coap_client()
    print(f"""
== headraced goes on, process {rig.daemon.pid}, folder {rig.folder}
Publish a reading over MQTT, or send one over CoAP (PUBACK and 2.04 mean: it is on disk):

  {inside} mosquitto_pub -d -h {harness.SERVER} -q 1 -i SM-90002 -t meters/SM-90002/readings -m '{by_mqtt}'

  {inside} {coap_client} -v 6 -m post -t json -e '{by_coap}' coap://{harness.SERVER}/readings

Ask for it; the first line lets this shell find headrace, and headrace the daemon:

  export PATH={folder}:$PATH HEADRACE_SOCKET={rig.path('api.sock')}
  headrace status
  headrace top
  headrace readings list SM-90002
  headrace readings list SM-90003 --format csv
  headrace devices show SM-00001
  headrace errors list
  headrace audit

See it in a browser on this machine, and sign in with the token that the second line prints:

  http://127.0.0.1:{outside}/
  headrace tokens create me --role operator

Stop it and remove everything:

  kill {rig.daemon.pid}; while kill -0 {rig.daemon.pid} 2>/dev/null; do sleep 0.1; done; rm -r {rig.folder}
""")


def demo(options):
    more = f"  listen: 127.0.0.1:{API_PORT}\n"
    with harness.Rig("demo", meters=options.meters, keep=options.keep, more=more) as rig:
        print(f"\n== {options.meters} meters, {options.seconds} s: headraced on the DPDK port "
              f"net_af_packet of a veth pair, the fleet at its other end", flush=True)
        start = time.monotonic()
        rig.start()
        print(f"headraced is ready after {time.monotonic() - start:.1f} s: {harness.SERVER}, "
              "MQTT 1883, CoAP 5683", flush=True)
        seconds = run_fleet(rig, options.seconds)
        rig.settle()
        wrong, summary = check_ledger.check(rig.api, rig.path("ledger.jsonl"))
        with open(rig.path("summary.json")) as f:
            fleet = json.load(f)
        print_accounts(summary, fleet, seconds)
        good = judge(rig, summary, wrong, fleet)
        if options.keep:
            print_how_to_go_on(rig)
        return good


def main():
    options = parse_options()
    if options.keep and doorway.VARIABLE not in os.environ:
        doorway.make(API_PORT)
    harness.enter_namespace()
    harness.take_signals()
    try:
        harness.make_network()
        good = demo(options)
    except harness.Failure as failure:
        print(f"{PROGRAM}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: interrupted; everything is removed", file=sys.stderr)
        return 130
    print("\nThe accounts balance." if good else "\nThe accounts do NOT balance.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
