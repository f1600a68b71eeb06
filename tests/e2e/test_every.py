#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command and every operation of the API against a daemon that takes readings all the
while. The commands are those of headrace's own manual, the operations those of /openapi.json: one
without a case here fails. What reads is run in each form that its help offers; what changes once
for each form and once more from afar, after a viewer was refused. The daemon's own metrics say that
each operation was done, and refused. In the end ingest's accounts balance."""
import contextlib
import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time

import harness
from harness import check
import test_events
import test_vee

PORT = 9404
METER = "M-1"
MORE = f"  listen: 127.0.0.1:{PORT}\n  requests_per_s: 100000\n" + test_vee.MORE
RUNS = 4  # of a change, at most: one for each form, one from afar

# Each as it is typed, and what the answer says. {n} is the number of the run.
CHANGES = [
    ("devices import {folder}/devices-{n}.csv", "added"),
    ("devices approve D-{n}", "active"),
    ("devices reject X-{n}", "retired"),
    ("devices set model=Z{n} --prefix D-{n}", "changed"),
    ("devices reset D-{n} --at {noon} --initial 0", "D-{n}"),
    ("customers import {folder}/customers-{n}.csv", "added"),
    ("points import {folder}/points-{n}.csv", "added"),
    ("groups import {folder}/groups-{n}.csv", "added"),
    ("points set SP-{n} --tariff sample-b --from {gap}", "sample-b"),
    ("points swap SP-{n} --meter D-{n} --at {noon}", "D-{n}"),
    ("points remove SP-{n} --at {later}", "SP-{n}"),
    ("usage edit M-1 --from {noon} --to {later} --value 1 --reason 'display was read'", "{noon}"),
    ("usage withdraw M-1 {edit} --reason misread", "withdrawn"),
    ("vee run --day {spike}", "spike"),
    ("billing run --month {month} --tariff sample-a --prefix M-", "of {month}"),
    ("billing review --month {month} --prefix M-", "of {month}"),
    ("events ack {event} --note 'fitter on the way'", "acknowledged"),
    ("events clear {event} --why 'seal replaced'", "cleared"),
    ("errors replay {unknown} --why registered", "stored"),
    ("errors correct {wrong} --set kwh=7 --why telephone", "corrected|stored"),
    ("errors discard {useless} --why 'test bench'", "discarded"),
    ("tokens create T-{n} --role operator", "hr_"),
    ("tokens revoke T-{n}", "T-{n}"),
    ("audit", "balance"),
    ("backup {folder}/backup-{n}", "files"),
]
READS = [
    ("status", "stored"),
    ("metrics", "headrace_readings_total"),
    ("top --once", "RING OR POOL"),
    ("devices list --prefix D-", "D-0"),
    ("devices show D-0", "Z0"),
    ("devices export --prefix D-", "D-0"),
    ("devices history D-0", "active"),
    ("points list", "SP-0"),
    ("points show SP-0", "D-0"),
    ("points history SP-0", "swap"),
    ("points export", "SP-0"),
    ("customers list", "C-0"),
    ("customers show C-0", "Doe"),
    ("customers history C-0", "import"),
    ("customers export", "C-0"),
    ("groups list", "G-0"),
    ("groups show G-0", "D-0"),
    ("groups export", "G-0"),
    ("readings list M-1 --limit 5", "20"),
    ("aggregates list M-1 --level day --from {gap} --to {after}", "{gap}"),
    ("retention show", "hours"),
    ("usage show M-1 --from {gap} --to {after} --by day", "{gap}"),
    ("usage profile M-1 --from {gap}", "{gap}"),
    ("usage edits M-1", "display was read"),
    ("vee check M-1 --from {spike}", "spike"),
    ("vee rules", "spike"),
    ("vee status", "spike"),
    ("vee list --day {spike} --rule spike", "M-1"),
    ("explain M-1 {noon}", "like_day"),
    ("bills list --month {month} --prefix M-1", "M-1"),
    ("bills show M-1 --month {month}", "M-1"),
    ("bills trace M-1 --month {month}", "20"),
    ("bills export --month {month} --prefix M-", "M-1"),
    ("billing status", "{month}"),
    ("health", "silent"),
    ("events list --state all", "tamper"),
    ("events show {event}", "seal replaced"),
    ("errors list --limit 20", "unknown_device"),
    ("errors show {useless}", "test bench"),
    ("export --meters M-1 --from {gap} --to {after}", "M-1"),
    ("whoami", "admin|viewer"),
    ("tokens list", "reader"),
    ("audit-log --limit 1000", "/devices/import"),
]
FOR_ADMINS = {"tokens list", "audit-log", "tokens create", "tokens revoke", "backup"}
# They ask no daemon: the words alone, in each form.
LOCAL = [
    ("restore {folder}/backup-0 --to {folder}/restored-{n}", "journal"),
    ("journal verify {folder}/journal", "blocks"),
    ("journal dump {folder}/journal --blocks 1-", "20[0-9][0-9]"),
    ("help devices list", "Usage: headrace devices list"),
    ("completion bash", "complete"),
]
# Operations that no command needs.
TARGETS = ["/", "/ui", "/ui/", "/ui/index.html", "/health", "/openapi.json", "/status/history",
           "/audit", f"/readings/{METER}/last"]


