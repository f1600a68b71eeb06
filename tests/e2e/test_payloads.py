#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every payload format of the shipped profiles, by real clients over both protocols: the exact
values are in the store, what is wrong is in the error queue, and the Content-Format counts."""
import datetime
import decimal
import json
import struct
import subprocess

import harness

D = decimal.Decimal
CONTENT = {"json": 50, "cbor": 60, "senml+json": 110, "senml+cbor": 112}


def now_ms():
    return round(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)


# --- CBOR (RFC 8949) and Protocol Buffers, as far as they are needed ---

def head(major, argument):
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, code in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if argument < 1 << 8 * struct.calcsize(code):
            return bytes([major << 5 | info]) + struct.pack(code, argument)
    raise ValueError(argument)


def cbor(x):
    if x is None or isinstance(x, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[x]
    if isinstance(x, int):
        return head(0, x) if x >= 0 else head(1, -1 - x)
    if isinstance(x, float):
        return b"\xfb" + struct.pack(">d", x)
    if isinstance(x, D):  # a decimal fraction, tag 4
        sign, digits, exponent = x.as_tuple()
        mantissa = int("".join(map(str, digits)))
        return b"\xc4" + cbor([exponent, -mantissa if sign else mantissa])
    if isinstance(x, str):
        return head(3, len(x.encode())) + x.encode()
    if isinstance(x, list):
        return head(4, len(x)) + b"".join(map(cbor, x))
    return head(5, len(x)) + b"".join(cbor(k) + cbor(v) for k, v in x.items())


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def pb(number, value):
    """A field: int as varint, bytes with a length, float in 8 bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def metric(value, name=None, alias=None, datatype=None, ts=None, historical=False):
    """A Sparkplug metric; value is a whole field."""
    return pb(2, (pb(1, name.encode()) if name else b"") +
              (pb(2, alias) if alias is not None else b"") + (pb(3, ts) if ts else b"") +
              (pb(4, datatype) if datatype else b"") + (pb(5, 1) if historical else b"") + value)


# --- clients ---

class Clients:
    def __init__(self, rig):
        self.rig = rig
        self.file = rig.path("payload")

    def run(self, *command):
        got = subprocess.run(command, capture_output=True, text=True, timeout=30)
        harness.check(got.returncode == 0, f"{command[0]}: {got.stdout}{got.stderr}")
        return got.stdout + got.stderr

    def keep(self, payload):
        with open(self.file, "wb") as f:
            f.write(payload if isinstance(payload, bytes) else json.dumps(payload).encode())

    def publish(self, topic, payload, qos=1, content_type=None):
        self.keep(payload)
        more = ["-V", "5", "-D", "publish", "content-type", content_type] if content_type else []
        text = self.run("mosquitto_pub", "-d", "-h", harness.SERVER, "-q", str(qos), "-i",
                        "payloads", "-t", topic, "-f", self.file, *more)
        harness.check(qos == 0 or "received PUBACK" in text, f"{topic}: no PUBACK: {text}")

    def post(self, path, payload, kind):
        self.keep(payload)
        return self.run(harness.coap_client(), "-v", "6", "-m", "post", "-t",
                        str(CONTENT.get(kind, kind)), "-B", "15", "-f", self.file,
                        f"coap://{harness.SERVER}/{path}")

    def send(self, topic, path, payload, kind):
        """The same over both; the second is a duplicate, and as good."""
        self.publish(topic, payload)
        text = self.post(path, payload, kind)
        harness.check("2.04" in text, f"/{path}: expected 2.04: {text}")

    def expect(self, meter, ts, **channels):
        """The reading is there, once, with exactly these values."""
        self.rig.settle()
        found = [values for at, values in self.rig.api.readings(meter) if at == ts]
        harness.check(len(found) == 1, f"{meter} at {ts}: {len(found)} readings, expected one")
        got = {name: D(value) for name, value in found[0].items()}
        want = {name: D(value) for name, value in channels.items()}
        harness.check(got == want, f"{meter} at {ts}: {got}, expected {want}")


