#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API while meters send: the description (/openapi.json) against what is served, both ways, with
every answer checked against its schema; tokens and roles over TLS; a new certificate without a
restart; gzip, ETags, pages; metrics against docs/METRICS.md (rewritten with --write-docs) and
promtool; DPDK's telemetry; and hostile clients, who harm neither the API nor the readings."""
import contextlib
import datetime
import gzip
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import harness  # first: it finds Debian's modules
from harness import check

import jsonschema

PORT = 9404
METERS = 60
DOCS = os.path.join(harness.ROOT, "docs", "METRICS.md")
CONFIG = f"""\
  listen: 127.0.0.1:{PORT}
  certificate: api.pem
  key: api.key
  requests_per_s: 400
  connections: 24
  connections_per_address: 24
  request_timeout_s: 2
"""


def make_certificate(rig, name):
    harness.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", rig.path("api.key"), "-out", rig.path("api.pem"))


class Web:
    """Requests over TLS, one connection each."""

    def __init__(self, rig):
        self.rig = rig
        self.trust()

    def trust(self):
        self.tls = ssl.create_default_context(cafile=self.rig.path("api.pem"))

    def ask(self, method, target, token=None, body=None, **headers):
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=30, context=self.tls)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


def local(rig, method, target, body=None, **headers):
    """The same at the Unix socket: an admin."""
    connection = harness.UnixConnection(rig.path("api.sock"), timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


# --- the description ---

class Description:
    def __init__(self, text):
        self.whole = json.loads(text)
        check(self.whole["openapi"].startswith("3.1"), "not OpenAPI 3.1")
        for name, schema in self.whole["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)
            check(name[0].isupper(), f"schema {name}")

    def operations(self):
        for path, methods in self.whole["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def validate(self, schema, value, where):
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema],
                 "components": self.whole["components"]}
        error = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(whole).iter_errors(value))
        if error:
            harness.fail(f"{where}: {'/'.join(map(str, error.absolute_path))}: "
                         f"{error.message[:300]}")

    def check_answer(self, operation, answer, body, where):
        """The body is what the description says for its status and type."""
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        responses = operation["responses"]
        if kind == "application/problem+json":
            check(answer.status >= 400, f"{where}: a problem with {answer.status}")
            problem = json.loads(body)
            self.validate({"$ref": "#/components/schemas/Problem"}, problem, where)
            check(problem["status"] == answer.status, f"{where}: another status inside")
            check(problem["detail"] and problem["remedy"], f"{where}: no cause or remedy")
            return
        check(str(answer.status) in responses, f"{where}: {answer.status} is not described")
        content = responses[str(answer.status)].get("content", {})
        if not content and not body:
            return
        check(kind in content or "*/*" in content, f"{where}: {kind} is not described")
        schema = content.get(kind, {}).get("schema")
        if kind == "application/json" and schema:
            self.validate(schema, json.loads(body), where)
        if kind == "application/x-ndjson" and schema:
            for line in body.splitlines():
                self.validate(schema, json.loads(line), where)


def now_day(days):
    return (datetime.datetime.now(datetime.timezone.utc) +
            datetime.timedelta(days=days)).strftime("%Y-%m-%d")


