#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients, one at a time, and the daemon's manners: PUBACK and CoAP responses, ping, the
command line, a stop that drains, a start that still has the data, refusal of a bad
configuration."""
import datetime
import os
import socket
import subprocess

import forge
import harness

FLAT = ('{{"meterId":"{meter}","ts":"{ts}","kWh":{kwh},"kW":3.21,"pf":0.97,"v":239.4,'
        '"status":"OK"}}')


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def run_client(*command):
    got = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return got.returncode, got.stdout + got.stderr


def publish(meter, payload, qos=1, topic=None):
    status, text = run_client(
        "mosquitto_pub", "-d", "-h", harness.SERVER, "-q", str(qos), "-i", meter,
        "-t", topic or f"meters/{meter}/readings", "-m", payload)
    harness.check(status == 0, f"mosquitto_pub: exit {status}: {text}")
    return text


def post(payload, method="post", path="readings", kind=None):
    status, text = run_client(
        harness.coap_client(), "-v", "6", "-m", method, "-t", "json", "-B", "10",
        *([kind] if kind else []), "-e", payload, f"coap://{harness.SERVER}/{path}")
    harness.check(status == 0, f"coap-client: exit {status}: {text}")
    return text


def test_billing(rig):
    """The bills of a month that has hardly begun: nothing to close, and each meter says why."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    usage = rig.headrace("usage", "SM-00020", "--from", str(today), "--to",
                         str(today + datetime.timedelta(days=1)), "--by", "day")
    harness.check(str(today) in usage and "% actual" in usage, f"no usage of today: {usage}")
    month = f"{today:%Y-%m}"
    run = rig.headrace("billing", "run", "--month", month, "--tariff", "sample-a",
                       "--prefix", "SM-0002")
    harness.check("ended" in run and "not_billed             1" in run, f"the run: {run}")
    bills = rig.headrace("bills", "list", "--month", month)
    harness.check("SM-00020" in bills and "actual values; expected 95.00 %" in bills,
                  f"no cause why SM-00020 is not billed: {bills}")
    rig.headrace("bill", "SM-00020", "--month", month, expect=1)


def test_mqtt(rig):
    text = publish("SM-00001", FLAT.format(meter="SM-00001", ts=now(), kwh="60000.125"))
    harness.check("received PUBACK" in text, f"mosquitto_pub got no PUBACK: {text}")
    # acknowledged means durable and found by everyone who asks from now on
    csv = rig.headrace("readings", "SM-00001", "--format", "csv")
    harness.check("60000.125" in csv, f"an acknowledged reading is not there: {csv}")
    for i in range(20):
        publish("SM-00020", FLAT.format(meter="SM-00020", ts=now(), kwh=f"60000.{i:03}"))
        readings = rig.api.readings("SM-00020")
        harness.check(len(readings) == i + 1, f"reading {i} is acknowledged and not there")
    energy = sum(float(a["energy"]["value"]) for a in rig.api.call(
        "GET", "/aggregates/SM-00020", level="hour")["aggregates"] if a["energy"])
    harness.check(abs(energy - 0.019) < 1e-9, f"20 readings make 0.019 kWh, not {energy}")
    table = rig.headrace("aggregates", "SM-00020", "--level", "month")
    harness.check("0.019 kWh" in table, f"no energy in the month: {table}")
    levels = rig.headrace("retention")
    harness.check("90 days" in levels and "for ever" in levels, f"retention: {levels}")
    test_billing(rig)
    # a topic that no profile names is ordinary publish and subscribe, and no reading
    before = rig.api.totals()
    text = publish("SM-00001", "not a reading", topic="meter/SM-00001/reading")
    harness.check("received PUBACK" in text, f"mosquitto_pub got no PUBACK: {text}")
    rig.settle()
    harness.check(rig.api.totals() == before, "a message beside telemetry was counted as a reading")


def test_coap(rig):
    payload = FLAT.format(meter="SM-00011", ts=now(), kwh="60000.250")
    for method in ("post", "put"):  # the second is a duplicate, and as good
        text = post(payload, method)
        harness.check("2.04" in text, f"CoAP {method}: expected 2.04: {text}")
    post(FLAT.format(meter="SM-00012", ts=now(), kwh="60000.375"), kind="-N")
    text = post(FLAT.format(meter="SM-77777", ts=now(), kwh="1"))
    harness.check("4.04" in text and "unknown_device" in text,
                  f"an unknown device should get 4.04 with the reason: {text}")
    text = post(payload.replace("60000.250", "60000.251"))
    harness.check("4.09" in text, f"other values for the same time should get 4.09: {text}")
    text = post("{}", path="elsewhere")
    harness.check("4.04" in text, f"an unknown path should get 4.04: {text}")
    rig.settle()
    readings = rig.api.readings("SM-00011")
    harness.check(len(readings) == 1 and float(readings[0][1]["active_energy"]) == 60000.25,
                  f"one reading, the first one, expected: {readings}")
    harness.check(len(rig.api.readings("SM-00012")) == 1, "the NON request's reading is not there")


