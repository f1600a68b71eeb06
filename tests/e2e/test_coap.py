#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CoAP with libcoap's client: discovery (also of a group, over IPv4 and IPv6), readings and their
observers, blocks both ways, conditions and formats, the resource directory with the registry
behind it, and the resources of the interoperability tests."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import harness
from test_clients import FLAT, now
from test_ipv6 import SERVER as SERVER6, add_address, set_up_kernel

GROUP = "224.0.1.187"
CONFIG = "coap:\n  interop: true\n  leisure_ms: 300\n"


def client(*arguments, patience=30):
    """What coap-client says: messages and payloads."""
    got = subprocess.run([harness.coap_client(), "-v", "6", "-B", "20", *arguments],
                         capture_output=True, text=True, timeout=patience)
    text = got.stdout + got.stderr
    harness.check(got.returncode == 0, f"coap-client {arguments}: exit {got.returncode}: {text}")
    return text


def uri(path, host=harness.SERVER):
    return f"coap://{host}/{path}"


def get(path, *options):
    return client(*options, "-m", "get", uri(path))


def want(text, *words):
    for word in words:
        harness.check(word in text, f"expected {word!r} in: {text}")


def post_reading(meter, kwh, moment=None):
    text = client("-m", "post", "-t", "json", "-e",
                  FLAT.format(meter=meter, ts=moment or now(), kwh=kwh), uri("readings"))
    want(text, "c:2.04")


def wait_for(what, condition, patience_s=20):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    harness.fail(f"{what}: not within {patience_s} s")


class Observer:
    """coap-client -s in the background; its output in a file."""

    def __init__(self, rig, path, *options):
        self.log = rig.path("observer.log")
        with open(self.log, "w") as out:
            self.process = harness.spawn(
                [harness.coap_client(), "-v", "6", "-s", "60", "-w", *options, "-m", "get",
                 uri(path)], stdout=out, stderr=out)

    def text(self):
        with open(self.log) as f:
            return f.read()

    def wait(self, word):
        wait_for(f"observer: {word!r} in {self.text()!r}", lambda: word in self.text())

    def end(self, number=signal.SIGINT):
        harness.end(self.process, number, patience_s=5)


# --- discovery ---

def test_discovery():
    text = get(".well-known/core", "-b", "64")  # in blocks of 64
    want(text, "Block2:0/M/64", "Block2:1/", '</rd>;rt="core.rd"', "</readings>;",
         "application/link-format")
    text = get(".well-known/core?rt=core.rd*")
    want(text, "</rd>", "</rd-lookup/ep>", "</rd-lookup/res>")
    harness.check("</test>" not in text, f"the filter rt=core.rd* lets others through: {text}")
    text = get(".well-known/core?href=/link1")
    want(text, '</link1>')
    harness.check("</link2>" not in text, f"href=/link1 also finds link2: {text}")
    want(get(".well-known/core?if=foo"), "</link3>")
    want(get(".well-known/core", "-A", "41"), "c:4.06")


def test_group(group, path, words, answered=True, patience="3"):
    text = client("-N", "-B", patience, "-m", "get", f"coap://{group}/{path}")
    harness.check(("c:2.05" in text) == answered, f"{group}/{path}: {text}")
    if answered:
        want(text, *words)


def test_groups(rig):
    harness.run("ip", "route", "add", "224.0.0.0/4", "dev", harness.CLIENT_IF)
    # coap-client takes an answer to a group only from the address it asked: a socket of ours
    request = bytes.fromhex("510112340a") + b"\xbb.well-known\x04core\x4art=core.rd"
    for family, address in ((socket.AF_INET, (GROUP, 5683)),
                            (socket.AF_INET6, ("ff02::fd", 5683, 0,
                                               socket.if_nametoindex(harness.CLIENT_IF))),
                            (socket.AF_INET6, ("ff05::fd", 5683, 0,
                                               socket.if_nametoindex(harness.CLIENT_IF)))):
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(20)
            s.sendto(request, address)
            answer, sender = s.recvfrom(2048)
            harness.check(answer[0] == 0x51 and answer[1] == 0x45 and answer[4] == 0x0a,
                          f"{address[0]}: not a NON 2.05 with the token: {answer!r}")
            harness.check(b"</rd>" in answer and b"</test>" not in answer,
                          f"{address[0]}: {answer!r}")
            harness.check(not sender[0].startswith(("224.", "ff0")),
                          f"a group answered as itself: {sender}")
    before = rig.api.counters()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(bytes.fromhex("510112350a") + b"\xb4none", (GROUP, 5683))
        s.sendto(bytes.fromhex("410112360a") + b"\xbb.well-known\x04core", (GROUP, 5683))
    wait_for("the group's two bad requests are counted", lambda: (
        rig.api.counters()["coap_refused_path"] == before["coap_refused_path"] + 1 and
        rig.api.counters()["coap_error_group"] == before["coap_error_group"] + 1))
    harness.check(rig.api.counters()["coap_out_rst"] == before["coap_out_rst"],
                  "a CON to a group was reset")