def sample(rig, parameter):
    """A value for a parameter of the description."""
    known = {"id": "SM-00001", "month": now_day(0)[:7], "from": now_day(-1), "to": now_day(1),
             "tariff": "sample-a", "dir": rig.path("no/such/backup"), "name": "nobody",
             "number": "1", "file": "index.html", "device": "SM-00001"}
    schema = parameter["schema"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "integer":
        return "1"
    if schema.get("format") == "date":
        return now_day(0 if parameter["name"] != "to" else 1)
    return known.get(parameter["name"], "x")


# What the general rule can't know: body and the statuses that are right.
CASES = {
    ("POST", "/devices/import"): ("text/csv", "id,state\nNEW-1,pending\n", [200]),
    ("POST", "/devices/approve/{id}"): (None, None, [200]),
    ("POST", "/devices/reject/{id}"): (None, None, [409]),
    ("POST", "/tokens"): ("application/json", '{"name":"third","role":"viewer"}', [201]),
    ("DELETE", "/tokens/{name}"): (None, None, [404]),
    ("POST", "/audit"): (None, None, [200]),
    ("POST", "/billing/run"): (None, None, [200]),
    ("POST", "/billing/review"): (None, None, [200, 400]),
    ("POST", "/backup"): (None, None, [200]),
    ("GET", "/bills/{id}"): (None, None, [200, 404, 409]),
    ("GET", "/errors/{number}"): (None, None, [200, 404]),
    ("GET", "/readings/{id}"): (None, None, [200]),
    ("GET", "/readings/{id}/last"): (None, None, [200]),
}


# Parameters that need not be there, but tell the general rule more.
ALSO = {("/billing/run", "tariff")}


def target_of(rig, path, operation):
    query = {}
    for parameter in operation["parameters"]:
        value = sample(rig, parameter)
        if path in ("/devices/approve/{id}", "/devices/reject/{id}"):
            value = "NEW-1"
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", urllib.parse.quote(value, safe=""))
        elif parameter["required"] or (path, parameter["name"]) in ALSO:
            query[parameter["name"]] = value
    return path + ("?" + urllib.parse.urlencode(query) if query else "")


def check_operations(rig, description):
    """Each described operation answers as it is described, and nothing else does."""
    count = 0
    order = {"POST": 0, "PUT": 0, "PATCH": 0, "GET": 1, "DELETE": 2}
    for method, path, operation in sorted(description.operations(),
                                          key=lambda o: order.get(o[0], 1)):
        where = f"{method} {path}"
        kind, body, expected = CASES.get((method, path), (None, None, None))
        headers = {"Content-Type": kind} if kind else {}
        answer, got = local(rig, method, target_of(rig, path, operation), body, **headers)
        description.check_answer(operation, answer, got, where)
        check(answer.status not in (404, 405) or method != "GET" or "{" in path,
              f"{where}: {answer.status}, though it is described")
        check(answer.status != 405, f"{where}: {answer.status}")
        if expected:
            check(answer.status in expected, f"{where}: {answer.status}: {got[:300]}")
        elif method == "GET":
            check(answer.status < 500, f"{where}: {answer.status}: {got[:300]}")
        count += 1
    for path, methods in description.whole["paths"].items():
        answer, got = local(rig, "BREW", target_of(rig, path, {"parameters": []})
                            .replace("{", "").replace("}", ""))
        check(answer.status in (405, 404), f"BREW {path}: {answer.status}")
        if answer.status == 405:
            allowed = set(answer.headers["Allow"].split(", ")) - {"HEAD"}
            check({m.upper() for m in methods} <= allowed, f"{path}: Allow {allowed}")
    answer, got = local(rig, "GET", "/nothing/here")
    check(answer.status == 404 and b"remedy" in got, "a path that there is not")
    print(f"{count} operations are as described")


def check_query_is_checked(rig, description):
    """A parameter that is not described is refused, for each operation."""
    for method, path, operation in description.operations():
        target = target_of(rig, path, operation)
        answer, got = local(rig, method, target + ("&" if "?" in target else "?") + "none=1")
        check(answer.status in (400, 404, 415), f"{method} {path}?none=1: {answer.status}")
        json.loads(got)


# --- who may ask ---

ROLES = ["anybody", "monitor", "viewer", "operator", "admin"]


def check_roles(rig, web, description):
    tokens = {}
    for role in ROLES[1:]:
        tokens[role] = rig.headrace("tokens", "create", f"t-{role}", "--role", role).strip()
    for method, path, operation in description.operations():
        least = ROLES.index(operation["x-role"])
        target = target_of(rig, path, operation)
        if least >= ROLES.index("viewer"):
            answer, _ = web.ask(method, target)
            check(answer.status == 401, f"{method} {path} without a token: {answer.status}")
        if least > ROLES.index("monitor"):
            answer, _ = web.ask(method, target, tokens[ROLES[least - 1]])
            check(answer.status == 403, f"{method} {path} as {ROLES[least - 1]}: {answer.status}")
    answer, got = web.ask("GET", "/whoami", tokens["operator"])
    check(json.loads(got)["name"] == "t-operator", f"whoami: {got}")
    answer, _ = web.ask("GET", "/devices", tokens["viewer"])
    check(answer.status == 200, "a viewer can't see devices")
    rig.headrace("tokens", "revoke", "t-viewer")
    check("t-viewer" not in rig.headrace("tokens", "list"), "a revoked token is listed")
    answer, got = web.ask("GET", "/devices", tokens["viewer"])
    check(answer.status == 401, f"a revoked token: {answer.status}")
    check(tokens["admin"] not in open(rig.log_file).read(), "a token is in the log")
    got = rig.headrace("audit-log", "--object", "t-viewer", "--json")
    done = [(e["method"], e["outcome"]) for e in json.loads(got)["entries"]]
    check(done == [("POST", "done"), ("DELETE", "done")], f"the audit log of t-viewer: {done}")
    return tokens


def check_new_certificate(rig, web):
    make_certificate(rig, "second")
    rig.daemon.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    subject = None
    while subject != "second" and time.monotonic() < deadline:
        pem = ssl.get_server_certificate(("127.0.0.1", PORT))
        text = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem,
                              capture_output=True, text=True).stdout
        subject = text.split("=")[-1].strip()
        time.sleep(0.05)
    check(subject == "second", f"after SIGHUP the certificate is {subject}'s")
    web.trust()
    check(web.ask("GET", "/health")[0].status == 200, "no answer with the new certificate")


