# SPDX-License-Identifier: Apache-2.0
"""Aggregates, usage and bills computed anew from exported readings, as plainly as the rules allow: whole
numbers of mWh, fractions of money, one meter at a time. Shares nothing with headraced.

The rules are those of docs/BILLING.md, docs/STORAGE.md and docs/VEE.md with configs/vee/1.yaml.
"""
import array
import collections
import datetime
import fractions
import json
import operator
import os
import zoneinfo

UTC = datetime.timezone.utc
INTERVAL_S = 900
TOLERANCE_S = 60
INTERPOLATE_MAX = 8     # intervals: two hours
LIKE_DAYS = 3
LIKE_DAYS_BACK = 35
REACH_DAYS = 35         # a gap at the end of the days is looked at so far beyond
OUTAGE = 16             # intervals: four hours of nothing
COMPLETE_MIN = 9500     # hundredths of a percent
KWH = 10 ** 6           # mWh
EPOCH = datetime.date(1970, 1, 1)

Reading = collections.namedtuple("Reading", "ts_ms meter_ts_ms energy power")


def nearest(value, by):
    """value / by, half away from zero."""
    return -((-value + by // 2) // by) if value < 0 else (value + by // 2) // by


# --- readings ---

def column(folder, name, code):
    data = array.array(code)
    path = os.path.join(folder, name)
    with open(path, "rb") as f:
        data.fromfile(f, os.path.getsize(path) // data.itemsize)
    return data


def readings_of_export(folder):
    """{meter: [Reading, ...] by effective time} of `headrace export --format columns`."""
    with open(os.path.join(folder, "schema.json"), encoding="utf-8") as f:
        decimals = {e["column"]: e["decimals"] for e in json.load(f)["files"]
                    if "decimals" in e}
    assert decimals["active_energy"] == 6 and decimals["active_power"] == 6
    with open(os.path.join(folder, "meter.txt"), encoding="utf-8") as f:
        names = f.read().split("\n")
    columns = (column(folder, "meter.i32", "i"), column(folder, "time.i64", "q"),
               column(folder, "meter_time.i64", "q"), column(folder, "active_energy.i64", "q"),
               column(folder, "active_energy.valid", "B"), column(folder, "active_power.i64", "q"),
               column(folder, "active_power.valid", "B"))
    meters = collections.defaultdict(list)
    for meter, ts, meter_ts, energy, has_energy, power, has_power in zip(*columns):
        meters[meter].append(Reading(ts, meter_ts, energy if has_energy else None,
                                     power if has_power else None))
    for rows in meters.values():
        rows.sort(key=operator.itemgetter(0, 1))
    return {names[m]: rows for m, rows in meters.items()}


# --- the calendar ---

class Calendar:
    def __init__(self, zone):
        self.zone = zoneinfo.ZoneInfo(zone)
        self.starts = {}

    def day_start(self, day):
        """UTC seconds of a local day's first instant (where midnight exists once)."""
        if day not in self.starts:
            local = datetime.datetime(day.year, day.month, day.day, tzinfo=self.zone)
            self.starts[day] = int(local.timestamp())
        return self.starts[day]

    def local(self, at_s):
        return datetime.datetime.fromtimestamp(at_s, self.zone)

    def offset(self, at_s):
        return int(self.local(at_s).utcoffset().total_seconds())


def month_days(month):
    year, number = map(int, month.split("-"))
    first = datetime.date(year, number, 1)
    return first, (first + datetime.timedelta(32)).replace(day=1)


def months_between(first, end):
    while first < end:
        yield first.strftime("%Y-%m")
        first = month_days(first.strftime("%Y-%m"))[1]


# --- aggregates ---

class Period:
    def __init__(self):
        self.energy = None
        self.readings = 0
        self.demand = None    # (mW, -ms): the first of the highest
        self.derived = None

    def add(self, other):
        if other.energy is not None:
            self.energy = (self.energy or 0) + other.energy
        self.readings += other.readings
        for name in ("demand", "derived"):
            mine, its = getattr(self, name), getattr(other, name)
            if its and (not mine or its > mine):
                setattr(self, name, its)

    def peak(self):
        return self.demand or self.derived


def hours_of(readings, modulus, calendar):
    """{(start_s, end_s): Period} of the local days' hours that have readings. A reading stamped with
    an hour's end belongs to it."""
    hours = {}
    before = None
    bounds = (0, 0)
    for r in readings:
        if not bounds[0] * 1000 < r.ts_ms <= bounds[1] * 1000:
            inside = (r.ts_ms - 1) // 1000
            start = calendar.day_start(calendar.local(inside).date())
            hour = start + (inside - start) // 3600 * 3600
            bounds = (hour, hour + 3600)
        p = hours.get(bounds)
        if p is None:
            p = hours[bounds] = Period()
        p.readings += 1
        if r.power is not None and (not p.demand or r.power > p.demand[0]):
            p.demand = (r.power, -r.ts_ms)
        if r.energy is None:
            continue
        if before:
            step = r.energy - before.energy
            if step < 0:
                step += modulus
            p.energy = (p.energy or 0) + step
            if r.ts_ms > before.ts_ms:
                mean = step * 3600000 // (r.ts_ms - before.ts_ms)
                if not p.derived or mean > p.derived[0]:
                    p.derived = (mean, -r.ts_ms)
        before = r
    return hours


def gather(hours, calendar, key):
    """Days or months of hours: key(local date of the hour's beginning)."""
    wholes = {}
    for bounds in sorted(hours):
        wholes.setdefault(key(calendar.local(bounds[0]).date()), Period()).add(hours[bounds])
    return wholes


# --- usage ---

def register_at_boundaries(readings):
    """{UTC second of a boundary: register}: the reading nearest to it, of two equals the later."""
    best = {}
    last = None
    for r in readings:
        at = r.ts_ms // 1000
        if r.energy is None or (last is not None and at <= last):
            continue
        last = at
        boundary = (at + INTERVAL_S // 2) // INTERVAL_S * INTERVAL_S
        distance = abs(at - boundary)
        if distance <= TOLERANCE_S and (boundary not in best or distance <= best[boundary][0]):
            best[boundary] = (distance, r.energy)
    return {boundary: value for boundary, (_, value) in best.items()}


class Meter:
    def __init__(self, readings, dials, calendar):
        self.at = register_at_boundaries(readings)
        self.modulus = 10 ** dials * KWH
        self.calendar = calendar
        self.days, self.likes = {}, {}

    def counted(self, start, end):
        """Between two boundaries; None: not read at both, or it fell."""
        first, second = self.at.get(start), self.at.get(end)
        if first is None or second is None:
            return None
        step = second - first
        if step < 0:
            step += self.modulus
            if step >= self.modulus // 2:
                return None
        return step

    def actual(self, start, count):
        return [self.counted(start + i * INTERVAL_S, start + (i + 1) * INTERVAL_S)
                for i in range(count)]

    def sound_day(self, day):
        """A whole day's values; None: one is missing, or there was an outage."""
        if day not in self.days:
            start = self.calendar.day_start(day)
            end = self.calendar.day_start(day + datetime.timedelta(1))
            values = self.actual(start, (end - start) // INTERVAL_S)
            zeros = longest = 0
            for v in values:
                zeros = zeros + 1 if v == 0 else 0
                longest = max(longest, zeros)
            self.days[day] = None if None in values or longest >= OUTAGE else values
        return self.days[day]

    def same_time(self, day, at_s):
        """The interval of another day that begins at the same time by the clock."""
        local = self.calendar.local(at_s)
        then = datetime.datetime(day.year, day.month, day.day, local.hour, local.minute,
                                 tzinfo=self.calendar.zone)
        return (int(then.timestamp()) - self.calendar.day_start(day)) // INTERVAL_S

    def like_days(self, day):
        """The nearest days before of its kind: days off, or not."""
        if day in self.likes:
            return self.likes[day]
        found = self.likes[day] = []
        for back in range(1, LIKE_DAYS_BACK + 1):
            other = day - datetime.timedelta(back)
            if ((other.weekday() >= 5) == (day.weekday() >= 5) and len(found) < LIKE_DAYS and
                    self.sound_day(other)):
                found.append(other)
        return found

    def by_like_days(self, gap_start, count):
        values = []
        for at in range(gap_start, gap_start + count * INTERVAL_S, INTERVAL_S):
            days = self.like_days(self.calendar.local(at).date())
            same = [self.sound_day(d)[self.same_time(d, at)] for d in days]
            values.append(nearest(sum(same), len(same)) if same else None)
        return values

    def estimate(self, before, after, gap_start, count):
        """Values and their origins for a gap between two values, which may be missing."""
        if count <= INTERPOLATE_MAX and (before is not None or after is not None):
            v0 = before if before is not None else after
            v1 = after if after is not None else v0
            values = [v0 + nearest((v1 - v0) * i, count + 1) for i in range(1, count + 1)]
            source = "interpolated"
        else:
            values, source = self.by_like_days(gap_start, count), "like_day"
        total = self.counted(gap_start, gap_start + count * INTERVAL_S)
        if total is None:
            return values, ["missing" if v is None else source for v in values]
        if None in values or sum(values) <= 0:
            values, source = [1] * count, "even"
        weights, given, scaled = sum(values), 0, []
        weight = 0
        for v in values:
            weight += v
            until = nearest(total * weight, weights)
            scaled.append(until - given)
            given = until
        return scaled, [source] * count

    def usage(self, first_day, end_day):
        """(start, [mWh or None], [origin], completeness in hundredths of a percent). Gaps at either
        end are seen as a whole, as far as the reach goes."""
        reach = datetime.timedelta(REACH_DAYS)
        start, row, sources = self.row(first_day - reach, end_day + reach)
        first, end = self.calendar.day_start(first_day), self.calendar.day_start(end_day)
        part = slice((first - start) // INTERVAL_S, (end - start) // INTERVAL_S)
        row, sources = row[part], sources[part]
        return first, row, sources, sources.count("actual") * 10000 // len(row)

    def row(self, first_day, end_day):
        start, end = self.calendar.day_start(first_day), self.calendar.day_start(end_day)
        actual = self.actual(start, (end - start) // INTERVAL_S)
        row = actual[:]
        sources = ["missing" if v is None else "actual" for v in row]
        i = 0
        while i < len(row):
            if actual[i] is not None:
                i += 1
                continue
            stop = i + 1  # a boundary that was read ends a gap, too
            while (stop < len(row) and actual[stop] is None and
                   start + stop * INTERVAL_S not in self.at):
                stop += 1
            before = actual[i - 1] if i > 0 else None
            after = actual[stop] if stop < len(row) else None
            row[i:stop], sources[i:stop] = self.estimate(before, after, start + i * INTERVAL_S,
                                                         stop - i)
            i = stop
        return start, row, sources


class Point(Meter):
    """One meter until `swap`, then another, from boundary to boundary: their steps one after the
    other, as if they were one register. `both` has (Meter, first boundary, last boundary)."""

    def __init__(self, both, calendar):
        self.at, total = {}, 0
        for meter, first, end in both:
            last = first
            for boundary in sorted(b for b in meter.at if first <= b <= end):
                total += meter.counted(last, boundary)
                self.at[boundary] = total
                last = boundary
        self.modulus = 10 ** 30
        self.calendar = calendar
        self.days, self.likes = {}, {}


# --- bills ---

class Tariff:
    """One version: {"id", "version", "from", "to" (last day) or None, "tiers": [(kWh or None, price)],
    "uses": [(name, multiplier, [(from, to) in quarter hours])], "holidays": [date], "holiday_use",
    "fixed": [(name, amount, "day" or "period")]}; amounts as text."""

    def __init__(self, about):
        self.about = about
        self.known = {}
        self.quarters = [None] * 96
        for name, _, spans in about["uses"]:
            for first, end in spans:
                q = first
                while q != end % 96 or q == first and self.quarters[q] is None:
                    self.quarters[q] = name
                    q = (q + 1) % 96
        assert None not in self.quarters
        self.multipliers = {name: fractions.Fraction(m) for name, m, _ in about["uses"]}

    def rules_on(self, day):
        return self.about["from"] <= day and (self.about["to"] is None or
                                              day <= self.about["to"])

    def use_at(self, local):
        if local.date() in self.about["holidays"]:
            return self.about["holiday_use"]
        return self.quarters[local.hour * 4 + local.minute // 15]

    def uses_of(self, calendar, start, first, end):
        """Of the intervals first .. end - 1; every meter asks the same."""
        key = (start, first, end)
        if key not in self.known:
            self.known[key] = [self.use_at(calendar.local(start + i * INTERVAL_S))
                               for i in range(first, end)]
        return iter(self.known[key])


def half_up(amount, decimals=2):
    return fractions.Fraction(int(amount * 10 ** decimals + fractions.Fraction(1, 2)),
                              10 ** decimals)


def bill(versions, calendar, first_day, end_day, row):
    """({(version, tier, use) or (version, charge): [mWh or days, amount]}, exact, total)."""
    lines = {}
    period_days = (end_day - first_day).days
    start = calendar.day_start(first_day)
    day, i = first_day, 0
    while day < end_day:
        version = next(v for v in versions if v.rules_on(day))
        end = day
        while end < end_day and version.rules_on(end):
            end += datetime.timedelta(1)
        days = (end - day).days
        limits = []
        for kwh, price in version.about["tiers"]:
            limit = None if kwh is None else int(kwh) * KWH
            if limit is not None and days != period_days:
                limit = (limit * days + period_days // 2) // period_days
            limits.append((limit, fractions.Fraction(price)))
        used, number = 0, version.about["version"]
        until = (calendar.day_start(end) - start) // INTERVAL_S
        uses = version.uses_of(calendar, start, i, until)
        while i < until:
            use = next(uses)
            left = row[i]
            for tier, (limit, price) in enumerate(limits):
                if limit is not None and used >= limit:
                    continue
                piece = left if limit is None else min(left, limit - used)
                line = lines.get((number, tier + 1, use))
                if line is None:
                    line = lines[(number, tier + 1, use)] = [
                        0, price * version.multipliers[use] / KWH]
                line[0] += piece
                used += piece
                left -= piece
                if left == 0:
                    break
            i += 1
        for name, amount, per in version.about["fixed"]:
            amount = fractions.Fraction(amount)
            lines[(number, name)] = [days, amount if per == "day" else amount / period_days]
        day = end
    lines = {key: [count, count * price] for key, (count, price) in lines.items()}
    exact = sum(amount for _, amount in lines.values())
    return lines, exact, half_up(exact)