# --- what there is ---

def commands_of(manual):
    """{name: its forms} of headrace(1)."""
    found = {}
    manual = manual.replace("\\-", "-")
    for section in re.split(r'^\.SS "headrace ', manual, flags=re.M)[1:]:
        name = re.match(r"[a-z-]+(?: [a-z-]+)?", section).group(0)
        forms = re.search(r"^the form of the answer: (.*)$", section, re.M)
        found[name] = re.split(r", | or ", forms.group(1)) if forms else [None]
    return found


def name_of(line, commands):
    """The command that a line begins with."""
    words = line.split()
    for name in " ".join(words[:2]), words[0]:
        if name in commands:
            return name
    harness.fail(f"headrace has no command '{line}'")
    return None


# --- what there is to read and change ---

def write(rig, name, *lines):
    with open(rig.path(name), "w") as f:
        f.write("\n".join(lines) + "\n")


def write_files(rig):
    for n in range(RUNS):
        write(rig, f"devices-{n}.csv", "id,state", f"D-{n},pending", f"X-{n},pending")
        write(rig, f"customers-{n}.csv", "id,name", f'C-{n},"Doe, Jane"')
        write(rig, f"points-{n}.csv", "id,customer,tariff,meter,from",
              f"SP-{n},C-{n},sample-a,P-{n},2020-01-01")
        write(rig, f"groups-{n}.csv", "group,device", f"G-{n},D-{n}")
    write(rig, "first.csv", "id", METER, *(f"P-{n}" for n in range(RUNS)))
    write(rig, "ghosts.csv", "id", *(f"GHOST-{i}" for i in range(3 * RUNS)))


class World:
    """A month of a meter with a gap and a spike, refused readings, events; all before the load."""

    def __init__(self, rig):
        write_files(rig)
        rig.headrace("devices", "import", rig.path("first.csv"))
        self.month = test_vee.Month()
        test_vee.send(rig, METER, self.month.sent)
        test_events.send(*(test_events.nested(f"P-{i}", 10, tamper=True) for i in range(RUNS)))
        test_events.send(*(test_events.flat(f"GHOST-{i}", i) for i in range(3 * RUNS)))
        rig.settle()
        refused = {e["device"]: e["number"] for e in rig.api.error_entries()}
        self.ghosts = [refused[f"GHOST-{i}"] for i in range(3 * RUNS)]
        rig.headrace("devices", "import", rig.path("ghosts.csv"))
        self.events = test_events.wait_for("events of tampering", lambda: self.tampered(rig))
        self.folder = rig.folder

    @staticmethod
    def tampered(rig):
        found = [e["number"] for e in test_events.events(rig, kind="tamper")]
        return found if len(found) == RUNS else None

    def fill(self, line, n):
        m, utc = self.month, test_vee.utc
        return line.format(
            n=n, folder=self.folder, month=m.name, gap=m.gap, spike=m.spike,
            after=m.gap + test_vee.datetime.timedelta(1), noon=utc(m.noon),
            later=utc(m.noon + 3600), edit=n + 1, event=self.events[n], unknown=self.ghosts[n],
            wrong=self.ghosts[RUNS + n], useless=self.ghosts[2 * RUNS + n])


