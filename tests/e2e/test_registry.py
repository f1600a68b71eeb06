#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Service points by the real daemon and command line: files in and out, a meter swapped and a
register reset under readings, the usage of the point to the last digit, who changed what, many
devices at once; and a daemon that is killed during an import."""
import csv
import datetime
import decimal
import io
import json
import os
import subprocess
import time

import harness

QUARTER = datetime.timedelta(minutes=15)
DAY = datetime.timedelta(days=1)
IMPORTED = 60000  # devices of the import that is killed


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(rig, name, *lines):
    with open(rig.path(name), "w") as f:
        f.write("\n".join(lines) + "\n")
    return rig.path(name)


def send(rig, meter, rows):
    """Readings of the past, as a gateway replays them; one message each, all acknowledged."""
    lines = "".join(json.dumps({"meterId": meter, "ts": text_of(at), "kWh": float(kwh),
                                "collectedAt": text_of(at)}) + "\n" for at, kwh in rows)
    got = subprocess.run(["mosquitto_pub", "-h", harness.SERVER, "-q", "1", "-i", meter, "-l",
                          "-t", f"meters/{meter}/readings"], input=lines, text=True,
                         capture_output=True, timeout=60)
    harness.check(got.returncode == 0, f"mosquitto_pub: {got.stderr}")
    rig.settle()


def quarters(start, count, first, step):
    return [(start + i * QUARTER, decimal.Decimal(first) + i * decimal.Decimal(step))
            for i in range(count)]


def intervals_of(rig, which, day):
    usage = rig.api.call("GET", f"/usage/{which}", **{
        "from": f"{day:%Y-%m-%d}", "to": f"{day + DAY:%Y-%m-%d}", "by": "interval"})
    return usage, {i["start"]: i for i in usage["intervals"]}


def import_everything(rig):
    rig.headrace("devices", "import", write(
        rig, "meters.csv", "id,dials,serial,groups", "M-1,6,S1,north", "M-2,6,S2,north",
        "M-3,6,S3,south"))
    rig.headrace("customers", "import", write(
        rig, "customers.csv", "id,name,address,email", 'C-1,"Doe, Jane",Main St 1,j@example.org'))
    rig.headrace("points", "import", write(
        rig, "points.csv", "id,customer,tariff,latitude,longitude,meter,from,ratio,initial",
        "SP-1,C-1,sample-a,37.7749,-122.4194,M-1,2020-01-01,40,0"))
    bad = write(rig, "bad.csv", "id,meter,from", "SP-2,M-1,2021-01-01", "SP-3,M-9,2021-01-01",
                "SP-4,M-2,tomorrow", "SP-5,,")
    rig.headrace("points", "import", bad, expect=1)
    harness.check([p["id"] for p in rig.api.call("GET", "/points")["points"]] == ["SP-1", "SP-5"],
                  "of the bad lines something stayed, or the good one was not taken")
    terms = write(rig, "terms.csv", "id,customer,tariff,since", "SP-5,C-1,sample-a,2026-01-01",
                  "SP-5,C-2,sample-a,2026-03-10", "SP-5,C-2,no-such-tariff,2026-04-01",
                  "SP-5,C-3,sample-a,2026-02-30")
    text = subprocess.run([harness.program("headrace"), "--socket", rig.path("api.sock"), "points",
                           "import", terms], capture_output=True, text=True, timeout=60).stderr
    harness.check("4: there is no tariff 'no-such-tariff'" in text and "5: since is '2026-02-30'"
                  in text, text)
    shown = rig.headrace("points", "set", "SP-5", "--tariff", "sample-b", "--from", "2026-05-01")
    harness.check("2026-03-10" in shown and "sample-b" in shown, shown)
    rig.headrace("points", "set", "SP-5", "--tariff", "nothing", expect=2)
    harness.check([(a["since"], a["customer"], a["tariff"]) for a in
                   rig.api.call("GET", "/points/SP-5")["agreements"]] ==
                  [("2026-01-01", "C-1", "sample-a"), ("2026-03-10", "C-2", "sample-a"),
                   ("2026-05-01", "C-2", "sample-b")], "the agreements of SP-5")
    rig.headrace("points", "import", write(rig, "worse.csv", "id,colour", "SP-6,red"), expect=2)
    # what comes out goes in again and changes nothing
    for noun in "points", "customers", "devices", "groups":
        for form, name in ("csv", "again.csv"), ("json", "again.jsonl"):
            out = rig.path(f"{noun}-{name}")
            rig.headrace(noun, "export", "--format", form, "--output", out)
            text = rig.headrace(noun, "import", out)
            harness.check(" 0 added, 0 changed," in text, f"{noun} as {form}: {text}")


def swap_under_readings(rig, day):
    """M-1 counts 0.25 kWh a quarter, M-2 0.5: with ratios 40 and 20 each interval has 10 kWh, but
    that of the swap at 10:07: 0.1 * 40 + 0.2 * 20 = 8."""
    at = day + datetime.timedelta(hours=10, minutes=7)
    ten = day + datetime.timedelta(hours=10)
    send(rig, "M-1", quarters(ten - 8 * QUARTER, 9, "108", "0.25"))
    rig.headrace("points", "swap", "SP-1", "--meter", "M-2", "--at", text_of(at), "--final",
                 "100", "--initial", "-5", expect=2)
    shown = rig.headrace("points", "swap", "SP-1", "--meter", "M-2", "--at", text_of(at),
                         "--final", "110.1", "--initial", "5", "--ratio", "20")
    harness.check("M-1" in shown and "110.1" in shown and "M-2" in shown, shown)
    rig.headrace("points", "swap", "SP-1", "--meter", "M-3", "--at", text_of(at), expect=2)
    send(rig, "M-2", quarters(ten + QUARTER, 8, "5.2", "0.5"))
    usage, intervals = intervals_of(rig, "SP-1", day)
    harness.check(usage.get("point") == "SP-1" and
                  [m["meter"] for m in usage["meters"]] == ["M-1", "M-2"],
                  f"not the usage of the point: {usage}")
    for i in range(-8, 8):
        got = intervals[text_of(ten + i * QUARTER)]
        wanted = decimal.Decimal(8 if i == 0 else 10)
        harness.check(got["source"] == "actual" and decimal.Decimal(got["kwh"]) == wanted,
                      f"{got} instead of {wanted} kWh")
    harness.check("* 20 = " in rig.headrace("usage", "SP-1", "--from", f"{day:%Y-%m-%d}", "--to",
                                            f"{day + DAY:%Y-%m-%d}", "--by", "day"),
                  "the meters are not listed")
    harness.check(intervals_of(rig, "M-2", day)[0].get("meter") == "M-2", "a meter by its id")
    harness.check(rig.api.call("GET", "/devices/M-2")["service_point"] == "SP-1" and
                  "service_point" not in rig.api.call("GET", "/devices/M-1"),
                  "the devices were not told")


def reset_under_readings(rig, day):
    """A register that falls is refused, until the registry says that it was reset."""
    start = day + datetime.timedelta(hours=3)
    reset = start + 3 * QUARTER
    send(rig, "M-3", quarters(start, 3, "500", "1"))
    send(rig, "M-3", [(reset, "1")])
    count = len(rig.api.readings("M-3"))
    harness.check(count == 3, f"{count} readings: a fall was taken")
    rig.headrace("devices", "reset", "M-3", "--at", text_of(reset), "--initial", "0")
    send(rig, "M-3", quarters(reset, 2, "1", "1"))
    readings = rig.api.call("GET", "/readings/M-3", limit=100)["readings"]
    harness.check(len(readings) == 5, f"{len(readings)} readings: the reset was not seen")
    flagged = [r["time"] for r in readings if "reset" in r.get("flags", [])]
    harness.check(flagged == [text_of(reset)], f"flagged as reset: {flagged}")
    send(rig, "M-3", [(reset + 2 * QUARTER, "0.5")])
    harness.check(len(rig.api.readings("M-3")) == 5, "the watch did not come back")
    rig.headrace("devices", "reset", "M-3", "--at", text_of(reset), expect=2)
    harness.check(rig.api.counters()["ingest_resets"] == 1, "not counted")


def check_history(rig):
    point = rig.api.call("GET", "/points/SP-1/history")["history"]
    harness.check([h["action"] for h in point] == ["import", "swap"], f"{point}")
    harness.check(all(h["who"] and h["at"] for h in point), f"nobody did it: {point}")
    device = rig.headrace("devices", "history", "M-3")
    harness.check("reset" in device and "register_from" in device, device)
    customer = json.loads(rig.headrace("customers", "history", "C-1", "--json"))
    harness.check(customer["history"][0]["changes"]["name"] == [None, "Doe, Jane"], f"{customer}")


def many_at_once(rig):
    text = rig.headrace("devices", "set", "--state", "suspended", "--group", "north", "--dry-run")
    harness.check("2 would change" in text, text)
    harness.check(rig.api.call("GET", "/devices/M-1")["state"] == "active", "a dry run changed it")
    rig.headrace("devices", "set", "--state", "suspended", "--group", "north")
    found = rig.api.call("GET", "/devices", group="north", state="suspended")["devices"]
    harness.check([d["id"] for d in found] == ["M-1", "M-2"], f"{found}")
    found = rig.api.call("GET", "/devices", search="s3")["devices"]
    harness.check([d["id"] for d in found] == ["M-3"], f"search: {found}")
    rig.headrace("devices", "set", "--state", "active", expect=2)  # which ones?
    rig.headrace("devices", "set", "colour=red", "--all", expect=2)
    rig.headrace("devices", "set", "gateway=GW-7", "--prefix", "M-")
    harness.check(rig.api.call("GET", "/devices/M-3")["gateway"] == "GW-7", "FIELD=VALUE")
    groups = rig.api.call("GET", "/groups")["groups"]
    harness.check(groups == [{"group": "north", "devices": 2, "points": 0},
                             {"group": "south", "devices": 1, "points": 0}], f"{groups}")


def killed_import(rig):
    """Nothing half: what is there is whole, with its history; the same file completes it."""
    lines = [f"K-{i:06},S-{i},17000,bulk" for i in range(IMPORTED)]
    path = write(rig, "bulk.csv", "id,serial,capacity_w,groups", *lines)
    before = rig.api.call("GET", "/devices", limit=1)["total"]
    importing = subprocess.Popen([harness.program("headrace"), "--socket", rig.path("api.sock"),
                                  "devices", "import", path], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while rig.api.call("GET", "/devices", limit=1)["total"] < before + 5000:
        harness.check(importing.poll() is None, "the import ended too soon")
        harness.check(time.monotonic() < deadline, "the import does not begin")
    rig.kill()
    importing.wait()
    rig.start()
    rows = list(csv.DictReader(io.StringIO(rig.headrace("devices", "export", "--prefix", "K-"))))
    harness.check(5000 <= len(rows) <= IMPORTED, f"{len(rows)} devices after the kill")
    for row in rows:
        harness.check(row["serial"] == f"S-{int(row['id'][2:])}" and row["groups"] == "bulk" and
                      row["capacity_w"] == "17000", f"half a device: {row}")
    last = rig.api.call("GET", f"/devices/{rows[-1]['id']}/history")
    harness.check(last["count"] == 1, f"the history of the last one: {last}")
    report = json.loads(rig.headrace("devices", "import", path, "--json"))
    harness.check(report["added"] == IMPORTED - len(rows) and report["unchanged"] == len(rows) and
                  report["failed"] == 0, f"{report}")
    return len(rows)


def test():
    now = datetime.datetime.now(datetime.timezone.utc)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    with harness.Rig("registry", meters=1, segment_mb=4, flush_s=1) as rig:
        rig.start()
        import_everything(rig)
        swap_under_readings(rig, day)
        reset_under_readings(rig, day)
        check_history(rig)
        many_at_once(rig)
        kept = killed_import(rig)
        usage, _ = intervals_of(rig, "SP-1", day)
        harness.check(len(usage["meters"]) == 2, "the swap did not survive")
        rig.check_audit()
        print(f"a swap, a reset, and {kept} of {IMPORTED} devices whole after kill -9")


if __name__ == "__main__":
    harness.main(test)