# --- readings ---

def test_readings(rig):
    post_reading("SM-00011", "60001.250")
    rig.settle()
    text = get("readings/SM-00011")
    want(text, "c:2.05", "application/json", '"value":"60001.250', "Max-Age:900", "ETag:0x")
    etag = re.search(r"ETag:(0x[0-9a-f]+)", text)[1]
    want(get("readings/SM-00011", "-O", f"4,{etag}"), "c:2.03")
    text = get("readings/SM-00011", "-A", "110")
    want(text, "application/senml+json")
    record = json.loads(text[text.index("[{"):text.rindex("]") + 1].split("'")[0].split("\n")[0])
    harness.check(record[0]["bn"] == "SM-00011/" and
                  any(r["n"] == "active_energy" and r["v"] == 60001.25 for r in record),
                  f"SenML: {record}")
    want(get("readings/SM-00011", "-A", "41"), "c:4.06")
    want(get("readings/SM-77777"), "c:4.04", "there is no device")
    want(client("-m", "delete", uri("readings/SM-00011")), "c:4.05")
    want(get("readings/SM-00012"), '{"device":"SM-00012"}')  # nothing yet


def test_observe(rig):
    before = rig.api.counters()
    for options in ((), ("-N",)):
        observer = Observer(rig, "readings/SM-00013", *options)
        observer.wait("c:2.05")
        value = "60001.126" if options else "60001.125"
        post_reading("SM-00013", value)
        observer.wait(value)
        want(observer.text(), "Observe:", "t:NON" if options else "t:CON c:2.05")
        observer.end()
    # one that ends without a word: its port is closed, or it does not acknowledge
    counters = rig.api.counters()
    harness.check(counters["coap_observe_begun"] - before["coap_observe_begun"] == 2 and
                  counters["coap_out_notify_con"] > before["coap_out_notify_con"] and
                  counters["coap_out_notify_non"] > before["coap_out_notify_non"],
                  f"notifications are not counted: {counters}")


def test_blocks_of_readings(rig):
    """An array, in blocks; one of its readings is wrong."""
    before = rig.api.totals()
    good = [FLAT.format(meter=f"SM-0004{i + 1}", ts=now(), kwh=f"6000{i}.5") for i in range(5)]
    bad = FLAT.format(meter="SM-88888", ts=now(), kwh="1")
    path = rig.path("array.json")
    with open(path, "w") as f:
        f.write("[" + ",".join(good + [bad]) + "]")
    text = client("-m", "post", "-t", "json", "-b", "128", "-f", path, uri("readings"))
    want(text, "c:2.04", "Block1:5/_/128", "1 of 6 refused, first: unknown_device")
    rig.settle()
    after = rig.api.totals()
    harness.check(after["stored"] - before["stored"] == 5 and
                  after["unknown_device"] - before["unknown_device"] == 1,
                  f"five stored and one refused expected: {before}, then {after}")
    with open(path, "w") as f:
        f.write("[" + " " * 61000 + "]")
    text = client("-m", "post", "-t", "json", "-b", "1024", "-f", path, uri("readings"))
    want(text, "c:4.13", "Size1:60000")


# --- commands ---

