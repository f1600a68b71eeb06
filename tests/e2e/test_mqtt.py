#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MQTT as real clients speak it: mosquitto's tools (3.1.1 and 5.0) and paho for Python. Publish and
subscribe, retained messages, wills, sessions over a restart and over kill -9, QoS 2, properties,
limits, telemetry beside it."""
import datetime
import json
import queue
import signal
import subprocess
import time

import harness  # first: it finds Debian's modules

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 30


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def reading(meter, kwh, more=""):
    return (f'{{"meterId":"{meter}","ts":"{now()}","kWh":{kwh},"kW":3.2,"pf":0.97,"v":239,'
            f'"status":"OK"{more}}}')


def props(packet, **values):
    p = Properties(packet)
    for name, value in values.items():
        setattr(p, name, value)
    return p


class Peer:
    """A paho client with queues of what it was told."""

    def __init__(self, name, version=mqtt.MQTTv5, clean=True, **options):
        self.name, self.version, self.clean = name, version, clean
        self.messages, self.events = queue.Queue(), queue.Queue()
        more = {} if version == mqtt.MQTTv5 else {"clean_session": clean}
        self.client = mqtt.Client(name, protocol=version, **more)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = lambda c, u, m: self.messages.put(m)
        self.client.on_subscribe = lambda c, u, mid, codes, p=None: self.events.put(("sub", codes))
        self.client.on_unsubscribe = lambda c, u, mid, *more: self.events.put(("unsub", more))
        self.client.on_publish = lambda c, u, mid: self.events.put(("pub", mid))
        self.client.on_disconnect = lambda c, u, rc, p=None: self.events.put(("end", rc))
        self.client.on_connect = self.connected
        self.flags = self.properties = None
        self.options = options

    def connected(self, client, user, flags, code, properties=None):
        self.flags, self.properties = flags, properties
        self.events.put(("up", code))

    def connect(self, expiry=None, keepalive=60, expect=0, **more):
        if self.version == mqtt.MQTTv5:
            p = props(PacketTypes.CONNECT, **more)
            if expiry is not None:
                p.SessionExpiryInterval = expiry
            self.client.connect(harness.SERVER, 1883, keepalive, clean_start=self.clean,
                                properties=p)
        else:
            self.client.connect(harness.SERVER, 1883, keepalive)
        self.client.loop_start()
        code = self.expect("up")
        code = code if isinstance(code, int) else code.value
        harness.check(code == expect, f"{self.name}: CONNACK {code}, expected {expect}")
        return self

    def expect(self, kind):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                got, value = self.events.get(timeout=1)
            except queue.Empty:
                continue
            if got == kind:
                return value
        return harness.fail(f"{self.name}: nothing of {kind!r} came")

    def subscribe(self, topic, qos=0, ident=None, **options):
        if self.version == mqtt.MQTTv5:
            p = props(PacketTypes.SUBSCRIBE)
            if ident:
                p.SubscriptionIdentifier = ident
            self.client.subscribe(topic, options=SubscribeOptions(qos=qos, **options),
                                  properties=p)
        else:
            self.client.subscribe(topic, qos)
        codes = self.expect("sub")
        return [c if isinstance(c, int) else c.value for c in codes]

    def publish(self, topic, payload, qos=0, retain=False, wait=True, **more):
        p = props(PacketTypes.PUBLISH, **more) if self.version == mqtt.MQTTv5 else None
        info = self.client.publish(topic, payload, qos, retain, p)
        if qos and info.rc == mqtt.MQTT_ERR_NO_CONN:
            info.rc = mqtt.MQTT_ERR_SUCCESS  # paho sends it when it is connected again
        if wait and qos:
            self.expect("pub")
        return info

    def message(self, patience=PATIENCE):
        try:
            return self.messages.get(timeout=patience)
        except queue.Empty:
            return harness.fail(f"{self.name}: no message came")

    def drain(self, count):
        return [self.message().payload.decode() for _ in range(count)]

    def end(self, **more):
        p = props(PacketTypes.DISCONNECT, **more) if more else None
        if p:
            self.client.disconnect(properties=p)
        else:
            self.client.disconnect()
        self.expect("end")
        self.client.loop_stop()

    def cut(self):
        """Without a DISCONNECT."""
        self.client.loop_stop()
        self.client._sock_close()


def tool(name, *arguments, patience=PATIENCE):
    got = subprocess.run([name, "-h", harness.SERVER, *arguments], capture_output=True, text=True,
                         timeout=patience)
    return got.returncode, got.stdout + got.stderr


class Subscriber:
    """mosquitto_sub in the background; ready when the broker has taken its subscription."""

    def __init__(self, *arguments):
        self.process = harness.spawn(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", "-h", harness.SERVER, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.until("Subscribed")

    def until(self, word):
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if word in line:
                return line
        return harness.fail(f"mosquitto_sub ended without {word!r}: {''.join(seen)}")

    def end(self, number=signal.SIGTERM):
        harness.end(self.process, number)


def check_message(m, topic, payload, qos=None, retain=None):
    harness.check(m.topic == topic and m.payload == payload.encode(),
                  f"expected {payload!r} on {topic}, got {m.payload!r} on {m.topic}")
    harness.check(qos is None or m.qos == qos, f"{topic}: QoS {m.qos}, expected {qos}")
    harness.check(retain is None or m.retain == retain,
                  f"{topic}: retain {m.retain}, expected {retain}")


# --- mosquitto's tools ---

def test_tools(version):
    """Publish and subscribe at each QoS, wildcards, retained messages."""
    s = Subscriber("-V", version, "-q", "2", "-t", "tools/+/x", "-t", "other/#", "-v")
    for qos in "012":
        code, text = tool("mosquitto_pub", "-V", version, "-q", qos, "-t", f"tools/{qos}/x", "-m",
                          f"by {qos}", "-d")
        harness.check(code == 0, f"mosquitto_pub -q {qos}: {text}")
        s.until(f"tools/{qos}/x by {qos}")
    tool("mosquitto_pub", "-V", version, "-q", "1", "-t", "other", "-m", "parent level")
    s.until("other parent level")
    s.end()
    for payload in (["-m", "kept"], ["-n"]):  # set, then cleared
        code, text = tool("mosquitto_pub", "-V", version, "-q", "1", "-r", "-t", "tools/kept",
                          *payload)
        harness.check(code == 0, f"mosquitto_pub -r: {text}")
        code, text = tool("mosquitto_sub", "-V", version, "-t", "tools/kept", "-C", "1", "-W", "2",
                          "-F", "%r %p")
        expected = payload == ["-n"]
        harness.check(("1 kept" in text) != expected, f"retained after {payload}: {text!r}")


def test_tool_properties():
    s = Subscriber("-V", "mqttv5", "-t", "props", "-F",
                   "%p|%C|%R|%D|%P|%F", "-q", "1")
    tool("mosquitto_pub", "-V", "mqttv5", "-t", "props", "-m", "m", "-q", "1",
         "-D", "publish", "content-type", "text/plain", "-D", "publish", "response-topic", "re/ply",
         "-D", "publish", "correlation-data", "cd", "-D", "publish", "user-property", "k", "v",
         "-D", "publish", "payload-format-indicator", "1")
    line = s.until("m|")
    harness.check(line.strip() == "m|text/plain|re/ply|cd|k:v|1", f"properties: {line!r}")
    s.end()


def test_tool_will():
    w = Subscriber("-t", "will/tools")
    s = Subscriber("-V", "mqttv5", "-t", "nothing", "--will-topic", "will/tools", "--will-payload",
                   "gone", "--will-qos", "1")
    s.end(signal.SIGKILL)
    w.until("gone")
    w.end()


def test_telemetry_qos2(rig):
    """PUBREC when durable, PUBCOMP for its PUBREL; the reading is there, once."""
    for version in ("mqttv311", "mqttv5"):
        code, text = tool("mosquitto_pub", "-V", version, "-q", "2", "-d", "-i", "SM-00001", "-t",
                          "meters/SM-00001/readings", "-m", reading("SM-00001", "71000.5"))
        harness.check(code == 0 and "PUBREC" in text and "PUBCOMP" in text,
                      f"QoS 2 telemetry by {version}: {text}")
    rig.settle()
    harness.check(len(rig.api.readings("SM-00001")) == 2, "two readings of SM-00001 expected")


# --- paho ---

def test_reasons(rig):
    """5.0: the acknowledgement of an array says what became of it."""
    good, bad = reading("SM-00002", "1000.5"), '{"meterId":"SM-00002"}'
    code, text = tool("mosquitto_pub", "-V", "mqttv5", "-q", "1", "-d", "-i", "SM-00002", "-t",
                      "meters/SM-00002/readings", "-m", f"[{good},{bad}]")
    harness.check("RC:153" in text, f"PUBACK should have reason 0x99: {text}")
    rig.settle()
    harness.check(len(rig.api.readings("SM-00002")) == 1, "one bad reading voided the good one")
    code, text = tool("mosquitto_pub", "-V", "mqttv5", "-q", "1", "-d", "-t", "nobody/listens",
                      "-m", "x")
    harness.check("RC:16" in text, f"PUBACK should have reason 0x10: {text}")


def test_announced():
    p = Peer("", clean=True).connect(keepalive=60000)
    got = p.properties
    harness.check(got.AssignedClientIdentifier.startswith("hr-"), f"assigned id: {got}")
    harness.check(got.ServerKeepAlive == 3600, f"server keep alive: {got}")
    harness.check(got.TopicAliasMaximum == 16 and got.ReceiveMaximum == 64, f"limits: {got}")
    harness.check(got.MaximumPacketSize == 65000, f"maximum packet size: {got}")
    p.end()


def test_aliases():
    s = Peer("alias-sub").connect()
    s.subscribe("alias/#")
    p = Peer("alias-pub").connect()
    p.publish("alias/one", "a", TopicAlias=1, qos=1)
    p.publish("alias/two", "b", TopicAlias=2, qos=1)
    p.publish("", "c", TopicAlias=1, qos=1)
    for topic, payload in (("alias/one", "a"), ("alias/two", "b"), ("alias/one", "c")):
        check_message(s.message(), topic, payload)
    s.end()
    p.end()


def test_options():
    """Subscription identifiers, no local, retain as published, retain handling, expiry."""
    p = Peer("options").connect()
    p.publish("opt/r", "kept", 1, True)
    p.publish("opt/gone", "expired", 1, True, MessageExpiryInterval=1)
    p.subscribe("opt/r", 1, 7, retainAsPublished=True)
    m = p.message()
    check_message(m, "opt/r", "kept", 1, True)
    harness.check(m.properties.SubscriptionIdentifier == [7], f"identifier: {m.properties}")
    p.subscribe("opt/r", 1, 8, retainAsPublished=True,
                retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
    p.publish("opt/r", "again", 1, True)
    check_message(p.message(), "opt/r", "again", 1, True)  # not the kept one once more
    p.subscribe("opt/local", 1, noLocal=True)
    p.publish("opt/local", "mine", 1)
    time.sleep(1.1)
    p.subscribe("opt/gone")
    p.publish("opt/r", "last", 1)
    check_message(p.message(), "opt/r", "last", 1, False)
    for topic in ("opt/r", "opt/gone"):
        p.publish(topic, "", 1, True)
    p.end()


def test_shared():
    """Each message of a share reaches one member, and all of them are reached."""
    members = [Peer(f"share-{i}").connect() for i in range(3)]
    for m in members:
        m.subscribe("$share/g/work/#", 1)
    p = Peer("share-pub").connect()
    for i in range(30):
        p.publish(f"work/{i}", str(i), 1)
    got, deadline = [], time.monotonic() + PATIENCE
    while len(got) < 30 and time.monotonic() < deadline:
        for m in members:
            while not m.messages.empty():
                got.append(int(m.messages.get().payload))
        time.sleep(0.02)
    harness.check(sorted(got) == list(range(30)), f"shared messages: {sorted(got)}")
    for m in members + [p]:
        m.end()


def test_take_over():
    """3.1.4: the older connection is ended, whichever io worker has it."""
    first = Peer("twice").connect(expiry=60)
    first.client.reconnect_delay_set(1000, 1000)
    second = Peer("twice", clean=False).connect(expiry=60)
    harness.check(second.flags["session present"] == 1, "the session was not taken over")
    code = first.expect("end")
    harness.check(getattr(code, "value", code) == 0x8e, f"reason {code}, expected 0x8e")
    first.client.loop_stop()
    second.end()


def test_will_delay():
    """Not published when the session comes back in time; published when it does not."""
    watcher = Peer("will-watch").connect()
    watcher.subscribe("wills/#")
    for payload, back, delay_s in (("too early", True, 100), ("in time", False, 1)):
        delay = props(PacketTypes.WILLMESSAGE, WillDelayInterval=delay_s)
        w = Peer("will-maker", clean=False)
        w.client.will_set("wills/w", payload, 1, False, delay)
        w.connect(expiry=60)
        w.cut()
        if back:
            again = Peer("will-maker", clean=False).connect(expiry=60)
            again.end()
    check_message(watcher.message(), "wills/w", "in time", 0)
    w = Peer("will-maker-2")
    w.client.will_set("wills/w", "on purpose", 1)
    w.connect()
    w.client.disconnect(reasoncode=mqtt.ReasonCodes(PacketTypes.DISCONNECT, identifier=4))
    check_message(watcher.message(), "wills/w", "on purpose", 0)
    watcher.end()


def test_sessions(rig, restart):
    """What a session missed, in order, at each QoS; subscriptions, retained messages and packet
    ids survive."""
    for version in (mqtt.MQTTv311, mqtt.MQTTv5):
        s = Peer(f"session-{version}", version, clean=False).connect(expiry=3600)
        s.subscribe("sess/#", 2)
        s.end()
    p = Peer("session-pub").connect()
    for i in range(20):
        p.publish(f"sess/{i}", str(i), 1 + i % 2)
    p.publish("sess/kept", "kept", 1, True)
    p.end()
    restart(rig)
    for version in (mqtt.MQTTv311, mqtt.MQTTv5):
        s = Peer(f"session-{version}", version, clean=False).connect(expiry=3600)
        harness.check(s.flags["session present"] == 1, f"no session after {restart.__name__}")
        got = s.drain(21)  # paho shows a QoS 2 message at its PUBREL
        for qos, expected in ((0, [str(i) for i in range(0, 20, 2)] + ["kept"]),
                              (1, [str(i) for i in range(1, 20, 2)])):
            of_qos = [g for g in got if (g == "kept" or int(g) % 2 == 0) == (qos == 0)]
            harness.check(of_qos == expected,
                          f"version {version}, after {restart.__name__}: {of_qos}")
        s.clean = True
        s.end()
        Peer(f"session-{version}", version, clean=True).connect().end()
    k = Peer("session-kept").connect()
    k.subscribe("sess/kept")
    check_message(k.message(), "sess/kept", "kept", retain=True)
    k.publish("sess/kept", "", 1, True)
    k.end()


def restart_in_order(rig):
    harness.check(rig.stop() == 0, "SIGTERM: not an orderly end")
    rig.start()


def restart_after_kill(rig):
    rig.kill()
    rig.start()


def test_qos2_over_kill(rig):
    """QoS 2 both ways while the daemon is killed again and again: each message once. A killed
    daemon says no goodbye, so its clients find out by their keep-alive."""
    sub = Peer("exactly-sub", clean=False).connect(expiry=3600, keepalive=2)
    sub.subscribe("exactly/once", 2)
    pub = Peer("exactly-pub", clean=False).connect(expiry=3600, keepalive=2)
    total, infos = 300, []
    for i in range(total):
        infos.append(pub.publish("exactly/once", str(i), 2, wait=False))
        if i >= 30:  # paho ignores the receive maximum after a reconnection
            infos[i - 30].wait_for_publish(PATIENCE)
        if i % 100 == 50:
            rig.kill()
            rig.start()
    got = sub.drain(total)
    for info in infos:
        info.wait_for_publish(PATIENCE)
    harness.check(sorted(map(int, got)) == list(range(total)),
                  f"{total} expected once each, {len(got)} came, {len(set(got))} different")
    time.sleep(1)
    harness.check(sub.messages.empty(), "a message came twice")
    sub.end(SessionExpiryInterval=0)
    pub.end(SessionExpiryInterval=0)


def test_live_readings(rig):
    """readings/<device>: what was accepted, as it is accepted."""
    s = Peer("live").connect()
    s.subscribe("readings/SM-00005")
    deadline = time.monotonic() + PATIENCE
    kwh = 5000
    while s.messages.empty() and time.monotonic() < deadline:
        kwh += 1
        tool("mosquitto_pub", "-q", "1", "-i", "SM-00005", "-t", "meters/SM-00005/readings", "-m",
             reading("SM-00005", f"{kwh}.5"))
        time.sleep(0.2)
    m = s.message(1)
    text = json.dumps(json.loads(m.payload))
    harness.check(any(f"{k}.5" in text for k in range(5001, kwh + 1)), f"live reading: {text}")
    s.end()


def test_limits():
    """A packet longer than announced, a subscription that breaks the rules: told by reason."""
    p = Peer("limits").connect()
    p.client.reconnect_delay_set(1000, 1000)
    p.publish("big", b"x" * 66000)
    code = p.expect("end")
    harness.check(getattr(code, "value", code) == 0x95, f"reason {code}, expected 0x95")
    p.client.loop_stop()
    small = Peer("small").connect(MaximumPacketSize=100)
    small.subscribe("small/#", 1)
    q = Peer("small-pub").connect()
    q.publish("small/1", "x" * 200, 1)  # MQTT5 3.1.2.11.4: not sent, as if delivered
    q.publish("small/2", "y", 1)
    check_message(small.message(), "small/2", "y")
    small.end()
    q.end()


def test_paho_c():
    got = subprocess.run([harness.program("headrace-paho"), harness.SERVER], capture_output=True,
                         text=True, timeout=4 * PATIENCE)
    harness.check(got.returncode == 0, f"headrace-paho: {got.stdout}{got.stderr}")


def test():
    with harness.Rig("mqtt", meters=20) as rig:
        rig.start()
        for version in ("mqttv311", "mqttv5"):
            test_tools(version)
        test_tool_properties()
        test_tool_will()
        test_telemetry_qos2(rig)
        test_reasons(rig)
        test_announced()
        test_aliases()
        test_options()
        test_shared()
        test_take_over()
        test_will_delay()
        test_limits()
        test_paho_c()
        test_live_readings(rig)
        test_sessions(rig, restart_in_order)
        test_sessions(rig, restart_after_kill)
        test_qos2_over_kill(rig)
        rig.settle()
        rig.check_audit()


if __name__ == "__main__":
    harness.main(test)
