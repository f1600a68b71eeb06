#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The error queue: entries are replayed, corrected and discarded, one by one and in bulk; each ends
in one state, a reading counts once, kill -9 in the middle of a bulk replay loses and doubles
nothing, and the accounts balance."""
import datetime
import json
import socket
import subprocess
import time

import forge
import harness

LATE_DAYS = 5
BULK = 3000  # entries of a bulk replay, in messages of 50


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def reading(meter, ago_s=0, kwh=100.0, **more):
    """Measured so long ago; what is not of this minute was collected in time by a gateway."""
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)
    if ago_s > 30:
        more["collectedAt"] = stamp(when)
    return {"meterId": meter, "ts": stamp(when), "kWh": kwh, "kW": 1.5, "pf": 0.97, "v": 230.1,
            "status": "OK", **more}


class Sender:
    """An MQTT client that waits for each PUBACK."""

    def __init__(self):
        self.socket = socket.create_connection((harness.SERVER, 1883), timeout=60)
        self.stream = self.socket.makefile("rb")
        self.socket.sendall(forge.mqtt_connect())
        harness.check(self.stream.read(4) == b"\x20\x02\0\0", "no CONNACK")
        self.count = 0

    def send(self, payload, topic=b"meters/SM-00001/readings"):
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.count += 1
        self.socket.sendall(forge.mqtt_publish(topic, body, 1, self.count))
        got = self.stream.read(4)
        harness.check(got == b"\x40\x02" + self.count.to_bytes(2, "big"),
                      f"no PUBACK, but {got!r}")


def entries(rig, **query):
    return rig.api.call("GET", "/errors", limit=10000, **query)["errors"]


def entry_of(rig, reason, device):
    found = [e for e in entries(rig, reason=reason, state="open") if e["device"] == device]
    harness.check(len(found) == 1, f"{len(found)} open {reason} entries of {device}")
    return found[0]["number"]


def show(rig, number):
    return rig.api.call("GET", f"/errors/{number}")


def register(rig, meters, name):
    with open(rig.path(name), "w") as f:
        f.write("id\n" + "".join(f"{m}\n" for m in meters))
    rig.headrace("devices", "import", rig.path(name))


def expect_state(rig, number, state, **record):
    entry = show(rig, number)
    harness.check(entry["state"] == state, f"entry {number} is {entry['state']}, not {state}")
    for key, value in record.items():
        harness.check(entry["record"][key] == value,
                      f"entry {number}: {key} is {entry['record'].get(key)!r}, not {value!r}")
    harness.check(entry["record"]["who"] != "", "nobody did it")


def flags_of(rig, meter):
    return [r["flags"] for r in
            rig.api.call("GET", f"/readings/{meter}", limit=100)["readings"]]


def unknown_device(rig, sender):
    """Stays open while its cause is there; once the device is known it counts once."""
    sender.send([reading("NEW-1", 900, 10), reading("NEW-1", 0, 11)])
    numbers = [e["number"] for e in entries(rig, reason="unknown_device")]
    harness.check(len(numbers) == 2, f"{len(numbers)} entries")
    told = rig.headrace("errors", "replay", "--reason", "unknown_device", expect=1)
    harness.check("2 stay open" in told, told)
    harness.check(len(entries(rig)) == 2, "a hopeless replay made new entries")
    register(rig, ["NEW-1"], "new1.csv")
    told = rig.headrace("errors", "replay", ",".join(map(str, numbers)), "--why", "registered")
    harness.check("2 replayed: 2 stored" in told, told)
    for n in numbers:
        expect_state(rig, n, "replayed", stored=1, duplicate=0, why="registered")
    harness.check(len(rig.api.readings("NEW-1")) == 2, "not both stored")
    told = rig.headrace("errors", "replay", str(numbers[0]), expect=1)
    harness.check("1 were not open" in told, told)
    harness.check(rig.api.readings("NEW-1")[0][1]["active_energy"].startswith("10"),
                  "another value")


def too_late(rig, sender):
    """Late data waits for an operator, who says so."""
    sender.send(reading("SM-00002", 0, 500))
    sender.send(reading("SM-00002", LATE_DAYS * 86400, 400))
    number = entry_of(rig, "too_late", "SM-00002")
    rig.headrace("errors", "replay", "--reason", "too_late", expect=1)
    harness.check(show(rig, number)["state"] == "open", "late data went in unasked")
    rig.headrace("errors", "replay", "--reason", "too_late", "--accept-late")
    expect_state(rig, number, "replayed", stored=1, how="late accepted")
    harness.check("late_accepted" in flags_of(rig, "SM-00002")[0], "no provenance")


def refused_again(rig, sender):
    """A clock that was wrong stays wrong: the refusal takes the entry's place, once."""
    wrong = reading("SM-00003", 0, 10)
    wrong["ts"] = stamp(datetime.datetime.now(datetime.timezone.utc) +
                        datetime.timedelta(hours=7))
    sender.send(wrong)
    number = entry_of(rig, "clock_drift", "SM-00003")
    rig.headrace("errors", "replay", "--reason", "clock_drift", expect=1)
    expect_state(rig, number, "replayed", stored=0, refused=1, reason="clock_drift")
    again = show(rig, number)["record"]["refused_as"]
    harness.check(show(rig, again)["record"]["in_place_of"] == number, "no way back")
    harness.check(entry_of(rig, "clock_drift", "SM-00003") == again, "not one open entry")
    moment = show(rig, again)["received"].split(".")[0].rstrip("Z") + "Z"
    rig.headrace("errors", "correct", str(again), "--set", f"time={moment}")
    expect_state(rig, again, "corrected", stored=1)
    harness.check(rig.api.readings("SM-00003")[0][0] == harness.milliseconds(moment),
                  "not stored for the time that was set")
    return number


