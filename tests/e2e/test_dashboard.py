#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser (Debian's Chromium, headless, by playwright-core from npm): each
panel against the API while a fleet sends; roles; hostile names; dark, light, narrow, keyboard only;
a lost connection; no error on the console and no request to anywhere else. Screenshots are left in
the build's folder dashboard. Skipped where Chromium, npm or its registry is not there."""
import datetime
import json
import os
import random
import shutil
import subprocess
import time
import zoneinfo

import harness
from test_mqtt_js import install

METER = "SM-90002"  # the fleet leaves it alone
HOSTILE = "<img src=x onerror=alert(1)><b>x</b>"
ZONE = "America/Los_Angeles"
LISTEN = "127.0.0.1:9404"
SCREENS = os.path.join(harness.BUILD, "dashboard")
MORE = f"""  listen: {LISTEN}
validation:
  late_max_h: 2000
retention:
  raw_days: 200
territory:
  timezone: {ZONE}
"""


def post(rig, where, body, kind="application/json"):
    connection = harness.UnixConnection(rig.path("api.sock"))
    connection.request("POST", where, body=body, headers={"Content-Type": kind} if body else {})
    answer = connection.getresponse()
    text = answer.read()
    harness.check(answer.status in (200, 201), f"POST {where}: {answer.status} {text}")
    return json.loads(text)


def token(rig, role):
    return post(rig, "/tokens", json.dumps({"name": f"test-{role}", "role": role}))["token"]


def iso(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def last_month():
    """Its name, and its first instant in the territory."""
    today = datetime.datetime.now(zoneinfo.ZoneInfo(ZONE))
    first = (today.replace(day=1) - datetime.timedelta(days=1)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.strftime("%Y-%m"), int(first.timestamp())


def load_profile(start):
    """Readings of every quarter of an hour since, with two gaps: short, and of hours."""
    now = int(time.time()) // 900 * 900
    rng = random.Random(7)
    register = 1000.0
    for t in range(start, now, 900):
        hour = (t - 8 * 3600) % 86400 / 3600
        register += 0.08 + rng.random() * 0.05 + 0.5 * max(0, 1 - abs(hour - 19) / 3) + \
            0.25 * max(0, 1 - abs(hour - 8) / 2)
        age_h = (now - t) / 3600
        if 20 < age_h < 21.4 or 40 < age_h < 46:
            continue
        yield {"meterId": METER, "ts": iso(t), "collectedAt": iso(t + 5), "kWh": round(register, 3),
               "kW": 1.5, "pf": 0.97, "v": round(239 + rng.random() * 2, 1), "status": "OK"}


def publish(start):
    import paho.mqtt.client as mqtt
    client = mqtt.Client(METER)
    client.connect(harness.SERVER)
    client.loop_start()
    readings = list(load_profile(start))
    sent = [client.publish(f"meters/{METER}/readings", json.dumps(readings[i:i + 50]), 1)
            for i in range(0, len(readings), 50)]
    hostile = {"meterId": HOSTILE + "?", "ts": iso(time.time()), "kWh": 1}
    sent.append(client.publish(f"meters/{HOSTILE[:-4]}/readings", json.dumps(hostile), 1))
    for message in sent:
        message.wait_for_publish(60)
        harness.check(message.is_published(), "a reading was not acknowledged")
    client.disconnect()
    client.loop_stop()


def fill(rig, month, start):
    post(rig, "/devices/import", json.dumps({"id": HOSTILE, "state": "pending", "model": HOSTILE}),
         "application/x-ndjson")
    publish(start)
    rig.settle()
    post(rig, f"/billing/run?month={month}&tariff=sample-a&prefix={METER}", None)
    deadline = time.monotonic() + 60
    while rig.api.call("GET", "/billing")["running"] and time.monotonic() < deadline:
        time.sleep(0.05)


def test():
    folder = os.environ["HEADRACE_NODE"]
    month, start = last_month()
    shutil.rmtree(SCREENS, ignore_errors=True)
    os.makedirs(SCREENS)
    with harness.Rig("dashboard", meters=60, more=MORE) as rig:
        rig.start()
        fill(rig, month, start)
        rig.fleet("--quiet", "--rate", "1", "--seconds", "3600", stdout=subprocess.DEVNULL)
        with open(rig.path("dashboard.json"), "w") as f:
            json.dump({"tokens": {role: token(rig, role) for role in ("viewer", "operator")},
                       "meter": METER, "hostile": HOSTILE, "month": month, "zone": ZONE,
                       "screens": SCREENS}, f)
        got = subprocess.run(
            ["node", os.path.join(folder, "dashboard_talk.js"), f"http://{LISTEN}",
             rig.path("dashboard.json")], capture_output=True, text=True, timeout=200)
        print(got.stdout.strip())
        if got.returncode == harness.SKIP:
            harness.skip(got.stdout.strip())
        harness.check(got.returncode == 0, f"dashboard_talk.js: {got.stdout[-3000:]}{got.stderr[-3000:]}")


if __name__ == "__main__":
    if "HEADRACE_NODE" not in os.environ:
        os.environ["HEADRACE_NODE"] = install()
    harness.main(test)
