#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line against a daemon that takes readings all the while: every command, its tables,
JSON and CSV, --watch, completion in real shells, top on a terminal, the daemon by URL, the
manual's form."""
import csv
import datetime
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import fcntl

import harness

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
METER = "SM-00001"


def run(rig, *arguments, expect=0, **environment):
    """headrace's (stdout, stderr)."""
    got = subprocess.run(
        [harness.program("headrace"), *arguments], capture_output=True, text=True, timeout=60,
        env=dict(os.environ, HEADRACE_SOCKET=rig.path("api.sock"), **environment))
    harness.check(got.returncode == expect,
                  f"headrace {' '.join(arguments)}: exit {got.returncode}, expected {expect}: "
                  f"{got.stderr.strip()}")
    harness.check("\x1b" not in got.stdout + got.stderr,
                  f"headrace {' '.join(arguments)} steers a terminal that is none")
    return got.stdout, got.stderr


def today(days=0):
    return str(datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days))


def commands(rig):
    """Every command that lists or shows something: its words."""
    number = next(rig.api.error_entries())["number"]
    month = today()[:7]
    return [
        ["status"], ["devices", "list", "--limit", "5"], ["devices", "show", METER],
        ["readings", "list", METER, "--limit", "3"], ["aggregates", "list", METER],
        ["retention", "show"],
        ["usage", "show", METER, "--from", today(), "--to", today(1), "--by", "day"],
        ["bills", "list", "--month", month], ["billing", "status"],
        ["errors", "list", "--limit", "4"], ["errors", "show", str(number)], ["whoami"],
    ]


def formats_of(rig, words):
    text, _ = run(rig, "help", *[w for w in words if not w.startswith("-")][:2])
    found = re.search(r"the form of the answer: (.*)", text)
    return re.findall(r"\w+", found.group(1).replace(" or ", " ")) if found else []


def rows_of(text):
    rows = list(csv.reader(io.StringIO(text)))
    harness.check(rows and all(len(r) == len(rows[0]) for r in rows),
                  f"CSV with rows of different lengths: {text[:300]}")
    return rows


def test_formats(rig):
    for words in commands(rig):
        name = " ".join(words)
        table, _ = run(rig, *words)
        harness.check(table.strip(), f"headrace {name} says nothing")
        formats = formats_of(rig, words)
        harness.check("json" in formats, f"headrace {name} has no JSON: {formats}")
        answer = json.loads(run(rig, *words, "--format", "json")[0])
        harness.check(answer == json.loads(json.dumps(answer)) and answer, f"{name}: {answer}")
        if "csv" in formats:
            rows = rows_of(run(rig, *words, "--format=csv")[0])
            harness.check(len(rows) > 1 or words[0] == "bills", f"{name}: CSV has no rows")
    devices = rows_of(run(rig, "devices", "list", "--format", "csv", "--limit", "1000")[0])
    listed = json.loads(run(rig, "devices", "list", "--json", "--limit", "1000")[0])["devices"]
    harness.check([r[0] for r in devices[1:]] == [d["id"] for d in listed],
                  "devices list: CSV and JSON differ")
    harness.check("# HELP" in run(rig, "metrics")[0], "metrics without help texts")
    harness.check("balance" in run(rig, "audit")[0], "the audit does not balance")


def test_every_command_is_known(rig):
    """Each line of --help has a page of its own, and the manual has it, too."""
    help_text, _ = run(rig, "--help")
    manual, _ = run(rig, "help", "--man")
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)", help_text, re.M)
    harness.check(len(names) > 20, f"--help lists {names}")
    for name in names:
        page, _ = run(rig, "help", *name.split())
        harness.check(page.startswith(f"Usage: headrace {name}"), f"help {name}: {page}")
        harness.check(f'.SS "headrace {name}' in manual, f"not in the manual: {name}")


def test_whatever_is_watched(rig):
    """Every command that reads and needs no word or option says something, twice."""
    help_text, _ = run(rig, "--help")
    tried = []
    for name in re.findall(r"^  ([a-z]+(?:[ -][a-z]+)?)(?: +\[[A-Z]+\])?(?:  |$)", help_text, re.M):
        page, _ = run(rig, "help", *name.split())
        if "--watch" in page and "(required)" not in page:
            text, _ = run(rig, *name.split(), "--watch", "1", "--count", "1")
            harness.check(text.strip(), f"headrace {name} --watch says nothing")
            tried.append(name)
    harness.check({"status", "devices list", "errors list", "retention show"} <= set(tried),
                  f"only these were tried: {tried}")


def test_mistakes(rig):
    for words, code, said in (
            (["staus"], 2, "did you mean 'status'"),
            (["devices", "lst"], 2, "did you mean 'devices list'"),
            (["devices", "list", "--prefx", "A"], 2, "did you mean '--prefix'"),
            (["devices", "list", "--state", "actve"], 2, "did you mean 'active'"),
            (["devices", "show"], 2, "ID is missing"),
            (["devices", "show", "nobody"], 1, "nobody"),
            (["bills", "list"], 2, "--month is missing"),
            (["status", "--socket", "/nonexistent/x"], 4, "no daemon answers"),
            (["status", "--url", "http://127.0.0.1:9"], 4, "no answer from http://127.0.0.1:9"),
            (["status", "--url", "http://192.0.2.1:9", "--token", "x"], 4, "unencrypted")):
        _, stderr = run(rig, *words, expect=code)
        harness.check(said in stderr, f"headrace {' '.join(words)}: {stderr}")


