#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bills of service points by the real daemon and command line: a meter swapped in mid-month over a
rollover, another tenant, another tariff, late readings, a meter that moves; worked figures.

SP-1 uses 1 kWh an hour in a month of 30 days, the last one that is over; in Phoenix, 7 hours behind
UTC all the year:

    day         1            11 10:07      16            21            30
    meter       M-1, times 2 | M-2
    customer    C-1                        | C-2
    tariff      res                                      | flat
"""
import csv
import datetime
import io
import json
import os
import subprocess

import harness
from test_registry import quarters, write



def last_month():
    """Its first day: of April, June, September or November."""
    day = (datetime.datetime.utcnow() - datetime.timedelta(1)).replace(
        day=1, hour=7, minute=0, second=0, microsecond=0)
    while True:
        end, day = day, (day - datetime.timedelta(1)).replace(day=1)
        if (end - day).days == 30:
            return day


BEGIN = last_month()
END = BEGIN + datetime.timedelta(30)
SWAP = BEGIN + datetime.timedelta(days=10, hours=10, minutes=7)
MOVE = BEGIN + datetime.timedelta(days=10)
MONTH = f"{BEGIN:%Y-%m}"
BATCH = 90
LATE = 8  # quarters at the end of the month that come after the close
TARIFFS = {
    "res": "tiers:\n  - { up_to_kwh: 300, price: 0.10 }\n  - { price: 0.20 }\n"
           "fixed:\n  - { name: service, amount: 6, per: period }\n",
    "flat": "tiers:\n  - { price: 0.30 }\nfixed:\n  - { name: service, amount: 3, per: period }\n",
}


def make_rig():
    rig = harness.Rig("point_bills", meters=1, more="""\
