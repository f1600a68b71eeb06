#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Events: silence of meters and gateways, tampering, battery, clocks, firmware; acknowledged,
cleared, told by MQTT and webhook; durable over kill -9. Thresholds are seconds here."""
import datetime
import http.server
import json
import socket
import subprocess
import threading
import time

import forge
import harness

PATIENCE_S = 60
HEALTH = """\
version: 1
silence_s: 4
gateway_silence_s: 4
profiles:
  - {{ profile: sm-flat, silence_s: 3600 }}
kinds:
  - {{ kind: tamper, clears: by_hand }}
registry_every_s: 1
webhooks: ["http://127.0.0.1:{port}/alerts"]
webhook_retry_s: 1
"""


def now():
    """To the millisecond: two readings of a meter never have the same time."""
    moment = datetime.datetime.now(datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def flat(meter, kwh):
    return {"meterId": meter, "ts": now(), "kWh": kwh, "kW": 1, "pf": 1, "v": 230,
            "status": "OK"}


def nested(meter, kwh, tamper=False, battery=90):
    return {"meterId": meter, "timestamp": now(),
            "energy": {"active_kwh": kwh, "reactive_kvarh": 1, "peak_demand_kw": 1,
                       "power_factor": 1},
            "status": {"tamper_detected": tamper, "battery_level": battery,
                       "signal_strength": -60}}


def send(*readings):
    with socket.create_connection((harness.SERVER, 1883), timeout=60) as s:
        stream = s.makefile("rb")
        s.sendall(forge.mqtt_connect())
        harness.check(stream.read(4) == b"\x20\x02\0\0", "no CONNACK")
        for i, reading in enumerate(readings, 1):
            s.sendall(forge.mqtt_publish(b"meters/SM-00001/readings",
                                         json.dumps(reading).encode(), 1, i))
            harness.check(stream.read(4) == b"\x40\x02" + i.to_bytes(2, "big"), "no PUBACK")


class Webhook(http.server.ThreadingHTTPServer):
    """Refuses its first alerts, then takes them."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.alerts, self.refused = [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refused < 2:
            self.server.refused += 1
            self.send_response(503)
        else:
            self.server.alerts.append(json.loads(body))
            self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def events(rig, **query):
    return rig.api.call("GET", "/events", limit=1000, **query)["events"]


