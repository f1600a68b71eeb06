#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Publish and subscribe with real clients: wildcards, retained messages, wills, shared
subscriptions, sessions that outlive the daemon, by SIGTERM and by kill -9, passwords and access
lists, registration, commands, live readings, and slow subscribers that harm nobody."""
import datetime
import decimal
import json
import queue
import socket
import struct
import subprocess
import threading
import time

import harness

PATIENCE_S = 30


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Subscriber:
    """mosquitto_sub; its messages, as "TOPIC PAYLOAD", in a queue."""

    def __init__(self, *options, topics=(), wait=True):
        command = ["stdbuf", "-oL", "mosquitto_sub", "-d", "-h", harness.SERVER,
                   "-F", "MESSAGE %t %p", *options]
        for topic in topics:
            command += ["-t", topic]
        self.process = harness.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True)
        self.messages, self.events, self.log = queue.Queue(), queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()
        if wait:
            self.await_event("Subscribed")

    def read(self):
        for line in self.process.stdout:
            self.log.append(line)
            if line.startswith("MESSAGE "):
                self.messages.put(line[8:].rstrip("\n"))
            else:
                self.events.put(line)
        self.events.put(None)
        self.messages.put(None)

    def await_event(self, text):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                harness.fail(f"mosquitto_sub never said '{text}': {''.join(self.log)}")
            if text in line:
                return

    def take(self, count):
        """The next `count` messages."""
        got = []
        for _ in range(count):
            try:
                got.append(self.messages.get(timeout=PATIENCE_S))
            except queue.Empty:
                got.append(None)
            if got[-1] is None:
                harness.fail(f"{count} messages expected, got {got}: {''.join(self.log)}")
        return got

    def expect(self, *messages):
        got = self.take(len(messages))
        harness.check(got == list(messages), f"expected {messages}, got {got}")

    def nothing_more(self):
        harness.check(self.messages.empty(), f"unexpected: {list(self.messages.queue)}")

    def end(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


def publish(topic, payload, *options, qos=1, expect=0):
    got = subprocess.run(["mosquitto_pub", "-d", "-h", harness.SERVER, "-q", str(qos), "-t", topic,
                          "-m", payload, *options], capture_output=True, text=True, timeout=60)
    text = got.stdout + got.stderr
    harness.check(got.returncode == expect,
                  f"mosquitto_pub {topic}: exit {got.returncode}, expected {expect}: {text}")
    return text


def fence(subscriber, topic="fence"):
    """What was published before this has arrived, or never will: the broker keeps the order."""
    publish(topic, "!")
    got = []
    while not got or got[-1] != f"{topic} !":
        got += subscriber.take(1)
    return got[:-1]


# --- a client of bytes ---

class Raw:
    """MQTT 3.1.1 by hand, for what no well-behaved client does."""

    def __init__(self, client, clean=True, receive_bytes=None):
        self.sock = socket.socket()
        if receive_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect((harness.SERVER, 1883))
        self.packet(0x10, b"\0\4MQTT\4" + bytes([2 * clean]) + b"\0\0" + self.text(client))
        kind, body = self.read()
        harness.check(kind == 0x20 and body[1] == 0, f"CONNACK expected: {kind:x} {body}")
        self.present = body[0] & 1

    @staticmethod
    def text(text):
        return struct.pack(">H", len(text)) + text.encode()

    def packet(self, kind, body):
        length, head = len(body), bytes([kind])
        while True:
            head += bytes([length % 128 | (128 if length > 127 else 0)])
            length //= 128
            if not length:
                break
        self.sock.sendall(head + body)

    def exactly(self, count):
        got = b""
        while len(got) < count:
            more = self.sock.recv(count - len(got))
            if not more:
                raise ConnectionError("closed")
            got += more
        return got

    def read(self):
        kind, length, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return kind, self.exactly(length)

    def expect(self, kind):
        got, body = self.read()
        harness.check(got == kind, f"packet {kind:#x} expected, got {got:#x} {body}")
        return body

    def subscribe(self, topic, qos):
        self.packet(0x82, b"\0\1" + self.text(topic) + bytes([qos]))
        self.expect(0x90)

    def publish2(self, topic, payload, packet_id, dup=False):
        self.packet(0x34 | 8 * dup,
                    self.text(topic) + struct.pack(">H", packet_id) + payload.encode())
        self.expect(0x50)

    def release(self, packet_id):
        self.packet(0x62, struct.pack(">H", packet_id))
        self.expect(0x70)


# --- the tests ---

def test_wildcards_and_retained(rig):
    publish("building/1/temp", "21", "-r")
    publish("building/2/temp", "22", "-r")
    publish("building/2/temp", "", "-r")  # taken back
    with_plus = Subscriber("-q", "1", topics=["building/+/temp", "fence"])
    with_plus.expect("building/1/temp 21")
    publish("building/3/temp", "23")
    publish("building/3/humidity", "50")
    harness.check(fence(with_plus) == ["building/3/temp 23"], "only what matches is delivered")
    with_plus.end()


def test_will(rig):
    watcher = Subscriber("-q", "1", topics=["gone/#", "fence"])
    for end, said in (("kill", ["gone/a left"]), ("end", [])):
        client = Subscriber("-q", "1", "--will-topic", "gone/a", "--will-payload", "left",
                            "--will-qos", "1", topics=["nothing"])
        getattr(client, end)()
        if said:
            watcher.expect(*said)
        else:
            harness.check(fence(watcher) == [], "DISCONNECT takes the will back")
    watcher.end()


def test_shared(rig):
    both = [Subscriber("-V", "5", "-q", "1", topics=["$share/g/work/#"]) for _ in range(2)]
    for n in range(10):
        publish("work/x", str(n))
    got = []
    deadline = time.monotonic() + PATIENCE_S
    while len(got) < 10 and time.monotonic() < deadline:
        for s in both:
            while not s.messages.empty():
                got.append(s.messages.get())
        time.sleep(0.02)
    harness.check(sorted(got) == [f"work/x {n}" for n in range(10)],
                  f"each message goes to one of the group: {got}")
    for s in both:
        s.end()


def test_sessions_outlive_the_daemon(rig):
    options = ("-c", "-i", "keeper", "-q", "2", "-x", "1000", "-V", "5")
    Subscriber(*options, topics=["kept/#"]).end()
    publish("kept/1", "one")
    publish("kept/2", "two", qos=2)
    publish("kept/flag", "up", "-r")
    harness.check(rig.stop() == 0, "headraced did not stop in order")
    rig.start()
    publish("kept/3", "three")
    rig.kill()
    rig.start()
    publish("kept/4", "four", qos=2)
    again = Subscriber(*options, topics=["kept/#"], wait=False)
    # QoS 2 takes two round trips more; "up" comes twice, the second time as retained message
    expected = ["kept/1 one", "kept/2 two", "kept/3 three", "kept/4 four", "kept/flag up",
                "kept/flag up"]
    got = sorted(again.take(len(expected)))
    harness.check(got == expected, f"expected {expected}, got {got}")
    publish("kept/5", "five")
    again.expect("kept/5 five")
    again.end()
    counters = rig.api.counters()
    harness.check(counters["broker_sessions_resumed"] >= 1, f"no session resumed: {counters}")


def test_qos2_duplicate_after_kill_is_delivered_once(rig):
    sub = Raw("once-sub", clean=False)
    sub.subscribe("once/#", 2)
    sub.sock.close()
    pub = Raw("once-pub", clean=False)
    pub.publish2("once/1", "a", 7)  # PUBREC came: it is durable
    pub.sock.close()
    rig.kill()
    rig.start()
    pub = Raw("once-pub", clean=False)
    harness.check(pub.present == 1, "the publisher's session is gone")
    pub.publish2("once/1", "a", 7, dup=True)
    pub.release(7)
    pub.publish2("once/2", "b", 7)
    pub.release(7)
    sub = Raw("once-sub", clean=False)
    got = []
    while len(got) < 2:
        kind, body = sub.read()
        if kind & 0xf0 == 0x30:
            topic = body[2:8].decode()
            got.append((topic, body[10:].decode()))
            sub.packet(0x50, body[8:10])  # PUBREC
        elif kind == 0x62:
            sub.packet(0x70, body)
    harness.check(got == [("once/1", "a"), ("once/2", "b")], f"once each, in order: {got}")
    sub.sock.close()
    pub.sock.close()


def test_commands(rig):
    """To one device, to a group, to all; one that is away gets what has not expired."""
    topics = ["cmd/SM-00001/#", "cmd/group/north/#", "cmd/all/#"]
    options = ("-V", "5", "-c", "-i", "SM-00001", "-q", "1", "-x", "1000")
    device = Subscriber(*options, topics=topics)
    publish("cmd/SM-00001/relay", "off")
    publish("cmd/group/north/relay", "on")
    publish("cmd/all/time", "sync")
    publish("cmd/SM-00002/relay", "off")
    device.expect("cmd/SM-00001/relay off", "cmd/group/north/relay on", "cmd/all/time sync")
    device.end()
    publish("cmd/SM-00001/relay", "stale", "-V", "5", "-D", "publish",
            "message-expiry-interval", "1")
    publish("cmd/SM-00001/relay", "fresh", "-V", "5", "-D", "publish",
            "message-expiry-interval", "1000")
    time.sleep(1.2)  # what expires needs time to do so
    device = Subscriber(*options, topics=topics, wait=False)
    device.expect("cmd/SM-00001/relay fresh")
    device.end()


def reading(meter, kwh):
    return json.dumps({"meterId": meter, "ts": now(), "kWh": kwh, "kW": 3.2, "pf": 0.9,
                       "v": 239.4, "status": "OK"})


def test_live_readings(rig):
    tail = Subscriber("-q", "0", topics=["readings/SM-00003", "fence"])
    publish("meters/SM-00003/readings", reading("SM-00003", 60000.125), "-i", "SM-00003")
    topic, payload = tail.take(1)[0].split(" ", 1)
    shown = json.loads(payload)
    harness.check(topic == "readings/SM-00003" and shown["device"] == "SM-00003" and
                  float(shown["values"]["active_energy"]["value"]) == 60000.125,
                  f"the accepted reading is not what was shown: {payload}")
    publish("meters/SM-00004/readings", reading("SM-00004", 60000.25), "-i", "SM-00004")
    publish("meters/SM-77777/readings", reading("SM-77777", 1), "-i", "SM-77777")  # refused
    harness.check(fence(tail) == [], "only accepted readings of the watched device are shown")
    publish("readings/SM-00003", "forged")
    harness.check(fence(tail) == [], "clients can't publish where the server does")
    tail.end()


def test_registration(rig):
    answers = Subscriber("-q", "1", "-i", "NEW-1", topics=["register/NEW-1/answer"])
    described = {"deviceId": "NEW-1", "manufacturerId": "ACME", "modelNumber": "M7",
                 "serialNumber": "S-9", "firmwareVersion": "1.0", "capabilities": ["energy"],
                 "communicationProfile": {"protocol": "mqtt"}}
    publish("register/NEW-1", json.dumps(described), "-i", "new-1-pub")
    answer = json.loads(answers.take(1)[0].split(" ", 1)[1])
    harness.check(answer["result"] == "pending" and answer["state"] == "pending", f"{answer}")
    harness.check("NEW-1" in rig.headrace("devices", "list", "--state", "pending"),
                  "a pending device is not listed")
    before = rig.api.totals()
    publish("meters/NEW-1/readings", reading("NEW-1", 5), "-i", "NEW-1-a")
    rig.settle()
    refused = rig.api.totals()["inactive_device"] - before["inactive_device"]
    harness.check(refused == 1, "a pending device's reading must wait in the error queue")
    rig.headrace("devices", "approve", "NEW-1")
    publish("meters/NEW-1/readings", reading("NEW-1", 5), "-i", "NEW-1-a")
    rig.settle()
    harness.check(len(rig.api.readings("NEW-1")) == 1, "an approved device's reading is missing")
    shown = json.loads(rig.headrace("devices", "show", "NEW-1", "--json"))
    harness.check(shown["model"] == "M7" and shown["capabilities"] == ["energy"], f"{shown}")
    publish("register/NEW-1", '{"state":"active"}', "-i", "new-1-pub")
    answer = json.loads(answers.take(1)[0].split(" ", 1)[1])
    harness.check(answer["result"] == "invalid", f"{answer}")
    answers.end()
    counters = rig.api.counters()
    harness.check(counters["registration_pending"] == 1 and
                  counters["registration_invalid"] == 1, f"{counters}")


def await_counter(rig, name, least):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if rig.api.counters()[name] >= least:
            return
        time.sleep(0.05)
    harness.fail(f"{name} is {rig.api.counters()[name]}, expected at least {least}")


def test_slow_subscribers_harm_nobody(rig):
    """One reads nothing by QoS 0: its messages are dropped; one by QoS 1: it is closed with its
    queue full. Meanwhile a third gets everything, and readings are stored."""
    before = rig.api.counters()
    stuck0 = Raw("stuck0", receive_bytes=4096)
    stuck0.subscribe("flood/0", 0)
    stuck1 = Raw("stuck1", receive_bytes=4096)
    stuck1.subscribe("flood/1", 1)
    good = Subscriber("-q", "1", topics=["flood/1"])
    fleet = rig.fleet("--seconds", "5", "--clean", "--quiet", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = "".join(f"{n:04}{'x' * 4000}\n" for n in range(1500))
    for topic, qos in (("flood/0", 0), ("flood/1", 1)):
        got = subprocess.run(["mosquitto_pub", "-h", harness.SERVER, "-t", topic, "-q", str(qos),
                              "-l"], input=lines, text=True, capture_output=True, timeout=120)
        harness.check(got.returncode == 0, f"mosquitto_pub: {got.stderr}")
    numbers = [int(m.split(" ", 1)[1][:4]) for m in good.take(1500)]
    harness.check(numbers == list(range(1500)), "the good subscriber missed something")
    await_counter(rig, "broker_dropped_qos0", before["broker_dropped_qos0"] + 1)
    await_counter(rig, "broker_closed_slow", before["broker_closed_slow"] + 1)
    harness.check(fleet.wait(120) == 0, "the fleet's readings were not all acknowledged")
    rig.settle()
    rig.check_audit()
    good.end()
    stuck0.sock.close()
    stuck1.sock.close()


def test_passwords_and_access(rig):
    users, acl = rig.path("users"), rig.path("acl")
    for extra, name, password in ((["-c"], "operator", "op"), ([], "meter", "m")):
        harness.run("mosquitto_passwd", "-b", *extra, users, name, password)
    with open(acl, "w") as f:
        f.write("user operator\ntopic readwrite cmd/#\ntopic read readings/#\n"
                "user meter\ntopic read cmd/all/#\npattern read cmd/%c/#\n")
    with open(rig.config_file, "a") as f:
        f.write(f"broker:\n  anonymous: false\n  password_file: {users}\n  acl_file: {acl}\n")
    rig.stop()
    rig.start()
    meter = ("-u", "meter", "-P", "m", "-i", "SM-00001")
    operator = ("-u", "operator", "-P", "op")
    publish("cmd/SM-00001/x", "1", expect=5)  # no name: not authorised
    publish("cmd/SM-00001/x", "1", "-u", "operator", "-P", "no", expect=4)
    device = Subscriber(*meter, "-q", "1", topics=["cmd/SM-00001/#", "cmd/all/#"])
    publish("cmd/SM-00001/x", "1", *operator)
    publish("cmd/SM-00001/x", "2", "-u", "meter", "-P", "m")  # taken, and refused
    text = publish("cmd/SM-00001/x", "3", "-u", "meter", "-P", "m", "-V", "5")
    harness.check("Not authorized" in text or "RC:135" in text or "rc135" in text.lower(),
                  f"5.0 tells why: {text}")
    publish("cmd/all/x", "4", *operator)
    device.expect("cmd/SM-00001/x 1", "cmd/all/x 4")
    device.nothing_more()
    device.end()
    nosy = Subscriber("-u", "meter", "-P", "m", "-i", "SM-00002", topics=["cmd/SM-00001/#"],
                      wait=False)
    nosy.await_event("denied")  # all that it asked for: mosquitto_sub says so and ends
    nosy.process.wait()
    publish("meters/NEW-1/readings", reading("NEW-1", 5), "-u", "meter", "-P", "m", "-i", "NEW-1")
    rig.settle()
    harness.check(len(rig.api.readings("NEW-1")) == 2, "a reading with a password is missing")
    counters = rig.api.counters()
    judged_by_user_name(rig, users)
    for name, least in (("broker_refused_anonymous", 1), ("broker_refused_credentials", 1),
                        ("broker_in_not_allowed", 2), ("broker_subscribe_refused", 1)):
        harness.check(counters[name] >= least, f"{name} is {counters[name]}: {counters}")


def judged_by_user_name(rig, users):
    """broker.identity: username: the client id of somebody else is no help."""
    harness.run("mosquitto_passwd", "-b", users, "GW-001", "g")
    rig.stop()
    with open(rig.config_file, "a") as f:
        f.write("  identity: username\n")
    rig.start()
    meter = next(d["id"] for d in rig.api.call("GET", "/devices", limit=100)["devices"]
                 if d.get("gateway") == "GW-001" and d["id"] > "SM-00010")
    topic, before = f"meters/{meter}/readings", rig.api.totals()
    last = decimal.Decimal(rig.api.readings(meter)[-1][1]["active_energy"])
    more = float(last + decimal.Decimal("0.001"))
    publish(topic, reading(meter, more), "-u", "meter", "-P", "m", "-i", "GW-001")
    publish(topic, reading(meter, more), "-u", "GW-001", "-P", "g", "-i", "any-name")
    rig.settle()
    after = rig.api.totals()
    for fate in ("not_authorised", "stored"):
        harness.check(after[fate] == before[fate] + 1, f"{fate}: {before}, then {after}")


def test():
    with harness.Rig("broker", meters=50) as rig:
        rig.start()
        test_wildcards_and_retained(rig)
        test_will(rig)
        test_shared(rig)
        test_qos2_duplicate_after_kill_is_delivered_once(rig)
        test_sessions_outlive_the_daemon(rig)
        test_commands(rig)
        test_live_readings(rig)
        test_registration(rig)
        test_slow_subscribers_harm_nobody(rig)
        test_passwords_and_access(rig)
        harness.check(rig.stop() == 0, "headraced did not stop in order")


if __name__ == "__main__":
    harness.main(test)