def test_watch(rig):
    text, _ = run(rig, "status", "--watch", "1", "--count", "2")
    harness.check(text.count("headraced 0") == 2, f"--watch --count 2: {text}")
    text, _ = run(rig, "billing", "status", "--watch", "--count", "2", "--json")
    harness.check(len([json.loads(line) for line in text.splitlines()]) == 2, f"JSON: {text}")


def make_certificate(rig):
    harness.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-subj", "/CN=headrace", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", rig.path("key.pem"), "-out", rig.path("cert.pem"))


def test_url(rig):
    """The same from afar: TLS and tokens. What is wrong is told apart."""
    url, here = "https://127.0.0.1:9404", ["--cacert", rig.path("cert.pem")]
    token, _ = run(rig, "tokens", "create", "reader", "--role", "viewer")
    with open(rig.path("token"), "w") as f:
        f.write(token)
    far = dict(HEADRACE_URL=url + "/", HEADRACE_CACERT=rig.path("cert.pem"))
    reader = dict(far, HEADRACE_TOKEN_FILE=rig.path("token"))
    harness.check("SM-" in run(rig, "devices", "list", **reader)[0], "no devices by URL")
    harness.check("viewer" in run(rig, "whoami", **reader)[0], "whoami")
    text, _ = run(rig, "devices", "show", METER, "--url", url, *here, "--token", token.strip())
    harness.check(METER in text, f"a device by URL: {text}")
    exported, _ = run(rig, "export", "--meters", METER, **reader)
    harness.check(METER in exported, "no export by URL")
    for words, environment, code, said in (
            (["status", "--url", url], {}, 4, "--cacert"),
            (["status", "--url", "http://127.0.0.1:9404"], {}, 4, "http"),
            (["devices", "list"], far, 5, "token"),
            (["devices", "list"], dict(far, HEADRACE_TOKEN="hr_wrong"), 5, "Wrong token"),
            (["devices", "approve", METER], reader, 5, "needs the role operator"),
            (["devices", "list", "--token-file", rig.path("none")], far, 4, "No such file"),
            (["status", "--cacert", rig.path("token")], far, 4, "PEM")):
        _, stderr = run(rig, *words, expect=code, **environment)
        harness.check(said in stderr, f"headrace {' '.join(words)}: {stderr}")
    harness.check("reader" in run(rig, "tokens", "list")[0], "the token is not listed")
    harness.check("/tokens" in run(rig, "audit-log")[0], "the change is not listed")
    run(rig, "tokens", "revoke", "reader")
    run(rig, "devices", "list", expect=5, **reader)
    run(rig, "tokens", "revoke", "reader", expect=1)


# --- completion ---

BASH = r"""
source <("$1" completion bash)
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
complete -p headrace >/dev/null || exit 1
_headrace
printf '%s\n' "${COMPREPLY[@]}"
"""


def completed(rig, *words):
    program = harness.program("headrace")
    got = subprocess.run(["bash", "--norc", "-c", BASH, "-", program, program, *words],
                         capture_output=True, text=True, timeout=60,
                         env=dict(os.environ, HEADRACE_SOCKET=rig.path("api.sock")))
    harness.check(got.returncode == 0 and not got.stderr, f"bash: {got.stderr}")
    return got.stdout.split()


def test_bash(rig):
    for words, expected in (
            (["dev"], ["devices"]),
            (["bills", ""], ["list", "show", "trace", "export"]),
            (["devices", "list", "--st"], ["--state"]),
            (["devices", "list", "--state", "=", "su"], ["suspended"]),
            (["devices", "list", "--state", "="], ["pending", "active", "suspended", "retired"]),
            (["devices", "show", "SM-0000"],
             [d["id"] for d in rig.api.call("GET", "/devices", prefix="SM-0000")["devices"]]),
            (["export", "--meters", "SM-00001,SM-00002"], ["SM-00001,SM-00002"]),
            (["bills", "list", "--month", today()[:7]], [today()[:7]]),
            (["devices", "import", rig.path("devices.c")], [rig.path("devices.csv")])):
        found = completed(rig, *words)
        harness.check(found == expected, f"completion of {words}: {found}, expected {expected}")


def test_zsh(rig):
    if not shutil.which("zsh"):
        print("zsh is not here: its completion is not tried")
        return
    script, _ = run(rig, "completion", "zsh")
    got = subprocess.run(["zsh", "-n"], input=script, capture_output=True, text=True, timeout=60)
    harness.check(got.returncode == 0 and not got.stderr, f"zsh -n: {got.stderr}")


