#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A billing run that is killed in its middle and run again: every bill is there once, and each is
what a run without interruption gives. Nothing that was received is lost by it."""
import datetime
import json
import shutil
import subprocess
import time

import harness

METERS = 384  # six pages
MONTH = "2025-03"
SENT = 100     # live readings, not flushed into the store when the daemon is killed
ATTEMPTS = 10  # at a kill between a run's first bill and its last


def make_rig():
    rig = harness.Rig("billing", meters=1, more=f"""\
retention: {{ raw_days: 0, hour_days: 0, day_days: 0 }}
territory: {{ timezone: America/Los_Angeles }}
limits: {{ devices: {METERS} }}
""")
    made = json.loads(harness.run(
        harness.program("headrace-year"), "--config", rig.config_file, "--meters", str(METERS),
        "--from", "2025-02-28", "--days", "33", "--bare"))
    for folder in "journal", "store":
        shutil.copytree(rig.path(folder), rig.path("first-" + folder))
    return rig, made


def as_made(rig):
    """The folders as headrace-year left them."""
    for folder in "journal", "store":
        shutil.rmtree(rig.path(folder))
        shutil.copytree(rig.path("first-" + folder), rig.path(folder))


def send_live(rig):
    """Of a meter that has not been heard for long, a second after the other."""
    begun = datetime.datetime.utcnow() - datetime.timedelta(seconds=SENT)
    lines = "".join(json.dumps({
        "meterId": "Y-000007", "kWh": 900000 + i / 100,
        "ts": (begun + datetime.timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%SZ")}) + "\n"
        for i in range(SENT))
    got = subprocess.run(["mosquitto_pub", "-h", harness.SERVER, "-q", "1", "-i", "Y-000007",
                          "-l", "-t", "meters/Y-000007/readings"], input=lines, text=True,
                         capture_output=True, timeout=60)
    harness.check(got.returncode == 0, f"mosquitto_pub: {got.stderr}")


def run_bills(rig):
    text = rig.headrace("billing", "run", "--month", MONTH, "--tariff", "sample-b")
    harness.check("ended" in text, f"the run: {text}")
    return rig.api.call("GET", "/billing")


def bills_of(rig):
    """What each meter's bill says, and how often a meter is listed."""
    answer = rig.api.call("GET", "/bills", month=MONTH, limit=10000)
    harness.check(not answer["more"], "more bills than meters")
    bills, when = {}, {}
    for b in answer["bills"]:
        harness.check(b["meter"] not in bills, f"two bills of {b['meter']}")
        when[b["meter"]] = b.pop("closed_ms", None)
        bills[b["meter"]] = b
    return bills, when


def run_and_kill(rig):
    """kill -9 as soon as the run has told of a bill. Returns how many were closed."""
    run = harness.spawn([harness.program("headrace"), "--socket", rig.api.path, "billing", "run",
                         "--month", MONTH, "--tariff", "sample-b"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while rig.api.call("GET", "/billing")["closed"] == 0 and time.monotonic() < deadline:
        time.sleep(0.002)
    rig.kill()
    harness.check(run.wait(120) != 0, "the command did not say that the daemon had gone")
    rig.api.connection = None
    rig.start()
    bills, when = bills_of(rig)
    harness.check(rig.api.call("GET", "/billing")["work"] == "none", "a run began by itself")
    return bills, when


def killed_run(rig, made, whole):
    for attempt in range(ATTEMPTS):
        as_made(rig)
        rig.start()
        send_live(rig)
        bills, when = run_and_kill(rig)
        if len(bills) < METERS:
            break
        print(f"attempt {attempt + 1}: the run was faster", flush=True)
        rig.stop()
    harness.check(0 < len(bills) < METERS, f"never killed within a run: {len(bills)} bills")
    for meter, bill in bills.items():
        harness.check(bill == whole[meter], f"{meter} before the kill: {bill}")
    closed = sum(b["state"] == "closed" for b in bills.values())
    status = run_bills(rig)
    again, when_again = bills_of(rig)
    harness.check(again == whole, "the bills are not those of a run without interruption")
    harness.check(status["kept"] == closed and status["closed"] + status["kept"] == sum(
        b["state"] == "closed" for b in whole.values()), f"the second run: {status}")
    for meter, at in when.items():
        harness.check(at is None or when_again[meter] == at, f"{meter} was closed twice")
    print(f"killed with {len(bills)} of {METERS} bills; the next run drew the others")
    rig.headrace("billing", "review", "--month", MONTH)
    review = rig.api.call("GET", "/billing")
    harness.check(review["adjusted"] == 0, f"the review: {review}")
    rig.check_audit()
    stored = rig.api.totals()["stored"]
    harness.check(stored == made["stored"] + SENT, f"{stored} readings stored, expected "
                  f"{made['stored']} and {SENT}")


def test():
    rig, made = make_rig()
    with rig:
        rig.start()
        run_bills(rig)
        whole, _ = bills_of(rig)
        harness.check(len(whole) == METERS, f"{len(whole)} bills of {METERS} meters")
        harness.check({b["state"] for b in whole.values()} == {"closed", "not_billed"},
                      "every meter was complete, or none")
        rig.stop()
        killed_run(rig, made, whole)


harness.main(test)