# --- running ---

class Shell:
    def __init__(self, rig, world):
        self.rig, self.world = rig, world
        self.tokens, self.count = {}, 0
        for role in "viewer", "admin":
            name = {"viewer": "reader", "admin": "chief"}[role]
            self.tokens[role] = rig.headrace("tokens", "create", name, "--role", role).strip()

    def run(self, line, form, n=0, role=None, expect=0):
        """Standard output. `role`: from afar, by that token."""
        words = shlex.split(self.world.fill(line, n))
        if form:
            words += ["--format", form]
        if form == "columns":
            words += ["--output", self.rig.path(f"columns-{self.count}")]
        place = {"HEADRACE_SOCKET": self.rig.path("api.sock")}
        if role:
            place = {"HEADRACE_URL": f"http://127.0.0.1:{PORT}",
                     "HEADRACE_TOKEN": self.tokens[role]}
        self.count += 1
        got = subprocess.run([harness.program("headrace"), *words], capture_output=True,
                             text=True, timeout=300, env=dict(os.environ, **place))
        what = f"headrace {' '.join(words)}{f' as {role}' if role else ''}"
        check(got.returncode == expect,
              f"{what}: exit {got.returncode}, expected {expect}: {got.stderr.strip()}")
        check(expect == 0 or got.stderr, f"{what}: exit {expect} without a word")
        return got.stdout

    def show(self, line, says, form, n=0, role=None):
        """Run it and look at what it says."""
        text = self.run(line, form, n, role)
        if form == "json":
            check(parse_json(text), f"{line}: no JSON: {text[:200]}")
        elif form == "ndjson":
            check([json.loads(row) for row in text.splitlines()], f"{line}: nothing")
        elif form == "csv":
            rows = list(csv.reader(io.StringIO(text)))
            check(len(rows) > 1 and all(len(r) == len(rows[0]) for r in rows),
                  f"{line}: CSV without rows, or of different lengths: {text[:300]}")
        elif form == "html":
            check("</html>" in text, f"{line}: no page")
        if form != "columns":
            says = self.world.fill(says, n)
            check(re.search(says, text), f"{line} as {form} does not say {says}: {text[:500]}")