def test_manual(rig):
    page, _ = run(rig, "help", "--man")
    with open(rig.path("headrace.1"), "w") as f:
        f.write(page)
    pages = [rig.path("headrace.1")]
    pages += [os.path.join(harness.ROOT, "docs/man", p)
              for p in os.listdir(os.path.join(harness.ROOT, "docs/man"))]
    for path in pages:
        got = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", "-K", "utf8", path],
                             capture_output=True, text=True, timeout=60)
        harness.check(got.returncode == 0 and not got.stderr, f"groff: {got.stderr}")


# --- the terminal ---

class Terminal:
    """headrace on a terminal of so many columns and rows."""

    def __init__(self, rig, *arguments, columns=80, rows=24):
        self.output = ""
        program = harness.program("headrace")
        os.environ["HEADRACE_SOCKET"] = rig.path("api.sock")
        go, sized = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(go, 1)  # until the window has its size
            os.execv(program, ["headrace", *arguments])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.write(sized, b"!")
        os.close(go)
        os.close(sized)

    def wait_for(self, text, patience_s=60):
        deadline = time.monotonic() + patience_s
        while text not in self.output:
            harness.check(time.monotonic() < deadline,
                          f"not on the terminal: {text!r}: {self.output[-2000:]!r}")
            if not self.read():
                break
        harness.check(text in self.output, f"ended without {text!r}: {self.output[-2000:]!r}")

    def read(self):
        """False: it ended."""
        ready, _, _ = select.select([self.fd], [], [], 0.2)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.output += data.decode(errors="replace")
        return bool(data)

    def press(self, keys):
        self.output = ""
        os.write(self.fd, keys.encode())

    def end(self):
        """The exit status, after all that is written was read."""
        deadline = time.monotonic() + 60
        while self.read():
            harness.check(time.monotonic() < deadline, "it does not end")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return status


def screens(text):
    """What was drawn from the top left corner each time."""
    return [ESCAPE.sub("", s).replace("\r", "") for s in text.split("\x1b[H")[1:]]


def test_top(rig):
    text, _ = run(rig, "top", "--once")
    for words in ("readings", "acknowledged", "journal write", "RING OR POOL", "CYCLES/ITEM"):
        harness.check(words in text, f"top --once has no {words!r}: {text}")
    t = Terminal(rig, "top", "--every", "1")
    t.wait_for("RING OR POOL")
    t.wait_for("q end")
    for line in screens(t.output)[0].split("\n")[:23]:
        harness.check(len(line) <= 80, f"top: {len(line)} columns: {line!r}")
    for key, panel, words in (("2", "[stages]", "BUSY %"), ("4", "[memory]", "RESERVED"),
                              ("5", "[errors]", "BY REASON"), ("\t", "[counters]", "COUNTER")):
        t.press(key)
        t.wait_for(panel)
        t.wait_for(words)
    t.press("?")
    t.wait_for("this text")
    t.press("q")
    harness.check(t.end() == 0, "q does not end top well")
    harness.check("\x1b[?1049l" in t.output and "\x1b[?25h" in t.output,
                  "top does not give the terminal back")


def test_top_interrupted(rig):
    t = Terminal(rig, "top")
    t.wait_for("q end")
    t.press("\x03")
    status = t.end()
    harness.check(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT,
                  f"Ctrl-C: status {status}")
    harness.check("\x1b[?1049l" in t.output, "Ctrl-C leaves the terminal as it was")


def test_waiting(rig):
    """What takes longer than a second says so on a terminal."""
    rig.daemon.send_signal(signal.SIGSTOP)
    try:
        t = Terminal(rig, "audit")
        t.wait_for("waiting for headraced")
    finally:
        rig.daemon.send_signal(signal.SIGCONT)
    t.wait_for("The accounts balance")
    harness.check(t.end() == 0, "the audit failed after a wait")


def test_narrow(rig):
    """A wide table on a narrow terminal; colours there, and none with NO_COLOR."""
    t = Terminal(rig, "errors", "list", "--limit", "5", columns=50)
    t.end()
    lines = [ESCAPE.sub("", line).rstrip("\r") for line in t.output.split("\n")]
    harness.check("\x1b[1m" in t.output, "no colours on a terminal")
    harness.check(max(len(line) for line in lines[:6]) <= 50, f"50 columns: {lines}")


def test():
    more = "  listen: 127.0.0.1:9404\n  certificate: cert.pem\n  key: key.pem\n"
    with harness.Rig("cli", meters=60, more=more) as rig:
        make_certificate(rig)
        rig.start()
        fleet = rig.fleet("--seconds", "600", "--quiet", "--rate", "3")
        deadline = time.monotonic() + 60
        while rig.api.totals()["stored"] < 500 or not rig.api.errors():
            harness.check(time.monotonic() < deadline, "the fleet sends nothing")
            time.sleep(0.1)
        for part in (test_formats, test_every_command_is_known,
                     test_whatever_is_watched, test_mistakes, test_watch,
                     test_url, test_bash, test_zsh, test_manual, test_top, test_top_interrupted,
                     test_waiting, test_narrow):
            began = time.monotonic()
            part(rig)
            print(f"{part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
        harness.check(fleet.poll() is None, "the fleet ended: there was no load")


if __name__ == "__main__":
    harness.main(test)
