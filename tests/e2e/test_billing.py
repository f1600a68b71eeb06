#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A billing run that is killed in its middle and run again: every bill is there once, and each is
what a run without interruption gives. Nothing that was received is lost by it. And what is wrong
in a tariff's file, or asked of a run, is told with its cause and changes nothing."""
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


HEAD = "id: t\nversion: 1\ncurrency: USD\nfrom: 2025-01-01\n"
TIERS = "tiers: [{price: 0.1}]\n"
FIRST = HEAD + TIERS

# A tariff's file, and what `headraced --check` says of it: line and cause.
MISTAKES = [
    (HEAD.replace("USD", "XYZ") + TIERS, "a.yaml:3: currency is 'XYZ'"),
    (HEAD.replace("01-01", "02-29") + TIERS, "a.yaml:4: from: 2025-02-29: that month has 28 days"),
    (HEAD.replace("2025-01-01", "1.1.2025") + TIERS, "a.yaml:4: from: '1.1.2025' is no date"),
    (HEAD + "to: 2024-12-31\n" + TIERS, "a.yaml:5: it ends before it begins"),
    (HEAD + "tiers: [{price: -0.1}]\n", "a.yaml:5: tier 1: the price must be from 0"),
    (HEAD + "tiers: [{price: 10 ct}]\n", "a.yaml:5: tiers[0].price is '10 ct'"),
    (HEAD + "tiers:\n  - {up_to_mwh: 1, price: 1}\n  - {price: 2}\n", "a.yaml:6: "),
    (HEAD + "tiers:\n  - {up_to_kwh: 100 kWh, price: 1}\n  - {price: 2}\n",
     "a.yaml:6: tiers[0].up_to_kwh is '100 kWh'"),
    (HEAD + "tiers:\n  - {up_to_kwh: 9, price: 1}\n  - {up_to_kwh: 9, price: 1}\n  - {price: 2}\n",
     "a.yaml:7: tier 2 ends at or below the one before"),
    (HEAD + "tiers:\n  - {up_to_kwh: 9, price: 1}\n", "a.yaml:6: the last tier ends at a limit"),
    (HEAD + "tiers:\n  - {price: 1}\n  - {price: 2}\n", "a.yaml:6: tier 1 is open, but others"),
    (FIRST + "time_of_use:\n  - {name: a, hours: [00:00-23:00]}\n",
     "Mondays in January at 23:00 are in no period"),
    (FIRST + "time_of_use:\n  - {name: a, hours: [00:00-24:00]}\n"
     "  - {name: b, hours: [05:00-06:00], days: [wed]}\n",
     "a.yaml:8: Wednesdays in January at 05:00 are in two periods, 'a' and 'b'"),
    (FIRST + "time_of_use:\n  - {name: a, hours: [00:00-25:00]}\n", "a.yaml:7: "),
    (FIRST + "holidays: {use: night, dates: [2025-12-25]}\n",
     "a.yaml:6: holidays.use is 'night'; expected a name of time_of_use"),
    (FIRST + "holidays:\n  use: all_day\n  dates:\n    - 2025-12-25\n    - 2025-12-25\n",
     "a.yaml:10: holidays.dates[1]: 2025-12-25 is there twice"),
    (FIRST + "fixed:\n  - {name: s, amount: 1, per: week}\n", "a.yaml:7: "),
    (FIRST + "rounding: up\n", "a.yaml:6: "),
    # beside another one, b.yaml: version 2 from July on
    (HEAD + "to: 2025-07-01\n" + TIERS,
     "versions 1 and 2 both rule on 2025-07-01 (a.yaml:4, b.yaml:4)"),
    (HEAD.replace("version: 1", "version: 2") + "to: 2025-06-30\n" + TIERS,
     "tariff t has two versions 2 (a.yaml:4, b.yaml:4)"),
    (HEAD.replace("USD", "EUR") + "to: 2025-06-30\n" + TIERS,
     "versions 1 and 2 differ in currency (a.yaml:4, b.yaml:4)"),
]
SECOND = HEAD.replace("version: 1", "version: 2").replace("2025-01", "2025-07") + TIERS

# What the command line refuses of a run, with its exit code.
REFUSED = [
    (["--month", "2025-13", "--tariff", "sample-a"], "'2025-13' is no month"),
    (["--month", "March", "--tariff", "sample-a"], "'March' is no month"),
    (["--month", "2099-01", "--tariff", "sample-a"], "2099-01 has not begun"),
    (["--month", MONTH, "--tariff", "sample-z"], "there is no tariff 'sample-z'"),
    (["--month", MONTH, "--tariff", "sample-a", "--prefix", "Y" * 100], "longer than any id"),
]


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


def check_config(rig, tariff):
    """headraced --check with one tariff file more; its exit code and what it says."""
    with open(rig.path("tariffs/a.yaml"), "w", encoding="utf-8") as f:
        f.write(tariff)
    got = subprocess.run([harness.program("headraced"), "--check", rig.path("check.yaml")],
                         capture_output=True, text=True, timeout=60)
    return got.returncode, got.stderr


def bad_tariffs(rig):
    """Each mistake is told with file, line and cause."""
    shutil.copytree(f"{harness.ROOT}/configs/tariffs", rig.path("tariffs"))
    with open(rig.path("tariffs/b.yaml"), "w", encoding="utf-8") as f:
        f.write(SECOND)
    with open(rig.config_file, encoding="utf-8") as f:
        text = f.read()
    with open(rig.path("check.yaml"), "w", encoding="utf-8") as f:
        f.write(text.replace(f"{harness.ROOT}/configs/tariffs", rig.path("tariffs")))
    code, said = check_config(rig, HEAD + "to: 2025-06-30\n" + TIERS)
    harness.check(code == 0, f"two good versions: {said}")
    for tariff, cause in MISTAKES:
        code, said = check_config(rig, tariff)
        harness.check(code == 2 and cause in said, f"{tariff}\ngave {code}, {said}\nexpected {cause}")


def bad_requests(rig):
    """What is refused changes nothing."""
    before = bills_of(rig)
    for arguments, cause in REFUSED:
        for verb in "run", "review":
            if verb == "review" and ("sample-z" in arguments):
                continue
            words = [w for w in arguments if verb == "run" or not w.startswith(("--t", "sample"))]
            got = subprocess.run([harness.program("headrace"), "--socket", rig.api.path, "billing",
                                  verb, *words], capture_output=True, text=True, timeout=60)
            harness.check(got.returncode == 2 and cause in got.stderr,
                          f"billing {verb} {words}: {got.returncode}, {got.stderr}")
    harness.check(bills_of(rig) == before and rig.api.call("GET", "/billing")["work"] == "run",
                  "a refused run changed something")


def test():
    rig, made = make_rig()
    with rig:
        bad_tariffs(rig)
        rig.start()
        run_bills(rig)
        whole, _ = bills_of(rig)
        harness.check(len(whole) == METERS, f"{len(whole)} bills of {METERS} meters")
        harness.check({b["state"] for b in whole.values()} == {"closed", "not_billed"},
                      "every meter was complete, or none")
        bad_requests(rig)
        rig.stop()
        killed_run(rig, made, whole)


harness.main(test)
