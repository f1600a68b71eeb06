#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Months of readings with gaps, late data, duplicates, conflicts, rollovers, both changes of the clocks
and a tariff that changes within the year: hours, days, months, usage and bills as headraced gives them
equal an independent recomputation from the exported readings, to the last digit.

    test_year.py                             as in ./test.sh
    test_year.py --meters 10000 --days 367   the long mode, hours; --every 20 compares each 20th meter
"""
import argparse
import csv
import datetime
import fractions
import io
import json
import os
import shutil
import subprocess
import sys
import time

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "tests", "year"))
import recompute  # noqa: E402

ZONE = "America/Los_Angeles"
DAY = datetime.date
VERSIONS = [
    {"id": "home", "version": 1, "from": DAY(2024, 1, 1), "to": DAY(2025, 6, 14),
     "tiers": [("100", "0.08"), ("300", "0.10"), ("500", "0.12"), (None, "0.15")],
     "uses": [("off_peak", "0.8", [(88, 24)]), ("mid_peak", "1.0", [(24, 56), (76, 88)]),
              ("on_peak", "1.5", [(56, 76)])],
     "holidays": [DAY(2025, 1, 1), DAY(2025, 5, 26)], "holiday_use": "off_peak",
     "fixed": [("meter", "4.10", "period")]},
    {"id": "home", "version": 2, "from": DAY(2025, 6, 15), "to": None,
     "tiers": [("150", "0.0875"), ("400", "0.1125"), (None, "0.1605")],
     "uses": [("off_peak", "0.75", [(84, 28)]), ("on_peak", "1.35", [(28, 84)])],
     "holidays": [DAY(2025, 7, 4), DAY(2025, 11, 27)], "holiday_use": "off_peak",
     "fixed": [("meter", "4.45", "period"), ("grid", "0.0731", "day")]},
]


# --- what headraced is given ---

def clock(quarter):
    return f"{quarter // 4:02d}:{quarter % 4 * 15:02d}"


def tariff_file(v):
    lines = ["# SPDX-License-Identifier: Apache-2.0", f"id: {v['id']}", f"version: {v['version']}",
             "currency: USD", f"from: {v['from']}"]
    lines += [f"to: {v['to']}"] if v["to"] else []
    lines += ["tiers:"] + [f"  - {{ up_to_kwh: {kwh}, price: {price} }}" if kwh else
                           f"  - {{ price: {price} }}" for kwh, price in v["tiers"]]
    lines += ["time_of_use:"]
    for name, times, spans in v["uses"]:
        hours = ", ".join(f"{clock(a)}-{clock(b)}" for a, b in spans)
        lines += [f"  - {{ name: {name}, multiplier: {times}, hours: [{hours}] }}"]
    lines += [f"holidays: {{ use: {v['holiday_use']}, dates: "
              f"[{', '.join(map(str, v['holidays']))}] }}", "fixed:"]
    lines += [f"  - {{ name: {n}, amount: {a}, per: {p} }}" for n, a, p in v["fixed"]]
    return "\n".join(lines) + "\n"


def make_rig(o):
    rig = harness.Rig("year", meters=1, segment_mb=16, keep=False, more=f"""\
