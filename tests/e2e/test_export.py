#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""headrace export as CSV and as columns: under load first, then at rest, where both hold exactly what
the API shows, to the last digit; a part by meters and by time; and an export that broke off goes on
behind its last row to the same whole."""
import csv
import decimal
import io
import json
import os
import struct

import harness

METERS = 40


def values_of(row, channels):
    return {channels[name]: decimal.Decimal(text) for name, text in row.items()
            if name in channels and text}


def from_csv(text, channels):
    return [(row["meter"], row["time"], row["meter_time"], values_of(row, channels))
            for row in csv.DictReader(io.StringIO(text))]


def read_column(folder, name, code):
    with open(os.path.join(folder, name), "rb") as f:
        data = f.read()
    return struct.unpack(f"<{len(data) // struct.calcsize('<' + code)}{code}", data)


def from_columns(folder):
    with open(os.path.join(folder, "schema.json")) as f:
        schema = json.load(f)
    with open(os.path.join(folder, "meter.txt")) as f:
        names = f.read().split("\n")
    meters = [names[i] for i in read_column(folder, "meter.i32", "i")]
    times = read_column(folder, "time.i64", "q")
    rows = [(meter, ts, {}) for meter, ts in zip(meters, times)]
    harness.check(len(rows) == schema["rows"], "another number of rows than the schema's")
    for entry in schema["files"]:
        if "decimals" not in entry:
            continue
        valid = read_column(folder, entry["column"] + ".valid", "B")
        column = read_column(folder, entry["file"], "q")
        for row, known, value in zip(rows, valid, column):
            if known:
                row[2][entry["column"]] = decimal.Decimal(value).scaleb(-entry["decimals"])
    return rows


def from_api(rig, meters):
    rows = []
    for meter in meters:
        answer = rig.api.call("GET", f"/readings/{meter}", limit=100000)
        rows += [(meter, r["time"], r["meter_time"],
                  {name: decimal.Decimal(v["value"]) for name, v in r["values"].items()})
                 for r in answer["readings"]]
    return rows


def channel_columns(rig, meters):
    """CSV's column for each channel: name_unit."""
    columns = {}
    for meter in meters:
        for r in rig.api.call("GET", f"/readings/{meter}", limit=10)["readings"]:
            for name, v in r["values"].items():
                columns[name if v["unit"] == "1" else f"{name}_{v['unit']}"] = name
    return columns


def test():
    with harness.Rig("export", meters=METERS, segment_mb=4, flush_s=1) as rig:
        rig.start()
        fleet = rig.fleet("--quiet", "--clean", "--rate", "20", "--seconds", "4")
        loaded = rig.headrace("export")
        harness.check(loaded.startswith("meter,time,meter_time,"), "no header under load")
        harness.check(fleet.wait(60) == 0, "the fleet failed")
        rig.settle()
        meters = [d["id"] for d in rig.api.call("GET", "/devices", limit=1000)["devices"]]
        numbers = {m: rig.api.call("GET", f"/devices/{m}")["number"] for m in meters}
        meters.sort(key=numbers.get)
        expected = from_api(rig, meters)
        channels = channel_columns(rig, meters)

        rig.headrace("export", "--output", rig.path("all.csv"))
        with open(rig.path("all.csv"), newline="") as f:
            text = f.read()
        got = from_csv(text, channels)
        harness.check(got == expected, f"CSV: {len(got)} rows, {len(expected)} expected, or others")
        rig.headrace("export", "--output", rig.path("all.csv"), expect=1)  # never overwritten

        rig.headrace("export", "--format", "columns", "--output", rig.path("columns"))
        columns = from_columns(rig.path("columns"))
        harness.check(columns == [(m, harness.milliseconds(t), v) for m, t, _, v in expected],
                      f"columns: {len(columns)} rows, {len(expected)} expected, or others")

        some = [expected[-1][0], expected[0][0]]
        part = from_csv(rig.headrace("export", "--meters", ",".join(some)), channels)
        harness.check(part == [r for m in some for r in expected if r[0] == m], "--meters")
        by_time = sorted((r[1] for r in expected), key=harness.milliseconds)
        start, end = by_time[len(by_time) // 3], by_time[2 * len(by_time) // 3]
        first, behind = harness.milliseconds(start), harness.milliseconds(end)
        wanted = [r for r in expected if first <= harness.milliseconds(r[1]) < behind]
        part = from_csv(rig.headrace("export", "--from", start, "--to", end), channels)
        harness.check(part == wanted,
                      f"--from {start} --to {end}: {len(part)} rows, {len(wanted)} expected")

        lines = text.splitlines(keepends=True)
        cut = len(lines) // 2
        after = ",".join(lines[cut].split(",")[:3])
        rest = rig.headrace("export", "--after", after)
        harness.check(rest == "".join(lines[cut + 1:]).replace("\r\n", "\n"),
                      f"behind {after}: not the rest")
        rig.headrace("export", "--meters", "nobody", expect=2)
        rig.check_audit()
        print(f"{len(expected)} readings of {len(meters)} meters, as CSV and as columns")


if __name__ == "__main__":
    harness.main(test)
