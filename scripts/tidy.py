#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler does not keep: licence lines, sizes, and who may include what.

Usage: tidy.py [--list-rules]   from anywhere; exit 0: in order, 1: each breach is a line
file:line: what is wrong.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINES_MAX = 700
COLUMNS_MAX = 100
FUNCTION_MAX = 70
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

SPDX = "SPDX-License-Identifier: Apache-2.0"
SPDX_ENDINGS = (".c", ".h", ".def", ".py", ".sh", ".yaml", ".yml", "meson.build",
                ".ci/run")

# Third-party headers, and the folders that may see them.
LIBRARIES = [
    (r"rte_\w+\.h", ["dataplane/net", "dataplane/worker", "perf/gen", "tests/unit/net"]),
    (r"liburing(/.*)?\.h", ["storage/journal"]),
    (r"rocksdb/.*", ["storage/store", "perf"]),
    (r"(sqlite3|libpq-fe)\.h", ["perf"]),
    (r"(hs/)?hs(_\w+)?\.h", ["dataplane/ingest"]),
    (r"(cyaml/.*|yaml\.h)", ["control/config"]),
    (r"microhttpd\.h", ["control/api"]),
    (r"zlib\.h", ["control/api", "tests/unit/control"]),
    (r"unicode/.*", ["control/calendar"]),
    (r"curl/.*", ["control/cli", "control/events"]),
    (r"openssl/.*", ["control/broker", "control/access"]),
    (r"jansson\.h", ["control", "tests/unit/control", "tests/fuzz/control"]),
    (r"(mosquitto|MQTTClient)\.h", ["tests/fleet"]),
    (r"coap3/.*", ["tests/fleet"]),
    (r"cmocka\.h", ["tests"]),
    (r"lwip/.*", ["tests/sim/lwip"]),
]
SYSTEM = re.compile(
    r"(std\w+|inttypes|ctype|errno|limits|math|string|strings|time|signal|assert|setjmp|unistd|"
    r"fcntl|poll|pthread|sched|dirent|getopt|termios|grp|pwd|netdb|dlfcn|regex|float|fnmatch|"
    r"glob|locale|semaphore|syslog|endian|byteswap|ifaddrs|malloc|spawn|ftw|libgen|search|"
    r"execinfo|x86intrin|immintrin|cpuid|nmmintrin|smmintrin|wmmintrin|emmintrin)\.h"
    r"|(sys|linux|netinet|arpa|net|netpacket|asm|asm-generic|linux/sched)/\w+\.h")

# Our own headers: file or its folder (the longest wins) -> folders and files that it may include
# from, beside its own.
BELOW = ["dataplane/base", "dataplane/contract"]
MODULES = {
    "dataplane/base": [],
    "dataplane/contract": ["dataplane/base"],
    "dataplane/net": BELOW,
    "dataplane/tcp": BELOW,
    "dataplane/mqtt": BELOW,
    "dataplane/coap": BELOW,
    "dataplane/ingest": BELOW,
    # The loop that strings the stages together is the one place that knows them all.
    "dataplane/worker": ["dataplane", "storage", "control/config"],
    "storage": BELOW + ["storage"],
    "storage/journal": BELOW + ["storage/varint.h"],
    # The store reads the journal's blocks, and keeps the position that its data covers.
    "storage/store": BELOW + ["storage/varint.h", "storage/aggregate/aggregate.h",
                              "storage/journal/journal.h",
                              "storage/journal/record.h"],
    # A backup copies both, and looks at the journal from outside.
    "storage/backup": BELOW + ["storage/journal/journal.h", "storage/journal/inspect.h",
                               "storage/store/store.h"],
    # The control plane stands on everything below it; a worker is seen through its report only.
    "control": BELOW + ["control", "storage", "dataplane/worker/report.h"],
    "control/config": BELOW + ["control/billing", "control/calendar", "control/vee",
                               "control/events/rules.h"],
    # What operators send once more is decoded as a message is.
    "control/errors": BELOW + ["control", "storage", "dataplane/ingest/decode.h",
                               "dataplane/ingest/match.h"],
    # The daemon is the start-up order of everything.
    "control/headraced.c": ["dataplane", "storage", "control"],
    "control/start_pipeline.c": ["dataplane", "storage", "control"],
    "control/start_pipeline.h": ["dataplane", "storage", "control"],
    "control/start_ports.c": BELOW + ["control", "dataplane/net"],
    "control/start_ports.h": BELOW + ["control", "dataplane/net"],
    "tests": ["dataplane", "storage", "control", "tests"],
    "tests/unit/gen": BELOW + ["perf/gen", "dataplane/net"],
    # Clients know the server from outside only.
    "tests/fleet": ["dataplane/base"],
    "perf": ["dataplane", "storage", "control", "perf", "tests/support"],
}