def test_commands(rig):
    """Published by MQTT, observed by CoAP."""
    before = rig.api.counters()["coap_observe_begun"]
    observer = Observer(rig, "cmd/SM-00014/valve")
    wait_for("a device observes its commands",
             lambda: rig.api.counters()["coap_observe_begun"] == before + 1)
    for command in ("open", "close", "half-way"):
        harness.run("mosquitto_pub", "-h", harness.SERVER, "-q", "1", "-i", "operator",
                    "-t", "cmd/SM-00014/valve", "-m", command)
    observer.wait("half-way")
    text = observer.text()
    harness.check(text.index("'open'") < text.index("'close'") < text.index("'half-way'"),
                  f"commands out of order: {text}")
    observer.end()
    want(get("cmd/SM-00014"), '{"topic":"cmd/SM-00014/valve","payload":"half-way"}')
    want(get("cmd/SM-77777"), "c:4.04")


# --- options ---

def test_options():
    want(get("test", "-O", "65001,x"), "c:4.02", "option 65001")  # critical, unknown
    want(get("test", "-O", "65000,x"), "c:2.05")  # elective
    want(client("-m", "get", "-P", f"coap://{harness.SERVER}", "coap://example.org/x"), "c:5.05")
    want(client("-m", "put", "-e", "one", "-O", "5,", uri("create1")), "c:2.01")
    want(client("-m", "put", "-e", "two", "-O", "5,", uri("create1")), "c:4.12")
    text = get("validate")
    etag = re.search(r"ETag:(0x[0-9a-f]+)", text)[1]
    want(get("validate", "-O", f"4,{etag}"), "c:2.03")
    want(client("-m", "put", "-e", "new", "-O", f"1,{etag}", uri("validate")), "c:2.04")
    want(client("-m", "put", "-e", "newer", "-O", f"1,{etag}", uri("validate")), "c:4.12")
    want(client("-m", "fetch", uri("test")), "c:4.05")


# --- the resource directory ---

def test_directory(rig):
    links = '</sensors/temp>;rt="temperature-c";if="sensor",</sensors/light>;rt="light-lux"'
    text = client("-m", "post", "-t", "40", "-e", links.replace(",", "%2c"),
                  uri("rd?ep=NODE-1&lt=600&et=oic.d.sensor&serialNumber=S-17"))
    want(text, "c:2.01", "Location-Path:rd")
    number = re.findall(r"Location-Path:(\d+)", text)[0]
    want(get("rd-lookup/ep?ep=NODE-1"), f"</rd/{number}>", 'et="oic.d.sensor"', "base=")
    text = get("rd-lookup/res?rt=temperature-c")
    want(text, "/sensors/temp>", 'rt="temperature-c"')
    harness.check("light" not in text, f"the filter lets others through: {text}")
    want(client("-m", "post", uri(f"rd/{number}?lt=700&base=coap://[2001:db8::7]")), "c:2.04")
    want(get("rd-lookup/res?href=/sensors/light"), "<coap://[2001:db8::7]/sensors/light>")
    # the registry has the device, and an operator approves it
    shown = rig.headrace("devices", "show", "NODE-1")
    want(shown, "pending", "S-17")
    post = ("-m", "post", "-t", "json", "-e", FLAT.format(meter="NODE-1", ts=now(), kwh="7.5"),
            uri("readings"))
    want(client(*post), "c:4.03", "inactive_device")
    rig.headrace("devices", "approve", "NODE-1")
    want(client(*post[:-2], FLAT.format(meter="NODE-1", ts=now(), kwh="7.5"), post[-1]),
         "c:2.04")
    # as long as it said, over restarts too, and no number is given twice
    rig.kill()
    rig.start()
    want(get("rd-lookup/ep?ep=NODE-1"), f"</rd/{number}>", 'et="oic.d.sensor"', "2001:db8::7")
    want(get("rd-lookup/res?href=/sensors/light"), "<coap://[2001:db8::7]/sensors/light>")
    want(client("-m", "post", uri(f"rd/{number}?lt=800")), "c:2.04")
    want(client("-m", "delete", uri(f"rd/{number}")), "c:2.02")
    want(client("-m", "delete", uri(f"rd/{number}")), "c:4.04")
    rig.kill()
    rig.start()
    want(client("-m", "delete", uri(f"rd/{number}")), "c:4.04")
    want(client("-m", "post", "-t", "40", uri("rd?ep=NODE-2")), f"Location-Path:{int(number) + 1}")
    harness.check("NODE-1" not in get("rd-lookup/ep"), "removed and still found")
    want(client("-m", "post", "-t", "40", uri("rd?lt=600")), "c:4.00", "ep is missing")
    want(client("-m", "post", "-t", "40", "-e", "nonsense", uri("rd?ep=x")), "c:4.00")