def corrections(rig, sender):
    sender.send(reading("SM-00004", 1800, 900))
    sender.send(reading("SM-00004", 0, 12))  # a register that fell
    number = entry_of(rig, "register_decreased", "SM-00004")
    bad = rig.headrace("errors", "correct", str(number), "--set", "kwh=abc", expect=1)
    rig.headrace("errors", "correct", str(number), "--set", "colour=red", expect=1)
    harness.check(bad == "" and show(rig, number)["state"] == "open", "a bad correction counted")
    rig.headrace("errors", "correct", str(number), "--set", "kwh=901.25", "--set", "kW=2",
                 "--why", "read by hand")
    expect_state(rig, number, "corrected", stored=1, why="read by hand",
                 how="kwh=901.25, kW=2")
    stored = rig.api.readings("SM-00004")[1]
    harness.check(stored[1]["active_energy"] == "901.250000", f"stored {stored}")
    harness.check("corrected" in flags_of(rig, "SM-00004")[1], "no provenance with the value")
    harness.check(show(rig, number)["raw"] is not None, "the bytes are gone")

    sender.send(reading("SM-99999", 0, 5))
    number = entry_of(rig, "unknown_device", "SM-99999")
    rig.headrace("errors", "correct", str(number), "--device", "SM-00005")
    harness.check(len(rig.api.readings("SM-00005")) == 1, "not stored for the other device")

    sender.send(b'{"meterId":"SM-00006","kWh":12,"ts":')
    number = [e["number"] for e in entries(rig, reason="bad_payload", state="open")][0]
    rig.headrace("errors", "replay", str(number), expect=1)
    with open(rig.path("payload.json"), "w") as f:
        json.dump([reading("SM-00006", 900, 1), reading("SM-00006", 0, 2)], f)
    rig.headrace("errors", "correct", str(number), "--payload", rig.path("payload.json"))
    harness.check(len(rig.api.readings("SM-00006")) == 2, "the payload's readings are not there")
    rig.headrace("errors", "correct", str(number), "--set", "kwh=1", expect=1)  # not open


def conflict_discarded(rig, sender):
    first = reading("SM-00007", 0, 1)
    sender.send(first)
    sender.send({**first, "kWh": 2})
    number = entry_of(rig, "conflict", "SM-00007")
    rig.headrace("errors", "replay", str(number), expect=1)
    rig.headrace("errors", "discard", str(number), expect=2)  # no reason given
    rig.headrace("errors", "discard", "--reason", "conflict", "--why", "test bench")
    expect_state(rig, number, "discarded", why="test bench")
    harness.check(entries(rig, reason="conflict", state="open") == [], "still open")
    harness.check(entry_of_any(rig, number), "the entry is gone")


def entry_of_any(rig, number):
    return any(e["number"] == number for e in entries(rig, state="discarded"))


def bad_input(rig):
    for arguments in (["replay"], ["replay", "12x"], ["replay", "--reason", "nonsense"],
                      ["list", "--state", "nonsense"], ["discard", "--why", "x"],
                      ["correct", "12x", "--set", "kwh=1"], ["correct", "1", "--set", "kwh"]):
        rig.headrace("errors", *arguments, expect=2)
    rig.headrace("errors", "correct", "1", "--set", "kwh=1", expect=1)


def bulk_with_kill(rig, sender):
    """kill -9 while a bulk replay is under way; then again, to the end."""
    meters = [f"BULK-{i:04}" for i in range(BULK)]
    for at in range(0, BULK, 50):
        sender.send([reading(m, 0, 1) for m in meters[at:at + 50]])
    register(rig, meters, "bulk.csv")
    command = [harness.program("headrace"), "--socket", rig.path("api.sock"), "errors", "replay",
               "--reason", "unknown_device"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        deadline = time.monotonic() + 60
        while (rig.api.counters()["errors_replay_stored"] < 500 + 4 and p.poll() is None and
               time.monotonic() < deadline):
            time.sleep(0.002)
        rig.kill()
        p.wait()
    rig.start()
    left = len(entries(rig, reason="unknown_device", state="open"))
    rig.headrace("errors", "replay", "--reason", "unknown_device")
    harness.check(entries(rig, reason="unknown_device", state="open") == [], "some stay open")
    stored = sum(len(rig.api.readings(m)) for m in (meters[0], meters[BULK // 2], meters[-1]))
    harness.check(stored == 3, f"{stored} readings of three meters")
    print(f"kill -9 with {left} of {BULK} entries open; then all are stored once")


def test():
    with harness.Rig("errors", meters=20) as rig:
        rig.start()
        sender = Sender()
        unknown_device(rig, sender)
        too_late(rig, sender)
        refused = refused_again(rig, sender)
        corrections(rig, sender)
        conflict_discarded(rig, sender)
        bad_input(rig)
        rig.settle()
        rig.check_audit()
        bulk_with_kill(rig, sender)
        expect_state(rig, refused, "replayed", refused=1)
        rig.settle()
        rig.check_audit()


if __name__ == "__main__":
    harness.main(test)