retention: { raw_days: 0, hour_days: 0, day_days: 0 }
territory: { timezone: America/Phoenix }
validation: { late_max_h: 8760 }
""")
    os.mkdir(rig.path("tariffs"))
    for name, text in TARIFFS.items():
        write(rig, f"tariffs/{name}.yaml", f"id: {name}\nversion: 1\ncurrency: USD\n"
              f"from: 2020-01-01\n{text}")
    with open(rig.config_file, encoding="utf-8") as f:
        text = f.read()
    with open(rig.config_file, "w", encoding="utf-8") as f:
        f.write(text.replace(f"{harness.ROOT}/configs/tariffs", rig.path("tariffs")))
    return rig


def day(number):
    return f"{BEGIN + datetime.timedelta(number - 1):%Y-%m-%d}"


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def count(begin, end):
    return int((end - begin).total_seconds()) // 900


def import_everything(rig):
    rig.headrace("devices", "import", write(rig, "meters.csv", "id,dials", "M-1,3", "M-2,6",
                                            "M-3,6"))
    rig.headrace("customers", "import", write(rig, "customers.csv", "id,name,address",
                                              'C-1,"Doe, Jane",Main St 1', "C-2,Roe & Sons,"))
    rig.headrace("points", "import", write(
        rig, "points.csv", "id,customer,tariff,address,meter,from,to,ratio,initial,final",
        f"SP-1,C-1,res,Mill Rd 7,M-1,{text_of(BEGIN)},,2,900,",
        f"SP-2,C-3,flat,,M-3,{text_of(BEGIN)},{text_of(MOVE)},,0,240",
        f"SP-3,,,,M-3,{text_of(MOVE)},,,240,"))
    rig.headrace("points", "swap", "SP-1", "--meter", "M-2", "--at", text_of(SWAP), "--final",
                 "25.05", "--initial", "5", "--ratio", "1")
    rig.headrace("points", "set", "SP-1", "--tariff", "flat", "--from", day(21))
    rig.headrace("points", "set", "SP-1", "--customer", "C-2", "--from", day(21))
    shown = rig.headrace("points", "set", "SP-1", "--customer", "C-2", "--from", day(16))
    harness.check(day(16) in shown and day(21) in shown, f"the agreements: {shown}")


def send_everything(rig):
    """Of M-2 all but the last readings, which are returned."""
    ten = SWAP.replace(minute=0)
    before_swap = quarters(BEGIN, count(BEGIN, ten) + 1, "900", "0.125")
    send(rig, "M-1", [(at, kwh % 1000) for at, kwh in before_swap])
    after = ten + datetime.timedelta(minutes=15)
    rows = quarters(after, count(after, END) + 1, "5.15", "0.25")
    send(rig, "M-2", rows[:-LATE])
    send(rig, "M-3", quarters(BEGIN, count(BEGIN, END) + 1, "0", "0.25"))
    # late: 0.5 kWh each instead of what was estimated
    at, kwh = rows[-LATE - 1]
    return [(at + (i + 1) * datetime.timedelta(minutes=15), float(kwh) + 0.5 * (i + 1))
            for i in range(LATE)]


def send(rig, meter, rows):
    """Readings of the past, as a gateway replays them: many to a message, all acknowledged."""
    readings = [{"meterId": meter, "ts": text_of(at), "kWh": float(kwh), "collectedAt": text_of(at)}
                for at, kwh in rows]
    lines = "".join(json.dumps(readings[i:i + BATCH]) + "\n"
                    for i in range(0, len(readings), BATCH))
    got = subprocess.run(["mosquitto_pub", "-h", harness.SERVER, "-q", "1", "-i", meter, "-l",
                          "-t", f"meters/{meter}/readings"], input=lines, text=True,
                         capture_output=True, timeout=60)
    harness.check(got.returncode == 0, f"mosquitto_pub: {got.stderr}")
    rig.settle()


def bill(rig, which, **parameters):
    return rig.api.call("GET", f"/bills/{which}", month=MONTH, **parameters)


def status(rig, *keys):
    got = rig.api.call("GET", "/billing")
    harness.check(not got["failure"], got["failure"])
    return tuple(got[k] for k in keys)


def first_bills(rig):
    """C-1, 15 days, 360 kWh: 150 * .10 + 210 * .20 + 6 * 15/30 = 60.
    C-2, 5 days, 120 kWh: 50 * .10 + 70 * .20 + 6 * 5/30 = 20; 10 days, 240 kWh: 240 * .30 +
    3 * 10/30 = 73. SP-2, 240 kWh in ten days, the month's charge: 72 + 3 = 75. SP-3 names no
    tariff; the rig's four meters are at no point."""
    text = rig.headrace("billing", "run", "--month", MONTH)
    harness.check(status(rig, "closed", "kept", "not_billed") == (3, 0, 5), text)
    got = [(b["customer"], b["kwh"], b["total"], b["from"], b["to"], b["tariff"]) for b in
           (bill(rig, "SP-1"), bill(rig, "SP-1", number=2), bill(rig, "SP-2"))]
    harness.check(got == [
        ("C-1", "360.000000", "60.00", day(1), day(16), "res"),
        ("C-2", "360.000000", "93.00", day(16), day(31), "res, flat"),
        ("C-3", "240.000000", "75.00", day(1), day(31), "flat")], f"the bills: {got}")
    first = bill(rig, "SP-1")
    harness.check(first["customer_name"] == "Doe, Jane" and first["address"] == "Mill Rd 7",
                  f"whose bill is it? {first}")
    registers = [(r["meter"], r["begin"]["kwh"], r["end"]["kwh"], r["ratio"], r["kwh"])
                 for r in first["registers"]]
    harness.check(registers == [
        ("M-1", "900.000000", "25.050000", "2", "250.100000"),
        ("M-2", "5.000000", "114.900000", "1", "109.900000")], f"the registers: {registers}")
    harness.check("names none" in bill(rig, "SP-3")["cause"], "SP-3 was billed")
    rig.headrace("bills", "show", "SP-3", "--month", MONTH, expect=1)
    rig.headrace("bills", "show", "SP-9", "--month", MONTH, expect=1)