def test_thingsboard(c):
    ts = now_ms()
    c.send("tb/PL-00001/telemetry", "tb/PL-00001/telemetry",
           {"ts": ts, "values": {"kWh": 60000.125, "kW": 3.21, "other": "x"}}, "json")
    c.expect("PL-00001", ts, active_energy="60000.125", active_power="3.21")
    c.send("tb/PL-00001/telemetry", "tb/PL-00001/telemetry",
           [{"ts": ts + 1000, "values": {"kWh": 60000.126}},
            {"ts": ts + 2000, "values": {"kWh": 60000.127}}], "json")
    c.expect("PL-00001", ts + 2000, active_energy="60000.127")
    c.send("v1/gateway/telemetry", "v1/gateway/telemetry",
           {"PL-00002": [{"ts": ts, "values": {"kWh": 60001.5}},
                         {"ts": ts + 1000, "values": {"kWh": 60001.501}}],
            "PL-00003": [{"ts": ts, "values": {"kWh": 9007.199254, "v": 239.4}}]}, "json")
    c.expect("PL-00002", ts, active_energy="60001.5")
    c.expect("PL-00002", ts + 1000, active_energy="60001.501")
    c.expect("PL-00003", ts, active_energy="9007.199254", voltage="239.4")
    # one bad element does not void the rest, and the answer says how many
    text = c.post("v1/gateway/telemetry",
                  {"PL-00003": [{"ts": ts + 9, "values": {"kWh": "x"}}],
                   "PL-00002": [{"ts": ts + 2000, "values": {"kWh": 60001.502}}]}, "json")
    harness.check("1 of 2 refused, first: bad_field" in text, f"no word of the bad one: {text}")
    c.expect("PL-00002", ts + 2000, active_energy="60001.502")
    harness.check(("bad_field", "PL-00003", ts + 9) in c.rig.api.errors(),
                  "the bad element is not in the error queue under its device")


def test_senml(c):
    ts = now_ms()
    at = ts / 1000
    pack = [{"bn": "urn:dev:PL-00011:", "bt": at, "n": "energy", "u": "kWh", "v": 1247.83},
            {"n": "power", "u": "kW", "v": 3.21}, {"n": "export", "u": "W", "s": 16174800000},
            {"n": "status", "vs": "OK"}]
    c.send("senml/x", "senml", pack, "senml+json")
    c.expect("PL-00011", ts, active_energy="1247.83", active_power="3.21", exported_energy="4493")
    labels = {"bn": -2, "bt": -3, "bv": -5, "n": 0, "u": 1, "v": 2, "vs": 3, "s": 5, "t": 6}

    def small(records):
        return cbor([{labels[k]: v for k, v in record.items()} for record in records])
    for meter, number in ("PL-00012", 1247.83), ("PL-00013", D("1247.83")):
        pack = [{"bn": f"urn:dev:{meter}:", "bt": D(ts) / 1000, "n": "energy", "u": "kWh",
                 "v": number}, {"n": "pf", "u": "/", "v": -0.97}]
        c.send("senml/x", "senml", small(pack), "senml+cbor")
        c.expect(meter, ts, active_energy="1247.83", power_factor="-0.97")
    # base value and times, records by channel; a unit that is not the profile's is refused
    pack = [{"bn": "urn:dev:PL-00014:energy", "bt": at - 2, "bv": 60000, "v": 0.125},
            {"t": 1, "v": 0.126}, {"bn": "urn:dev:PL-00014:power", "bv": 0, "v": 1},
            {"t": 1, "v": 2}]
    c.send("senml/x", "senml", pack, "json")
    c.expect("PL-00014", ts - 2000, active_energy="60000.125", active_power="1")
    c.expect("PL-00014", ts - 1000, active_energy="60000.126", active_power="2")
    text = c.post("senml", [{"n": "urn:dev:PL-00014:energy", "u": "Wh", "v": 1}], "senml+json")
    harness.check("4.00" in text and "bad_field" in text, f"a wrong unit was taken: {text}")


def test_compact(c):
    ts = now_ms()
    columns = ["kWh", -3, "kW", -2, "pf", -2, "v", -1, "tamper", 0]
    rows = [["PL-00021", 0, 1247830, 321, 97, 2394, False],
            [None, 1, 1247831, None, None, None, True],
            ["PL-00022", -1, 60000125, 17, 99, 2401, None]]
    c.send("cbor/GW-1/readings", "cbor", cbor([1, ts, 1000, columns, rows]), "cbor")
    c.expect("PL-00021", ts, active_energy="1247.830", active_power="3.21", power_factor="0.97",
             voltage="239.4")
    c.expect("PL-00021", ts + 1000, active_energy="1247.831")
    c.expect("PL-00022", ts - 1000, active_energy="60000.125", active_power="0.17",
             power_factor="0.99", voltage="240.1")
    text = c.post("cbor", cbor([1, ts, 1000, ["kWh", -3], [["PL-00022", 1, 60000126],
                                                          ["PL-00022", 2, "x"]]]), "cbor")
    harness.check("1 of 2 refused" in text, f"a bad row was taken: {text}")
    c.expect("PL-00022", ts + 1000, active_energy="60000.126")