def is_made(folder):
    """Not sources: git's own, what a build or a benchmark made (meson marks its folders)."""
    name = os.path.basename(folder)
    return (name in (".git", "__pycache__") or name.startswith("build") or
            os.path.isdir(os.path.join(folder, "meson-private")) or
            os.path.relpath(folder, ROOT) == os.path.join("perf", "out"))


def files():
    """Every file of the project, relative to ROOT: git's if this is a checkout and git is there."""
    try:
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"],
                                capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        listed = b""
    if listed:
        names = listed.decode().split("\0")
        return sorted(n for n in set(names) if n and os.path.isfile(os.path.join(ROOT, n)))
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if not is_made(os.path.join(folder, f))]
        found += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names]
    return sorted(found)


def check_sizes(lines, say):
    if len(lines) > LINES_MAX:
        say(1, f"{len(lines)} lines, at most {LINES_MAX}")
    start = None
    table = False  # laid out by hand
    for number, line in enumerate(lines, 1):
        if "clang-format o" in line:
            table = "clang-format off" in line
        columns = len(line.expandtabs(8))
        if columns > COLUMNS_MAX and not table:
            say(number, f"{columns} columns, at most {COLUMNS_MAX}")
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_MAX:
                say(start, f"function of {number - start - 1} lines, at most {FUNCTION_MAX}")
            start = None


def module_of(path):
    folder = path
    while folder:
        if folder in MODULES:
            return folder
        folder = os.path.dirname(folder)
    return None


def resolve(path, header):
    """Our header's path from ROOT; None: not one of ours."""
    for folder in (os.path.dirname(path), "dataplane", "", "perf/gen"):
        candidate = os.path.normpath(os.path.join(folder, header))
        if os.path.isfile(os.path.join(ROOT, candidate)):
            return candidate
    return None


def within(path, folders):
    return any(path == f or path.startswith(f + "/") for f in folders)


def check_include(path, number, quoted, header, say):
    if quoted:
        target = resolve(path, header)
        module = module_of(path)
        if target is None:
            say(number, f'"{header}" is not a file of this project')
        elif module is None:
            say(number, "this folder has no line in tidy.py's MODULES")
        elif not within(target, [module] + MODULES[module]):
            say(number, f'{module} may not include "{header}"')
        return
    for pattern, folders in LIBRARIES:
        if re.fullmatch(pattern, header):
            if not within(path, folders):
                say(number, f"<{header}> is only for {', '.join(folders)}")
            return
    if not SYSTEM.fullmatch(header):
        say(number, f"<{header}> is neither the system's nor in tidy.py's LIBRARIES")


def check_source(path, lines, say):
    check_sizes(lines, say)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if match:
            check_include(path, number, match[1] == '"', match[2], say)
        if re.search(r"(^|[^:\"])//\s", line) and '"' not in line and "*" not in line:
            say(number, "comments are /* */ here")


def main():
    if sys.argv[1:] == ["--list-rules"]:
        for module, others in MODULES.items():
            print(f"{module}: itself{''.join(', ' + o for o in others)}")
        return 0
    breaches = []
    checked = 0
    for path in files():
        def say(number, what, path=path):
            breaches.append(f"{path}:{number}: {what}")
        if not path.endswith(SPDX_ENDINGS):
            continue
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        checked += 1
        if not any(SPDX in line for line in lines[:3]):
            say(1, "no SPDX line among the first three")
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                say(number, "unfinished work has an issue, not a mark in the source")
        if path.endswith((".c", ".h")):
            check_source(path, lines, say)
    for breach in breaches:
        print(breach)
    print(f"{checked} files, {len(breaches)} breaches")
    return 1 if breaches or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