def test_ping():
    echo = forge.Frames.icmp(8, b"headrace" * 8)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.settimeout(5)
        s.sendto(echo, (harness.SERVER, 0))
        while True:
            answer = s.recv(2048)[20:]
            if answer[0] == 0:
                break
    harness.check(answer[4:] == echo[4:], f"echo came back changed: {answer!r}")


def test_rejected_is_acknowledged(rig):
    """A meter that is never answered would send its bad reading for ever."""
    text = publish("SM-00002", '{"meterId":"SM-00002","kWh":}')
    harness.check("received PUBACK" in text, f"no PUBACK for a bad reading: {text}")
    rig.settle()
    errors = rig.headrace("errors", "list")
    harness.check("bad_payload" in errors, f"not in the error queue: {errors}")


def test_commands(rig):
    for command in (["status"], ["devices", "list"], ["devices", "show", "SM-00001"],
                    ["readings", "SM-00001"], ["readings", "SM-00001", "--format", "json"],
                    ["errors", "list"], ["audit"]):
        text = rig.headrace(*command)
        harness.check(text.strip(), f"headrace {' '.join(command)} says nothing")
    status, text = run_client(harness.program("headrace"), "--help")
    harness.check(status == 0 and "devices" in text, f"headrace --help: {status} {text}")
    status, text = run_client(harness.program("headrace"), "--socket", "/nonexistent", "status")
    harness.check(status != 0 and text.strip(), "no error without a daemon")


def held_connection():
    """An MQTT session that is open while the daemon stops."""
    s = socket.create_connection((harness.SERVER, 1883), timeout=10)
    s.sendall(forge.mqtt_connect(b"SM-00003"))
    harness.check(s.recv(4) == b"\x20\x02\0\0", "no CONNACK")
    return s


def test_stop_and_start(rig):
    before = {m: rig.api.readings(m) for m in ("SM-00001", "SM-00011")}
    totals = rig.api.totals()
    with held_connection():
        status = rig.stop()
    harness.check(status == 0, f"SIGTERM: exit {status}, expected 0")
    rig.start()
    after = {m: rig.api.readings(m) for m in ("SM-00001", "SM-00011")}
    harness.check(before == after, f"a restart changed the data: {before}, then {after}")
    harness.check(rig.api.totals() == totals, "a restart changed the totals")
    rig.check_audit()


def check_refused(rig, name, text, words):
    path = rig.path(name)
    with open(path, "w") as f:
        f.write(text)
    for arguments in (["--check", path], ["--config", path]):
        status, said = run_client(harness.program("headraced"), *arguments)
        harness.check(status == 2, f"{name}, {arguments[0]}: exit {status}, expected 2: {said}")
        for word in words:
            harness.check(word in said, f"{name}: expected {word!r} in: {said}")


def test_configuration(rig):
    with open(rig.config_file) as f:
        good = f.read()
    for path in (rig.config_file, os.path.join(harness.ROOT, "configs/headrace.yaml")):
        status, said = run_client(harness.program("headraced"), "--check", path)
        harness.check(status == 0, f"--check {path}: exit {status}: {said}")
    line = len(good.split("\n"))
    check_refused(rig, "key.yaml", good + "colour: red\n", [f"key.yaml:{line}:"])
    check_refused(rig, "type.yaml", good + "mqtt:\n  port: many\n", [f"type.yaml:{line + 1}:"])
    check_refused(rig, "range.yaml", good + "mqtt:\n  port: 70000\n",
                  [f"range.yaml:{line + 1}:", "65535"])


def test():
    with harness.Rig("clients", meters=60) as rig:
        rig.start()
        test_ping()
        test_mqtt(rig)
        test_coap(rig)
        test_rejected_is_acknowledged(rig)
        test_commands(rig)
        test_stop_and_start(rig)
        test_configuration(rig)


if __name__ == "__main__":
    harness.main(test)