# --- how answers travel ---

def check_travel(rig, web, token):
    plain, text = web.ask("GET", "/openapi.json", token)
    packed, data = web.ask("GET", "/openapi.json", token, Accept_Encoding="gzip")
    check(packed.headers["Content-Encoding"] == "gzip" and gzip.decompress(data) == text,
          "gzip of an answer")
    check(len(data) * 3 < len(text), "gzip saves little")
    answer, data = web.ask("GET", "/openapi.json", token, If_None_Match=packed.headers["ETag"])
    check(answer.status == 304 and data == b"", f"If-None-Match: {answer.status}")
    answer, data = web.ask("HEAD", "/openapi.json", token)
    check(answer.status == 200 and data == b"" and
          int(answer.headers["Content-Length"]) == len(text), "HEAD")
    # a stream, too: with a period that lies behind us, so that both are the same
    until = now_day(0)
    _, text = web.ask("GET", f"/export?to={until}", token)
    answer, data = web.ask("GET", f"/export?to={until}", token, Accept_Encoding="gzip")
    check(answer.headers["Content-Encoding"] == "gzip" and gzip.decompress(data) == text,
          "gzip of a stream")
    # pages by their links
    seen, target = [], "/devices?limit=25"
    while target:
        answer, data = web.ask("GET", target, token)
        seen += [d["id"] for d in json.loads(data)["devices"]]
        link = re.match(r'<([^>]*)>; rel="next"', answer.headers.get("Link", ""))
        target = link and link.group(1)
    total = json.loads(data)["total"]
    check(len(seen) == len(set(seen)) == total > METERS, f"{len(seen)} of {total} devices")


# --- metrics ---

NAME = r"headrace_[a-z][a-z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(\{{([a-z_]+="[^"\\]*",?)*\}})? (-?[0-9.]+|NaN|\+Inf)$')


def read_metrics(text):
    """{name: (type, help)}; every line is checked."""
    families, current, seen = {}, None, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, about = line[7:].split(" ", 1)
            check(name not in families, f"{name} is there twice")
            families[name] = [None, about]
            current = name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            check(name == current and kind in ("counter", "gauge", "histogram"), line)
            families[name][0] = kind
        else:
            match = SAMPLE.match(line)
            check(match, f"no sample: {line}")
            base = match.group(1)
            if families[current][0] == "histogram":
                base = re.sub("_(bucket|sum|count)$", "", base)
            check(base == current, f"{line} is not under its own name")
            key = line.rsplit(" ", 1)[0]
            check(key not in seen, f"{key} is there twice")
            seen.add(key)
    for name, (kind, about) in families.items():
        check(kind and about, f"{name} has no type or help")
        check((kind == "counter") == name.endswith("_total"), f"{name} is a {kind}")
    return families


DOCS_HEAD = """\
# Metrics

`GET /metrics` in the text format of Prometheus. This page is made from what `headraced` serves, so that
names, types and meanings are those of the program: `python3 tests/e2e/test_api.py --write-docs` writes it
anew, and the test fails when it is behind. Alerts and a dashboard made of them are in `configs/monitoring/`.

| metric | type | meaning |
|---|---|---|
"""