def wait_for(what, look):
    """What `look` finds, once it does."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    harness.fail(f"not in {PATIENCE_S} s: {what}")
    return None


def wait_event(rig, kind, subject, state="active"):
    found = wait_for(f"{state} {kind} of {subject}",
                     lambda: events(rig, kind=kind, subject=subject, state=state))
    return found[0]


def raised_and_cleared(rig):
    send(nested("SM-00002", 10, battery=5))
    battery = wait_event(rig, "low_battery", "SM-00002")
    send(nested("SM-00002", 10, battery=4))
    wait_for("a count of two", lambda: events(rig, kind="low_battery")[0]["count"] == 2)
    harness.check(len(events(rig, kind="low_battery", state="all")) == 1, "not folded")
    send(nested("SM-00002", 10))
    gone = wait_event(rig, "low_battery", "SM-00002", "cleared")
    harness.check(gone["number"] == battery["number"] and "cleared_by" not in gone,
                  f"not cleared by itself: {gone}")

    wrong = flat("SM-00003", 10)
    wrong["ts"] = "2031-01-01T00:00:00Z"
    send(wrong)
    drift = wait_event(rig, "clock_drift", "SM-00003")
    harness.check("ahead" in drift["text"], f"no cause: {drift}")
    send(flat("SM-00003", 10))
    wait_event(rig, "clock_drift", "SM-00003", "cleared")


def by_hand(rig):
    send(nested("SM-00004", 10, tamper=True))
    number = str(wait_event(rig, "tamper", "SM-00004")["number"])
    send(nested("SM-00004", 10))
    told = rig.headrace("events", "ack", number, "--note", "fitter on the way")
    harness.check("acknowledged" in told, told)
    shown = rig.headrace("events", "show", number)
    harness.check("fitter on the way" in shown, shown)
    harness.check(events(rig, kind="tamper", state="open") == [], "still open")
    rig.headrace("events", "clear", number, "--why", "seal replaced")
    cleared = events(rig, kind="tamper", state="cleared")[0]
    harness.check(cleared["cleared_by"] != "" and cleared["cleared_why"] == "seal replaced",
                  f"{cleared}")
    rig.headrace("events", "clear", number, expect=1)
    rig.headrace("events", "ack", "999999", expect=1)
    for bad in (["list", "--kind", "nonsense"], ["list", "--state", "nonsense"], ["ack", "x"]):
        rig.headrace("events", *bad, expect=2)


def register(rig, lines, name):
    with open(rig.path(name), "w") as f:
        f.write("id,gateway,firmware,model\n" + "\n".join(lines) + "\n")
    rig.headrace("devices", "import", rig.path(name))


def silence(rig):
    """A meter by its profile's threshold (SM-00002: 4 s; SM-00003: an hour); a gateway, whose
    meters are then no events of their own."""
    register(rig, ["GW-METER-1,GW-1,1.0,M1", "GW-METER-2,GW-1,1.0,M1"], "gateways.csv")
    wait_event(rig, "silence", "SM-00002")
    harness.check(events(rig, kind="silence", subject="SM-00003") == [], "silent too early")
    gateway = wait_event(rig, "gateway_silence", "GW-1")
    harness.check("2 meters behind it" in gateway["text"], f"{gateway}")
    send(nested("SM-00002", 10))
    wait_event(rig, "silence", "SM-00002", "cleared")
    client = subprocess.Popen(["mosquitto_sub", "-h", harness.SERVER, "-i", "GW-1", "-k", "5",
                               "-V", "5", "-t", "none"])
    try:
        wait_event(rig, "gateway_silence", "GW-1", "cleared")
    finally:
        harness.end(client)


def firmware(rig):
    register(rig, ["GW-METER-1,GW-1,1.1,M1"], "firmware.csv")
    wait_event(rig, "firmware", "GW-METER-1")
    told = rig.headrace("health")
    harness.check("M1" in told and "1.1" in told and "1.0" in told, told)
    fleet = rig.api.call("GET", "/fleet")
    harness.check(fleet["devices"]["active"] >= 20 and fleet["devices"]["heard"] >= 3,
                  f"{fleet['devices']}")


def told_by_webhook(rig, webhook):
    def has(kind, state):
        return [a for a in list(webhook.alerts) if a["kind"] == kind and a["state"] == state]
    for kind, state in (("low_battery", "open"), ("low_battery", "cleared"), ("tamper", "open"),
                        ("tamper", "cleared"), ("gateway_silence", "cleared")):
        wait_for(f"{state} {kind} at the webhook", lambda k=kind, s=state: has(k, s))
    harness.check(webhook.refused == 2 and rig.api.counters()["alerts_webhook_failed"] >= 2,
                  "the refused attempts are not counted")


def subscribe(rig):
    out = open(rig.path("alerts.txt"), "w")
    return harness.spawn(["mosquitto_sub", "-h", harness.SERVER, "-t", "events/#", "-v", "-q",
                          "1", "-i", "watcher"], stdout=out, stderr=subprocess.DEVNULL)


def told_by_mqtt(rig):
    def lines():
        with open(rig.path("alerts.txt")) as f:
            return f.read().splitlines()
    wait_for("a retained alert", lambda: any(
        line.startswith("events/warning/silence/SM-00004 ") for line in lines()))
    send(nested("SM-00004", 10))
    wait_for("its end", lambda: any(
        line.startswith("events/warning/silence/SM-00004 ") and '"cleared"' in line
        for line in lines()))


def survives_a_crash(rig):
    send(nested("SM-00005", 10, tamper=True))
    rig.kill()
    rig.start()
    found = wait_event(rig, "tamper", "SM-00005")
    harness.check(found["count"] == 1, f"counted twice: {found}")
    send(nested("SM-00005", 10, tamper=True))
    wait_for("a count of two", lambda: events(rig, kind="tamper")[0]["count"] == 2)
    rig.kill()
    rig.start()
    found = wait_event(rig, "tamper", "SM-00005")
    harness.check(found["count"] == 2, f"not counted once each: {found}")
    harness.check(events(rig, kind="tamper", state="cleared")[0]["cleared_why"] ==
                  "seal replaced", "what was cleared is forgotten")


def test():
    webhook = Webhook()
    with harness.Rig("events", meters=20) as rig:
        with open(rig.path("health.yaml"), "w") as f:
            f.write(HEALTH.format(port=webhook.server_address[1]))
        with open(rig.config_file, "a") as f:
            f.write(f"health_file: {rig.path('health.yaml')}\n")
        rig.start()
        raised_and_cleared(rig)
        by_hand(rig)
        silence(rig)
        firmware(rig)
        told_by_webhook(rig, webhook)
        wait_event(rig, "silence", "SM-00004")
        watcher = subscribe(rig)
        told_by_mqtt(rig)
        harness.end(watcher)
        survives_a_crash(rig)
        rig.settle()
        rig.check_audit()
    webhook.shutdown()


if __name__ == "__main__":
    harness.main(test)