def test_sparkplug(c):
    ts = now_ms()
    before = c.rig.api.counters()

    def say(kind, *fields, where="E1/PL-00031", qos=0):
        c.publish(f"spBv1.0/G/{kind}/{where}", pb(1, ts) + b"".join(fields), qos)
    # one connection for each message: the node's state lives with the io worker, not with it
    say("NBIRTH", metric(pb(11, 0), "bdSeq", datatype=4), pb(3, 0), where="E1")
    say("DBIRTH", metric(pb(13, 60000.5), "Energy/Active", 7, 10),
        metric(pb(10, 230), "Voltage", 8, 3), pb(3, 1), qos=1)
    c.expect("PL-00031", ts, active_energy="60000.5", voltage="230")
    say("DDATA", metric(pb(13, 60000.501), alias=7, ts=ts + 1000),
        metric(pb(10, 231), alias=8, ts=ts + 1000),
        metric(pb(13, 60000.25), alias=7, ts=ts - 7200000, historical=True), pb(3, 2), qos=1)
    c.expect("PL-00031", ts + 1000, active_energy="60000.501", voltage="231")
    c.expect("PL-00031", ts - 7200000, active_energy="60000.25")
    say("DDATA", metric(pb(13, 60000.502), alias=7, ts=ts + 2000), pb(3, 9), qos=1)
    c.expect("PL-00031", ts + 2000, active_energy="60000.502")
    say("NDEATH", metric(pb(11, 0), "bdSeq", datatype=4), where="E1", qos=1)
    say("DDATA", metric(pb(13, 60001.0), alias=7, ts=ts + 3000), pb(3, 10), qos=1)
    c.rig.settle()
    errors = [e for e in c.rig.api.errors() if e[:2] == ("bad_field", "PL-00031")]
    harness.check(len(errors) == 1, f"an alias without birth should be refused: {errors}")
    after = c.rig.api.counters()
    for name, count in (("ingest_sparkplug_gaps", 1), ("ingest_sparkplug_unborn", 1),
                        ("ingest_sparkplug_states", 2)):
        got = after[name] - before[name]
        harness.check(got == count, f"{name}: {got}, expected {count}")


def test_large_packs(c):
    """A pack shares its bytes among its readings: 500 of them need few batches."""
    ts = now_ms() // 1000
    before = c.rig.api.totals()["stored"]
    pack = [{"bn": f"urn:dev:PL-{meter:05}:", "bt": ts - 600 + i, "n": "energy", "u": "kWh",
             "v": 50 + i / 1000} for meter in range(50, 60) for i in range(50)]
    bad = [{"bn": "urn:dev:PL-00050:", "n": "energy", "bt": ts, "v": "x" * 20000}]
    c.publish("senml/x", pack + bad)
    c.publish("senml/x", pack)  # again: duplicates, some of which only the store can tell
    c.expect("PL-00059", (ts - 600 + 49) * 1000, active_energy="50.049")
    totals = c.rig.api.totals()
    harness.check(totals["stored"] == before + 500,
                  f"{totals['stored'] - before} of 500 readings of a large pack are stored")


def test_content_formats(c):
    """What the sender says of its payload must be a format of the path's profiles."""
    batch = cbor([1, now_ms(), 1, ["kWh", 0], [["PL-00041", 0, 7]]])
    for kind, code in ("json", "4.15"), ("senml+cbor", "4.15"), (40, "4.15"), (42, "2.04"):
        text = c.post("cbor", batch, kind)
        harness.check(code in text, f"Content-Format {kind}: expected {code}: {text}")
    ts = now_ms()
    c.publish("cbor/x/readings", cbor([1, ts, 1, ["kWh", 0], [["PL-00042", 0, 7]]]),
              content_type="application/cbor")
    c.expect("PL-00042", ts, active_energy="7")
    refused = c.rig.api.totals()["no_profile"]
    c.publish("cbor/x/readings", batch, content_type="application/json")
    c.rig.settle()
    harness.check(c.rig.api.totals()["no_profile"] == refused + 1,
                  "a content type that no profile of the topic has was taken")
    text = c.post("senml", b"[]", "cbor")
    harness.check("4.00" in text and "empty" in text, f"an empty pack: {text}")


def test():
    with harness.Rig("payloads", meters=60) as rig:
        with open(rig.path("devices.csv"), "a") as f:
            f.writelines(f"PL-{n:05},active,,,,,,,\n" for n in range(1, 60))
        rig.start()
        clients = Clients(rig)
        for part in (test_thingsboard, test_senml, test_compact, test_sparkplug,
                     test_large_packs, test_content_formats):
            part(clients)
        rig.check_audit()
        totals = rig.api.totals()
        harness.check(rig.stop() == 0, "SIGTERM: the daemon did not end well")
        rig.start()
        harness.check(rig.api.totals() == totals, "a restart changed the totals")


if __name__ == "__main__":
    harness.main(test)