def forms(rig):
    text = rig.headrace("bills", "show", "M-1", "--month", MONTH)
    harness.check("meter M-1 is billed with service point SP-1" in text and "Doe, Jane" in text and
                  "bill 1 of 2" in text and "60.00 USD" in text and "25.050000" in text, text)
    page = rig.headrace("bills", "show", "SP-1", "--month", MONTH, "--number", "2", "--format",
                        "html")
    harness.check("Roe &amp; Sons" in page and "93.00 USD" in page and "15 of 30 days" in page,
                  page)
    rows = list(csv.DictReader(io.StringIO(rig.headrace(
        "bills", "show", "SP-1", "--month", MONTH, "--format", "csv"))))
    harness.check([r["meter"] for r in rows if r["kind"] == "register"] == ["M-1", "M-2"] and
                  {r["customer_name"] for r in rows} == {"Doe, Jane"}, f"the CSV: {rows}")
    rows = {(r["service_point"], r["number"]): r for r in csv.DictReader(io.StringIO(
        rig.headrace("bills", "export", "--month", MONTH)))}
    harness.check(rows["SP-1", "2"]["total"] == "93.00" and rows["SP-2", "1"]["state"] == "closed"
                  and ("", "") in rows and len(rows) == 5, f"the export: {rows}")
    pieces = list(csv.DictReader(io.StringIO(rig.headrace(
        "bills", "trace", "M-1", "--month", MONTH, "--format", "csv"))))
    at_swap = [p for p in pieces if p["start"] == text_of(SWAP.replace(minute=0))]
    harness.check([(p["meter"], p["end_meter"], p["kwh"], p["begin_kwh"], p["end_kwh"]) for p in
                   at_swap] == [("M-1", "M-2", "0.250000", "25.000000", "5.150000")],
                  f"the interval of the swap: {at_swap}")
    harness.check(sum(float(p["kwh"]) for p in pieces) == 360, "the pieces are not the bill")
    story = json.loads(rig.headrace("explain", "SP-1", f"{day(22)}T12:10:00Z", "--json"))
    counts = story["counts_in"]["bill"]
    harness.check(story["meter"] == "M-2" and counts["number"] == 2 and counts["customer"] == "C-2"
                  and [(l["tariff"], l["kwh"]) for l in counts["lines"]] == [("flat", "0.250000")],
                  f"the story: {counts}")


def run_again(rig):
    """SP-3 by the run's tariff: 480 kWh, 300 * .10 + 180 * .20 + 6 = 72."""
    before = bill(rig, "SP-1", number=2)
    rig.headrace("billing", "run", "--month", MONTH, "--tariff", "res", "--prefix", "SP-")
    harness.check(status(rig, "closed", "kept", "not_billed") == (1, 3, 0), "the second run")
    harness.check(bill(rig, "SP-1", number=2) == before, "a closed bill was changed")
    both = bill(rig, "SP-3")
    harness.check((both["kwh"], both["total"]) == ("480.000000", "72.00"), f"SP-3: {both}")
    harness.check(bill(rig, "M-3")["service_point"] == "SP-3", "the bill of the meter that moved")


def late_readings(rig, late):
    """8 quarters of 0.5 instead of 0.25 kWh, by flat: 2 * .30 more. Then C-2 turns out to have come
    on the 18th. C-1, 17 days, 408 kWh: 17 + 238 * .20 + 3.40 = 68; C-2, 3 days, 72 kWh: 3 +
    42 * .20 + .60 = 12, and 73.60."""
    send(rig, "M-2", late)
    rig.headrace("billing", "review", "--month", MONTH)
    harness.check(status(rig, "kept", "adjusted") == (3, 1), "the review of late readings")
    adjusted = bill(rig, "SP-1", number=2)["adjustments"]
    harness.check([a["difference"] for a in adjusted] == ["0.600000"], f"{adjusted}")
    rig.headrace("points", "set", "SP-1", "--customer", "C-1", "--from", day(16))
    rig.headrace("points", "set", "SP-1", "--customer", "C-2", "--from", day(18))
    rig.headrace("billing", "run", "--month", MONTH)
    harness.check(status(rig, "closed", "kept") == (0, 4), "a run changed what is closed")
    for adjusted in (2, 0):
        rig.headrace("billing", "review", "--month", MONTH)
        harness.check(status(rig, "adjusted") == (adjusted,), "the review of corrected dates")
    got = [bill(rig, "SP-1", number=n)["adjustments"][-1] for n in (1, 2)]
    harness.check([(a["total"], a["from"], a["to"]) for a in got] == [
        ("68.00", day(1), day(18)), ("85.60", day(18), day(31))], f"{got}")


def test():
    with make_rig() as rig:
        rig.start()
        import_everything(rig)
        late = send_everything(rig)
        first_bills(rig)
        forms(rig)
        run_again(rig)
        late_readings(rig, late)


if __name__ == "__main__":
    harness.main(test)