# --- the resources of interoperability tests ---

def test_interop(rig):
    want(get("test"), "c:2.05", "Max-Age:30")
    want(client("-m", "post", "-e", "x", uri("test")), "c:2.01", "Location-Path:location3")
    want(client("-m", "put", "-e", "x", uri("test")), "c:2.04")
    want(client("-m", "delete", uri("test")), "c:2.02")
    want(get("test", "-N"), "t:NON c:2.05")
    want(get("seg1/seg2/seg3"), "c:2.05")
    want(get("query?first=1&second=2"), "first=1&second=2")
    want(client("-m", "post", uri("location-query")), "c:2.01", "Location-Query:first=1",
         "Location-Query:second=2")
    want(get("multi-format", "-A", "0"), "text/plain")
    want(get("multi-format", "-A", "41"), "application/xml")
    want(get("multi-format", "-A", "50"), "c:4.06")
    want(get("separate"), "t:CON c:2.05", "separate")
    want(get("path"), "</path/sub2>")
    want(get("path/sub2"), "/path/sub2")
    want(get("large", "-b", "256"), "Block2:0/M/256", "Block2:5/_/256")
    path = rig.path("large.txt")
    with open(path, "w") as f:
        f.write("abcdefgh" * 400)
    want(client("-m", "put", "-b", "256", "-f", path, uri("large-update")), "Block1:12/_/256",
         "c:2.04")
    harness.check("abcdefgh" * 100 in get("large-update").replace("\n", ""), "not updated")
    text = client("-m", "post", "-b", "512", "-f", path, uri("large-create"))
    want(text, "c:2.01", "Location-Path:large-create")
    want(get("large-create/1"), "abcdefgh")
    out = rig.path("upper.txt")
    client("-m", "post", "-b", "512", "-o", out, "-f", path, uri("large-post"))
    with open(out) as f:
        harness.check(f.read() == "ABCDEFGH" * 400, "POST in blocks, answered in blocks")


def test_observed_interop(rig):
    observer = Observer(rig, "obs")
    observer.wait("state")
    want(client("-m", "put", "-t", "0", "-e", "changed by hand", uri("obs")), "c:2.04")
    observer.wait("changed by hand")
    client("-m", "delete", uri("obs"))
    observer.wait("\n4.04")  # RFC 7641 4.2: the last that it hears
    observer.end()
    observer = Observer(rig, "obs-large", "-b", "256")
    observer.wait("of round")
    wait_for("a second state in blocks",
             lambda: len(re.findall(r"Observe:\d+.*Block2:0/M/256", observer.text())) >= 2)
    observer.end()
    # by NON though the registration was CON; a RST is the last word
    before = rig.api.counters()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.connect((harness.SERVER, 5683))
        s.send(bytes.fromhex("410177010b") + b"\x60\x57obs-non")
        answer = s.recv(2048)
        harness.check(answer[:5] == bytes.fromhex("614577010b"), f"registration: {answer!r}")
        notification = s.recv(2048)
        harness.check(notification[:2] == b"\x51\x45" and notification[4] == 0x0b,
                      f"not a NON notification with the token: {notification!r}")
        s.send(b"\x70\x00" + notification[2:4])
        wait_for("the observer is forgotten", lambda: rig.api.counters()["coap_notify_reset"] ==
                 before["coap_notify_reset"] + 1)


def test_loss():
    """Every second datagram of the client is lost: retransmissions and duplicates do their work."""
    text = client("-l", "1,3", "-m", "put", "-e", "lossy", uri("validate"))
    want(text, "c:2.04")


def test():
    set_up_kernel()
    with harness.Rig("coap", meters=60, more=CONFIG) as rig:
        add_address(rig)
        rig.start()
        test_discovery()
        test_groups(rig)
        test_readings(rig)
        test_observe(rig)
        test_blocks_of_readings(rig)
        test_commands(rig)
        test_options()
        test_directory(rig)
        test_interop(rig)
        test_observed_interop(rig)
        test_loss()
        want(client("-m", "get", f"coap://[{SERVER6}]/test"), "c:2.05")
        rig.settle()
        rig.check_audit()
        harness.check(rig.stop() == 0, "it did not end in order")


if __name__ == "__main__":
    harness.main(test)
