#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that are really full, under load: first the store's, then the journal's, too. Nothing is
acknowledged that is not durable, the alarms name the cause, and once there is space again everything
goes on without a restart: all is acknowledged, stored once, and balances.
The disks are small tmpfs mounts in a mount namespace of this test's own."""
import contextlib
import ctypes
import os
import time

import check_ledger
import harness

CLONE_NEWNS = 0x00020000
JOURNAL_MB = 64
STORE_MB = 512  # RocksDB goes on when there is room for all that its memory may hold: 192 MiB


def small_disk(path, megabytes):
    os.mkdir(path)
    harness.run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path)


def fill(path):
    """Take all the space of a disk."""
    with open(os.path.join(path, "hog"), "wb", buffering=0) as f, \
            contextlib.suppress(OSError):
        while f.write(bytes(1 << 16)):
            pass


def wait_for(what, condition, patience_s=60):
    deadline = time.monotonic() + patience_s
    while not condition():
        harness.check(time.monotonic() < deadline, f"{what}: not in {patience_s} s")
        time.sleep(0.05)


def durable(rig):
    return rig.api.status()["journal"]["durable_block"]


def store_stuck(rig):
    store = rig.api.status()["store"]
    return store["alarm"] if store["stuck"] else ""


def test_store_full(rig, store_disk):
    """Readings go on being acknowledged: the journal keeps them."""
    wait_for("first readings", lambda: durable(rig) > 20)
    fill(store_disk)
    wait_for("the store's alarm", lambda: store_stuck(rig))
    harness.check("space" in store_stuck(rig), f"the store says '{store_stuck(rig)}'")
    print(f"store: {store_stuck(rig)}", flush=True)
    stood = durable(rig)
    wait_for("acknowledgements meanwhile", lambda: durable(rig) > stood + 5)


def test_journal_full(rig, disk):
    """No segment can be used again, for the store has them not, and none can be made."""
    fill(disk)
    wait_for("the journal's alarm", lambda: rig.api.status()["journal"]["stalled"])
    alarm = rig.api.status()["journal"]["alarm"]
    harness.check("No space left" in alarm, f"the alarm says '{alarm}'")
    harness.check("No space left" in rig.headrace("status"), "headrace status shows no alarm")
    stood = durable(rig)
    time.sleep(1)  # it must not move, however long we look
    harness.check(durable(rig) == stood, "blocks became durable on a full disk")
    print(f"journal full at block {stood}: {alarm}", flush=True)
    os.unlink(os.path.join(disk, "hog"))
    wait_for("going on", lambda: durable(rig) > stood)
    wait_for("the end of the alarm", lambda: not rig.api.status()["journal"]["stalled"])
    print(f"journal went on by itself to block {durable(rig)}", flush=True)


def check_all(rig):
    rig.settle()
    entries, ended = check_ledger.read_ledger(rig.path("ledger.jsonl"))
    harness.check(ended, "the ledger is not complete")
    checker = check_ledger.Checker(rig.api, entries, resent=True, alone=True)
    checker.load_store()
    count = checker.check_store()
    harness.check(not checker.wrong, f"{len(checker.wrong)} wrong: {checker.wrong[:5]}")
    rig.check_audit()
    print(f"{count} acknowledged readings, each there once")


def test():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        harness.skip("no mount namespace here")
    harness.run("mount", "--make-rprivate", "/")
    with harness.Rig("full-disk", meters=60, segment_mb=4, flush_s=1) as rig:
        disk = rig.path("disk")
        store_disk = rig.path("store_disk")
        small_disk(disk, JOURNAL_MB)
        small_disk(store_disk, STORE_MB)
        with open(rig.config_file) as f:
            text = f.read()
        text = text.replace(f"dir: {rig.folder}/journal\n", f"dir: {disk}/journal\n")
        text = text.replace("  segment_mb: 4\n", "  segment_mb: 4\n  segments_spare: 1\n")
        text = text.replace(f"dir: {rig.folder}/store\n", f"dir: {store_disk}/store\n")
        with open(rig.config_file, "w") as f:
            f.write(text)
        try:
            rig.start()
            fleet = rig.fleet("--reconnect", "--quiet", "--rate", "60", "--seconds", "12",
                              "--clean", "--ledger", rig.path("ledger.jsonl"))
            test_store_full(rig, store_disk)
            test_journal_full(rig, disk)
            os.unlink(os.path.join(store_disk, "hog"))
            wait_for("the store going on", lambda: not store_stuck(rig))
            print("store went on by itself", flush=True)
            code = fleet.wait(90)
            harness.check(code == 0, f"the fleet ended with {code}: not all was acknowledged")
            check_all(rig)
            harness.check(rig.stop() == 0, "it did not end in order")
        finally:
            if rig.alive():
                rig.kill()
            for path in (disk, store_disk):
                harness.run("umount", "--lazy", path)


if __name__ == "__main__":
    harness.main(test)