def parse_json(text):
    """One value, or one a line."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def change(shell, line, says, forms):
    """A viewer may not; then in each form, and from afar."""
    name = name_of(line, shell.commands)
    shell.run(line, None, role="viewer", expect=5)
    for n, form in enumerate(forms):
        shell.show(line, says, form, n)
    shell.show(line, says, forms[0], len(forms), "admin")
    return name


def read(shell, line, says, forms):
    name = name_of(line, shell.commands)
    role = "admin" if name in FOR_ADMINS else "viewer"
    if role == "admin":
        shell.run(line, None, role="viewer", expect=5)
    for form in forms:
        shell.show(line, says, form)
    shell.show(line, says, forms[-1], role=role)
    return name


def look_locally(shell, line, says, forms):
    for n, form in enumerate(forms):
        shell.show(line, says, form, n)
    return name_of(line, shell.commands)


def check_commands(rig, shell):
    shell.commands = commands_of(rig.headrace("help", "--man"))
    tried = set()
    for table, act in (CHANGES, change), (READS, read), (LOCAL, look_locally):
        for line, says in table:
            tried.add(act(shell, line, says, shell.commands[name_of(line, shell.commands)]))
    missing = set(shell.commands) - tried
    check(not missing, f"commands without a case in this test: {sorted(missing)}")
    print(f"{len(tried)} commands, run {shell.count} times")


# --- operations ---

def ask(rig, method, target):
    connection = harness.UnixConnection(rig.path("api.sock"))
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def outcomes(rig):
    """{(method, path): {first digits of the statuses}} of all that was asked since the start."""
    text = ask(rig, "GET", "/metrics")[1].decode()
    found = {}
    for line in text.splitlines():
        match = re.match(r"headrace_api_requests_total\{(.*)\} ([0-9]+)$", line)
        if match and int(match.group(2)) > 0:
            labels = dict(re.findall(r'([a-z]+)="([^"]*)"', match.group(1)))
            key = labels["method"], labels["route"]
            found.setdefault(key, set()).add(labels["code"][0])
    return found


def check_operations(rig):
    """By the daemon's own count each was answered well at least once, and refused at least once."""
    described = json.loads(ask(rig, "GET", "/openapi.json")[1])["paths"]
    operations = {(method.upper(), path) for path, methods in described.items()
                  for method in methods}
    for target in TARGETS:
        status, _ = ask(rig, "GET", target)
        check(status < 400, f"GET {target}: {status}")
    done = outcomes(rig)
    missing = [o for o in operations if not done.get(o, set()) & {"2", "3"}]
    check(not missing, f"operations that nothing here does: {sorted(missing)}")
    for method, path in operations:
        status, body = ask(rig, method, re.sub(r"\{[a-z]+\}", "1", path) + "?none=1")
        check(400 <= status < 500 and json.loads(body)["remedy"],
              f"{method} {path}?none=1: {status}: {body[:200]}")
    missing = [o for o in operations if "4" not in outcomes(rig).get(o, set())]
    check(not missing, f"operations that were never refused: {sorted(missing)}")
    print(f"{len(operations)} operations done, and refused")


# --- who waits for a meter's last reading ---

def is_urgent(rig):
    """Has a thread that serves a connection a higher priority?"""
    for thread in os.listdir(f"/proc/{rig.daemon.pid}/task"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            with open(f"/proc/{rig.daemon.pid}/task/{thread}/stat") as f:
                name, rest = re.match(r"\d+ \((.*)\) (.*)", f.read()).groups()
            if name.startswith("MHD-connection"):
                if int(rest.split()[16]) < 0:
                    return True
    return False


def check_urgency(rig):
    """Behind a quick answer the next one has priority, anything else has none."""
    may = [sys.executable, "-c", "import os; os.setpriority(os.PRIO_PROCESS, 0, -10)"]
    if subprocess.run(may, capture_output=True).returncode:
        print("no higher priority is permitted here")
        return
    connection = harness.UnixConnection(rig.path("api.sock"))
    for target, urgent in ((f"/readings/{METER}/last", True), ("/health", False),
                           (f"/readings/{METER}/last", True), ("/readings/nobody/last", False)):
        connection.request("GET", target)
        connection.getresponse().read()
        test_events.wait_for(f"urgent: {urgent}, after {target}",
                             lambda urgent=urgent: is_urgent(rig) == urgent)
    connection.close()


def test():
    with harness.Rig("every", meters=60, more=MORE) as rig:
        rig.start()
        world = World(rig)
        shell = Shell(rig, world)
        before = rig.api.totals()["stored"]
        fleet = rig.fleet("--quiet", "--clean", "--rate", "2", "--seconds", "3600")
        began = time.monotonic()
        check_urgency(rig)
        check_commands(rig, shell)
        check_operations(rig)
        check(fleet.poll() is None, "the fleet ended: there was no load")
        took = time.monotonic() - began
        harness.end(fleet)
        rig.settle()
        stored = rig.api.totals()["stored"] - before
        check(stored > 60, f"the load was {stored} readings")
        rig.check_audit()
        check(rig.stop() == 0, "headraced did not end well")
        print(f"{stored} readings stored meanwhile, {took:.1f} s")


if __name__ == "__main__":
    harness.main(test)
