# SPDX-License-Identifier: Apache-2.0
"""What the machine itself can do, measured in the same run: its disk's durable write."""
import mmap
import os
import shutil
import time

WRITE_BYTES = 4096
FILE_BYTES = 16 << 20


def percentile(values, percent):
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def durable_writes(folder, seconds):
    """One 4 KB write after the other into a file that has its blocks already."""
    try:
        path = os.path.join(folder, "device")
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600)
        big, small = mmap.mmap(-1, 1 << 20), mmap.mmap(-1, WRITE_BYTES)
        for offset in range(0, FILE_BYTES, 1 << 20):
            os.pwritev(fd, [big], offset)
        os.fsync(fd)
        took, end = [], time.monotonic() + seconds
        offset = 0
        while time.monotonic() < end:
            start = time.perf_counter_ns()
            os.pwritev(fd, [small], offset, os.RWF_DSYNC)
            took.append(time.perf_counter_ns() - start)
            offset = (offset + WRITE_BYTES) % FILE_BYTES
        os.close(fd)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took.sort()
    return {"count": len(took), "p50_us": round(percentile(took, 50) / 1000),
            "p99_us": round(percentile(took, 99) / 1000)}