retention: {{ raw_days: 0, hour_days: 0, day_days: 0 }}
territory: {{ timezone: {ZONE} }}
limits: {{ devices: {max(o.meters, 1000)} }}
""")
    os.mkdir(rig.path("tariffs"))
    for v in VERSIONS:
        with open(rig.path(f"tariffs/home-{v['version']}.yaml"), "w", encoding="utf-8") as f:
            f.write(tariff_file(v))
    with open(rig.config_file, encoding="utf-8") as f:
        text = f.read()
    with open(rig.config_file, "w", encoding="utf-8") as f:
        f.write(text.replace(f"{harness.ROOT}/configs/tariffs", rig.path("tariffs")))
    return rig


# --- comparing ---

SWAPPED = 4, 0  # these meters, one after the other, at a service point
POINT = "P-1"


def dials_of(number):
    return 5 if number % 9 == 4 else 6  # as tests/year/meter.c says


class Comparison:
    def __init__(self, rig, o):
        self.rig, self.o = rig, o
        self.calendar = recompute.Calendar(ZONE)
        self.versions = [recompute.Tariff(v) for v in VERSIONS]
        self.count = {"readings": 0, "hours": 0, "days": 0, "months": 0, "days of usage": 0,
                      "intervals": 0, "bills": 0, "not billed": 0, "lines": 0}
        self.sources = {}
        last = o.first + datetime.timedelta(o.days - 1)
        self.months = list(recompute.months_between(recompute.month_days(
            o.first.strftime("%Y-%m"))[1] if o.first.day != 1 else o.first, last.replace(day=1)))
        self.bills = {}
        self.elsewhere = set()  # (meter, month): billed with the service point

    def same(self, what, got, expected):
        harness.check(got == expected, f"{what}: {got}, expected {expected}")

    def find_swap(self, old, new):
        """A month and a boundary in it where both registers were read, as were the old one's at the
        beginning and the new one's at the end of the month behind."""
        for month, after in zip(self.months, self.months[1:]):
            first, end = (self.calendar.day_start(day) for day in (
                recompute.month_days(month)[0], recompute.month_days(after)[1]))
            swap = first + 14 * 86400 + 42 * recompute.INTERVAL_S
            if first in old.at and end in new.at and swap in old.at and swap in new.at:
                return (month, after), first, swap, end
        harness.fail("no month in which the meters can be swapped")

    def install(self):
        """The meters OLD and NEW one after the other at a service point, for two months."""
        folder = self.rig.path("columns")
        names = [f"Y-{n:06d}" for n in SWAPPED]
        self.rig.headrace("export", "--format", "columns", "--meters", ",".join(names), "--output",
                          folder)
        readings = recompute.readings_of_export(folder)
        old, new = (recompute.Meter(readings[name], dials_of(n), self.calendar)
                    for name, n in zip(names, SWAPPED))
        months, first, swap, end = self.find_swap(old, new)
        self.point = recompute.Point([(old, first, swap), (new, swap, end)], self.calendar)
        self.point_months = months
        self.elsewhere = {(names[0], months[0]), (names[1], months[0]), (names[1], months[1])}
        rows = ["id,customer,tariff,meter,from,to,initial,final"]
        for name, meter, begin, to in (names[0], old, first, swap), (names[1], new, swap, end):
            times = (datetime.datetime.utcfromtimestamp(t).strftime("%Y-%m-%dT%H:%M:%SZ")
                     for t in (begin, to))
            kwh = (f"{meter.at[t] // recompute.KWH}.{meter.at[t] % recompute.KWH:06d}"
                   for t in (begin, to))
            rows.append(f"{POINT},C-1,home,{name},{','.join(times)},{','.join(kwh)}")
        with open(self.rig.path("points.csv"), "w", encoding="utf-8") as f:
            f.write("\n".join(rows) + "\n")
        self.rig.headrace("points", "import", self.rig.path("points.csv"))

    def check_point(self):
        for month in self.point_months:
            computed = self.point.usage(*recompute.month_days(month))
            self.bills[(POINT, month)] = self.rig.api.call("GET", f"/bills/{POINT}", month=month)
            self.days(POINT, month, computed)
            self.intervals(POINT, month, computed)
            self.bill(POINT, month, computed)

    def run_bills(self):
        for month in self.months:
            out = self.rig.headrace("billing", "run", "--month", month, "--tariff", "home")
            harness.check("ended" in out, f"the run of {month}: {out}")

    def load_bills(self, prefix):
        self.bills = {}
        for month in self.months:
            answer = self.rig.api.call("GET", "/bills", month=month, prefix=prefix, limit=10000)
            harness.check(not answer["more"], "more than 10,000 bills")
            for b in answer["bills"]:
                self.bills[(b["meter"], month)] = b

    def aggregates(self, meter, level, expected):
        text = self.rig.headrace("aggregates", meter, "--level", level, "--format", "csv", "--from",
                                 str(self.o.first - datetime.timedelta(1)))
        rows = list(csv.DictReader(io.StringIO(text)))
        self.same(f"{meter}: number of {level}s", len(rows), len(expected))
        for row, (key, p) in zip(rows, sorted(expected.items())):
            what = f"{meter}, {level} from {row['start']}"
            start = harness.milliseconds(row["start"]) // 1000
            if level == "hour":
                self.same(what + ", start", start, key[0])
            else:
                day = self.calendar.local(start).date()
                self.same(what + ", start", day, key)
            energy = None if row["energy"] == "" else \
                int(fractions.Fraction(row["energy"]) * recompute.KWH)
            self.same(what + ", energy", energy, p.energy)
            self.same(what + ", readings", int(row["readings"]), p.readings)
            peak = p.peak()
            got = None
            if row["max_demand"] != "":
                got = (int(fractions.Fraction(row["max_demand"]) * recompute.KWH),
                       -harness.milliseconds(row["max_demand_time"]))
            self.same(what + ", highest demand", got, peak)
        self.count[level + "s"] += len(rows)

    def intervals(self, meter, month, computed):
        first, end = recompute.month_days(month)
        got = self.rig.api.call("GET", f"/usage/{meter}", by="interval", **{
            "from": first, "to": end})["intervals"]
        start, row, sources, _ = computed
        self.same(f"{meter}, {month}: intervals", len(got), len(row))
        for i, v in enumerate(got):
            what = f"{meter}, interval from {v['start']}"
            self.same(what, harness.milliseconds(v["start"]) // 1000,
                      start + i * recompute.INTERVAL_S)
            kwh = None if v["kwh"] is None else int(fractions.Fraction(v["kwh"]) * recompute.KWH)
            self.same(what, (kwh, v["source"]), (row[i], sources[i]))
        self.count["intervals"] += len(row)

    def days(self, meter, month, computed):
        first, end = recompute.month_days(month)
        start, row, sources, _ = computed
        for d in self.rig.api.call("GET", f"/usage/{meter}", by="day", **{
                "from": first, "to": end})["days"]:
            day = datetime.date.fromisoformat(d["day"])
            a, b = ((self.calendar.day_start(x) - start) // recompute.INTERVAL_S
                    for x in (day, day + datetime.timedelta(1)))
            what = f"{meter}, {day}"
            self.same(what + ", intervals", d["intervals"], b - a)
            self.same(what + ", actual", d["actual"], sources[a:b].count("actual"))
            self.same(what + ", kWh", int(fractions.Fraction(d["kwh"]) * recompute.KWH),
                      sum(v or 0 for v in row[a:b]))
            self.count["days of usage"] += 1

    def bill(self, meter, month, computed):
        first, end = recompute.month_days(month)
        _, row, _, complete = computed
        b = self.bills[(meter, month)]
        what = f"the bill of {meter}, {month}"
        if complete < recompute.COMPLETE_MIN or None in row:
            self.same(what, b["state"], "not_billed")
            self.count["not billed"] += 1
            return
        self.same(what, b["state"], "closed")
        lines, exact, total = recompute.bill(self.versions, self.calendar, first, end, row)
        got = {}
        for l in b["lines"]:
            if "charge" in l:
                got[(l["tariff_version"], l["charge"])] = [l["days"],
                                                          fractions.Fraction(l["amount"])]
            else:
                got[(l["tariff_version"], l["tier"], l["period"])] = [
                    int(fractions.Fraction(l["kwh"]) * recompute.KWH),
                    fractions.Fraction(l["amount"])]
        rounded = {k: [n, recompute.half_up(a, 21)] for k, (n, a) in lines.items()}
        self.same(what + ", lines", got, rounded)
        self.same(what + ", kWh", int(fractions.Fraction(b["kwh"]) * recompute.KWH), sum(row))
        self.same(what + ", total", fractions.Fraction(b["total"]), total)
        self.count["bills"] += 1
        self.count["lines"] += len(lines)

    def meter(self, name, readings, number):
        dials = dials_of(number)
        hours = recompute.hours_of(readings, 10 ** dials * recompute.KWH, self.calendar)
        if number % self.o.hours_of_every == 0:
            self.aggregates(name, "hour", hours)
        self.aggregates(name, "day", recompute.gather(hours, self.calendar, lambda d: d))
        self.aggregates(name, "month",
                        recompute.gather(hours, self.calendar, lambda d: d.replace(day=1)))
        meter = recompute.Meter(readings, dials, self.calendar)
        for month in self.months:
            computed = meter.usage(*recompute.month_days(month))
            for source in computed[2]:
                self.sources[source] = self.sources.get(source, 0) + 1
            self.days(name, month, computed)
            if number % self.o.intervals_of_every == 0 and month[5:] in ("03", "11"):
                self.intervals(name, month, computed)
            if (name, month) in self.elsewhere:
                harness.check((name, month) not in self.bills, f"{name}: billed twice in {month}")
            else:
                self.bill(name, month, computed)
        self.count["readings"] += len(readings)

    def all(self):
        for first in range(0, self.o.meters, 100):
            folder = self.rig.path("columns")
            shutil.rmtree(folder, ignore_errors=True)
            self.load_bills(f"Y-{first // 100:04d}")
            names = [f"Y-{n:06d}" for n in range(first, min(first + 100, self.o.meters))
                     if n % self.o.every == first // 100 % self.o.every]
            self.rig.headrace("export", "--format", "columns", "--meters", ",".join(names),
                              "--output", folder)
            for name, readings in recompute.readings_of_export(folder).items():
                self.meter(name, readings, int(name[2:]))
            if self.o.meters > 100:
                print(f"of {first + 100:,} meters {self.count['bills']:,} bills: the same, "
                      f"{time.monotonic() - self.o.begun:.0f} s", flush=True)


def test(o):
    with make_rig(o) as rig:
        made = json.loads(harness.run(
            harness.program("headrace-year"), "--config", rig.config_file, "--meters",
            str(o.meters), "--from", str(o.first), "--days", str(o.days), "--seed", str(o.seed)))
        print(f"made in {time.monotonic() - o.begun:.0f} s: {made['stored']:,} stored, "
              f"{made['duplicate']:,} duplicates, {made['conflict']:,} conflicts, "
              f"{made['too_late']:,} too late", flush=True)
        for name in ("duplicate", "conflict", "too_late"):
            harness.check(made[name] > 0, f"the readings have nothing that is {name}")
        rig.start(patience_s=300)
        rig.check_audit()
        totals = rig.api.totals()
        for name, count in made.items():
            harness.check(totals.get(name, 0) == count, f"{name}: {totals.get(name, 0)}, "
                          f"{count} were made")
        c = Comparison(rig, o)
        if o.meters > max(SWAPPED):
            c.install()
        c.run_bills()
        print(f"billed by {time.monotonic() - o.begun:.0f} s", flush=True)
        c.all()
        if c.elsewhere:
            c.check_point()
        for source in ("interpolated", "like_day"):
            harness.check(c.sources.get(source, 0) > 0, f"nothing was {source}")
        harness.check(c.count["not billed"] > 0, "every meter was complete")
        print("the same: " + ", ".join(f"{v:,} {k}" for k, v in c.count.items()) +
              f"; values: {c.sources}; {time.monotonic() - o.begun:.0f} s")


def options():
    p = argparse.ArgumentParser()
    p.add_argument("--meters", type=int, default=6)
    p.add_argument("--first", type=datetime.date.fromisoformat, default=DAY(2024, 12, 31))
    p.add_argument("--days", type=int, default=400)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--hours-of-every", type=int, default=1)
    p.add_argument("--intervals-of-every", type=int, default=5)
    return p.parse_args()


if __name__ == "__main__":
    OPTIONS = options()
    OPTIONS.begun = time.monotonic()
    harness.main(lambda: test(OPTIONS))