def metrics_page(families):
    rows = [f"| `{name}` | {kind} | {about.replace('|', chr(92) + '|')} |"
            for name, (kind, about) in sorted(families.items())]
    return DOCS_HEAD + "\n".join(rows) + "\n"


def check_metrics(rig):
    _, text = local(rig, "GET", "/metrics")
    text = text.decode()
    families = read_metrics(text)
    for name in ("acknowledgement_seconds", "journal_write_seconds", "api_request_seconds"):
        check(families[f"headrace_{name}"][0] == "histogram", f"{name} is no histogram")
    check('headrace_api_request_seconds_count{method="GET",route="/metrics"}' in text,
          "no times of /metrics itself")
    if shutil.which("promtool"):
        got = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                             text=True)
        check(got.returncode == 0, f"promtool: {got.stdout}{got.stderr}")
        rules = os.path.join(harness.ROOT, "configs", "monitoring", "alerts.yaml")
        got = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
        check(got.returncode == 0, f"promtool: {got.stdout}{got.stderr}")
    check_monitoring_files(families)
    page = metrics_page(families)
    if "--write-docs" in sys.argv:
        with open(DOCS, "w") as f:
            f.write(page)
        print(f"{DOCS}: written")
    with open(DOCS) as f:
        check(f.read() == page, f"{DOCS} is not what headraced serves; write it with --write-docs")
    print(f"{len(families)} metrics")


def check_monitoring_files(families):
    """Rules and dashboard speak of metrics that there are."""
    for name in ("alerts.yaml", "grafana.json"):
        with open(os.path.join(harness.ROOT, "configs", "monitoring", name)) as f:
            text = f.read()
        if name.endswith(".json"):
            json.loads(text)
        used = set(re.findall(NAME, text))
        check(len(used) > 5, f"{name} uses {len(used)} metrics")
        for metric in used:
            base = re.sub("_(bucket|sum|count)$", "", metric)
            check(metric in families or base in families, f"{name}: there is no {metric}")


def check_telemetry(rig):
    """DPDK's own socket answers beside ours."""
    path = rig.path(f"dpdk/{os.path.basename(rig.folder)}/dpdk_telemetry.v2")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(20)
        s.connect(path)
        check("version" in json.loads(s.recv(16384)), "telemetry's greeting")
        s.send(b"/ethdev/list")
        check(json.loads(s.recv(16384)) == {"/ethdev/list": [0]}, "telemetry's ports")
        s.send(b"/ethdev/stats,0")
        stats = json.loads(s.recv(16384))["/ethdev/stats"]
        check(stats["ipackets"] > 0, f"telemetry: {stats}")


# --- hostile clients ---

HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
OURS, THEIRS, SILENT = "a problem document", "libmicrohttpd's words", "nothing"

# What docs/OPERATIONS.md says of requests that can't be read: what comes, the answer, and whose.
MALFORMED = [
    (b"GET\r\n\r\n", 0, SILENT),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 0, SILENT),
    (b"GET /\r\n\r\n", 400, THEIRS),
    (b"GET / HTTP/9.9\r\n\r\n", 505, THEIRS),
    (HEAD + b"no colon\r\n\r\n", 400, THEIRS),
    (HEAD + b"Content-Length: -1\r\n\r\n", 400, THEIRS),
    (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", 413, THEIRS),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400, THEIRS),
    (HEAD + b"X: " + b"y" * 200000 + b"\r\n\r\n", 431, THEIRS),
    (HEAD + b"A: b\r\n" * 20000 + b"\r\n", 431, THEIRS),
    (b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, THEIRS),
    (b"GET /health?" + b"a=b&" * 6000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, SILENT),
    (b"GET /health?" + b"a=b&" * 600 + b" HTTP/1.1\r\nHost: localhost\r\n"
     b"Connection: close\r\n\r\n", 400, OURS),
    (b"GET /" + b"a" * 30000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
     400, OURS),
    (HEAD + b"X: " + b"y" * 60000 + b"\r\n\r\n", 431, OURS),
    (HEAD + b"Host: another\r\n\r\n", 400, OURS),
    (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501, OURS),
    (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, OURS),
    (b"POST /devices/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
     b"Content-Length: 1099511627776\r\n\r\nid\n", 413, OURS),
]


