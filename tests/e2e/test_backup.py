#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A backup under load, kill -9, and the backup restored elsewhere: every reading that was
acknowledged before the backup began is there, once, with its values; nothing is there that was not
sent; the audit balances. Restored to a block in between, it ends there. A damaged backup is
refused. The journal of the killed daemon is sound, by `headrace journal verify`."""
import glob
import json
import os
import shutil
import time

import check_ledger
import harness

STORED = ("stored", "duplicate", "conflict")


def wait_for_readings(rig, fleet, number):
    deadline = time.monotonic() + 60
    while sum(rig.api.totals().values()) < number:
        harness.check(fleet.poll() is None, f"the fleet ended with {fleet.returncode}")
        harness.check(time.monotonic() < deadline, f"not {number} readings in 60 s")
        time.sleep(0.05)


def ledger(rig):
    return check_ledger.read_ledger(rig.path("ledger.jsonl"))[0]


def start_on(rig, folder):
    """headraced on what was restored."""
    with open(rig.config_file) as f:
        text = f.read()
    for name in ("journal", "store"):
        text = text.replace(f"dir: {rig.folder}/{name}\n", f"dir: {folder}/{name}\n")
        text = text.replace(f"dir: {rig.previous}/{name}\n", f"dir: {folder}/{name}\n")
    with open(rig.config_file, "w") as f:
        f.write(text)
    rig.previous = folder
    rig.start()


def check_content(rig, must, sent):
    """`must` is there, once, and nothing that was not sent. Returns the number of readings."""
    first = {(e.meter, e.ts): e.values for e in sent if e.fate in ("stored", "duplicate")}
    found = {}
    for meter in sorted({meter for meter, _ in first}):
        for ts, values in rig.api.readings(meter):
            harness.check((meter, ts) not in found, f"{meter} {ts} is there twice")
            found[meter, ts] = check_ledger.canonical(values)
    lost = [key for key in must if key not in found]
    harness.check(not lost, f"{len(lost)} acknowledged readings are missing: {lost[:5]}")
    wrong = [key for key, values in found.items() if first.get(key) != values]
    harness.check(not wrong, f"{len(wrong)} readings were not sent so: {wrong[:5]}")
    rig.settle()
    rig.check_audit()
    return len(found)


def test_damage(rig, backup):
    """One flipped bit: refused, and nothing is left behind."""
    damaged = rig.path("damaged")
    shutil.copytree(backup, damaged)
    victim = max(glob.glob(f"{damaged}/store/readings/*.sst"), key=os.path.getsize)
    with open(victim, "r+b") as f:
        f.seek(100)
        byte = f.read(1)
        f.seek(100)
        f.write(bytes([byte[0] ^ 1]))
    rig.headrace("restore", damaged, "--to", rig.path("never"), expect=3)
    harness.check(not os.path.exists(rig.path("never")), "a damaged backup was restored")
    os.unlink(f"{damaged}/MANIFEST")
    rig.headrace("restore", damaged, "--to", rig.path("never"), expect=2)


def check_configuration(folder, restored):
    """What bills and estimates were made by comes with them."""
    tariffs = os.path.join(harness.ROOT, "configs", "tariffs")
    wanted = {"headrace.yaml", "channels.yaml", "health.yaml"}
    wanted |= {f"tariffs/{name}" for name in os.listdir(tariffs)}
    wanted |= {f"vee/{name}" for name in os.listdir(os.path.join(harness.ROOT, "configs", "vee"))}
    for place in folder, restored:
        missing = [w for w in wanted if not os.path.exists(os.path.join(place, "config", w))]
        harness.check(not missing, f"{place}/config lacks {missing}")


MORE = f"""\
vee_dir: {harness.ROOT}/configs/vee
health_file: {harness.ROOT}/configs/health.yaml
"""


def test():
    with harness.Rig("backup", meters=100, segment_mb=4, flush_s=1, more=MORE) as rig:
        rig.previous = rig.folder
        rig.start()
        fleet = rig.fleet("--reconnect", "--ledger-sync", "--quiet", "--rate", "20", "--seconds",
                          "3600", "--ledger", rig.path("ledger.jsonl"))
        wait_for_readings(rig, fleet, 3000)
        before = ledger(rig)
        rig.headrace("backup", rig.path("backup"))
        after = sum(rig.api.totals().values())
        rig.headrace("backup", rig.path("backup"), expect=1)  # it is there already
        live = rig.headrace("journal", "verify", rig.path("journal"))
        harness.check("Sound" in live, f"beside the daemon: {live}")
        wait_for_readings(rig, fleet, after + 1000)
        harness.check(not os.path.exists(rig.path("store/backup.checkpoint")),
                      "the checkpoint was left behind")
        rig.kill()
        harness.end(fleet)
        sent = ledger(rig)
        must = {(e.meter, e.ts) for e in before if e.acked and e.fate in STORED}
        print(rig.headrace("journal", "verify", rig.path("journal")).strip())

        made = json.loads(rig.headrace("restore", rig.path("backup"), "--to", rig.path("whole"),
                                       "--json"))
        check_configuration(rig.path("backup"), rig.path("whole"))
        start_on(rig, rig.path("whole"))
        whole = check_content(rig, must, sent)
        print(f"{len(must)} acknowledged before the backup, {whole} restored, block "
              f"{made['journal_block']}")
        rig.stop()

        manifest = open(rig.path("backup/MANIFEST")).read().split("\n")
        first = int(manifest[2].split()[1])
        last = int(manifest[3].split()[1])
        harness.check(last == made["journal_block"], "another end than the manifest's")
        harness.check(last > first, "nothing came in during the backup")
        middle = (first + last + 1) // 2
        rig.headrace("restore", rig.path("backup"), "--to", rig.path("part"), "--until",
                     str(middle))
        start_on(rig, rig.path("part"))
        status = rig.api.status()
        harness.check(status["journal"]["durable_block"] == middle,
                      f"restored to {middle}, it has {status['journal']['durable_block']}")
        part = check_content(rig, set(), sent)
        harness.check(part <= whole, "a part is more than the whole")
        print(f"to block {middle} of {first} to {last}: {part} readings")
        rig.stop()
        rig.headrace("restore", rig.path("backup"), "--to", rig.path("x"), "--until", str(last + 1),
                     expect=2)
        rig.headrace("restore", rig.path("backup"), "--to", rig.path("x"), "--until", "2001-01-01",
                     expect=2)
        test_damage(rig, rig.path("backup"))


if __name__ == "__main__":
    harness.main(test)