def send_raw(rig, data, patience_s=30):
    """What comes back until the end; b"" for a connection that just ends."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(patience_s)
        s.connect(rig.path("api.sock"))
        got = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
        with contextlib.suppress(ConnectionError):  # an answer may have come nevertheless
            while part := s.recv(65536):
                got += part
        return got


def resident_kb(process):
    with open(f"/proc/{process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def check_malformed(rig):
    for data, status, whose in MALFORMED:
        got = send_raw(rig, data)
        found = re.match(rb"HTTP/1\.1 (\d+) ", got)
        check(int(found.group(1)) == status if found else not got and whose == SILENT,
              f"{data[:90]}: {got[:80]}")
        check((b"application/problem+json" in got) == (whose == OURS),
              f"{data[:90]}: not {whose}: {got[:300]}")
    # a body without an end for a path that takes none
    head = b"POST /audit HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    got = send_raw(rig, head + (b"10000\r\n" + b"z" * 65536 + b"\r\n") * 200)
    check(not got or b" 413 " in got.split(b"\r\n")[0], f"an endless body: {got[:80]}")
    check(local(rig, "GET", "/health")[0].status == 200, "no answer after malformed requests")


def begin_deaf(rig):
    """A client that asks for a lot and reads nothing."""
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(rig.path("api.sock"))
    deaf.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(4000):
            deaf.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return deaf


def check_deaf(deaf):
    """It is cut off. (Its descriptor says so while data waits that was never read.)"""
    poll = select.poll()
    poll.register(deaf, select.POLLHUP)
    check(poll.poll(60000), "a client that does not read was never ended")
    deaf.close()


def check_slow(rig, web):
    """More slow clients than there is room for: they are ended, and others get their turn."""
    slow = []
    for _ in range(30):
        s = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        s.setblocking(False)
        slow.append(s)
    ended, deadline = set(), time.monotonic() + 60
    while len(ended) < len(slow) and time.monotonic() < deadline:
        for i, s in enumerate(slow):
            if i in ended:
                continue
            try:
                s.send(b"\x16")  # of a TLS record that never ends
                if s.recv(100) == b"":
                    ended.add(i)
            except BlockingIOError:
                pass
            except OSError:
                ended.add(i)
        time.sleep(0.1)
    for s in slow:
        s.close()
    check(len(ended) == len(slow), f"{len(slow) - len(ended)} slow clients were never ended")
    check(web.ask("GET", "/health")[0].status == 200, "no answer after slow clients")


def check_many(rig, web, token):
    """More than the limit: 429 with a time, and the socket's users notice nothing."""
    statuses, lock = [], threading.Lock()

    def flood():
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=30, context=web.tls)
        for _ in range(400):
            connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            with lock:
                statuses.append(answer.status)
                check(answer.status != 429 or int(answer.headers["Retry-After"]) >= 1,
                      "429 without Retry-After")
        connection.close()

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(set(statuses) <= {200, 429} and 200 in statuses, f"answers: {set(statuses)}")
    check(local(rig, "GET", "/health")[0].status == 200, "the socket is limited")
    return statuses.count(429)


def test():
    with harness.Rig("api", meters=METERS, more=CONFIG) as rig:
        make_certificate(rig, "first")
        rig.start()
        fleet = rig.fleet("--quiet", "--clean", "--rate", "20", "--seconds", "10")
        web = Web(rig)
        deadline = time.monotonic() + 30
        while rig.api.totals()["stored"] == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        description = Description(web.ask("GET", "/openapi.json")[1])
        check_operations(rig, description)
        check_query_is_checked(rig, description)
        tokens = check_roles(rig, web, description)
        check_new_certificate(rig, web)
        check_travel(rig, web, tokens["admin"])
        check_metrics(rig)
        check_telemetry(rig)
        before_kb = resident_kb(rig.daemon)
        deaf = begin_deaf(rig)
        check_malformed(rig)
        check_slow(rig, web)
        refused = check_many(rig, web, tokens["monitor"])
        check_deaf(deaf)
        grown_kb = resident_kb(rig.daemon) - before_kb
        check(grown_kb < 65536, f"hostile clients cost {grown_kb} kB")
        print(f"hostile clients: {refused} requests refused, {grown_kb} kB")
        check(fleet.wait(120) == 0, "the fleet failed")
        rig.settle()
        rig.check_audit()
        check(rig.stop() == 0, "headraced did not end well")


harness.main(test)
