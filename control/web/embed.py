#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard's files as C: web_files[] of web.h, each plain and compressed, with its type and an
ETag of its content. The same files give the same C.

Usage: embed.py OUTPUT FILE...
"""
import gzip
import hashlib
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def array(name, data):
    rows = [", ".join(f"{b:#04x}" for b in data[i:i + 16]) for i in range(0, len(data), 16)]
    return f"static const uint8_t {name}[] = {{\n\t" + ",\n\t".join(rows) + "};\n"


def main():
    output, paths = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
    text = ('/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by embed.py. */\n'
            '#include "control/web/web.h"\n\n')
    table = ""
    for i, path in enumerate(paths):
        with open(path, "rb") as f:
            plain = f.read()
        packed = gzip.compress(plain, 9, mtime=0)
        text += array(f"plain{i}", plain) + array(f"gzip{i}", packed)
        table += (f'\t{{"{os.path.basename(path)}", "{TYPES[os.path.splitext(path)[1]]}", '
                  f'"\\"{hashlib.sha256(plain).hexdigest()[:24]}\\"", plain{i}, gzip{i}, '
                  f"{len(plain)}, {len(packed)}}},\n")
    text += (f"\nconst struct web_file web_files[] = {{\n{table}}};\n"
             f"const size_t web_file_count = {len(paths)};\n")
    with open(output, "w", encoding="ascii") as f:
        f.write(text)


if __name__ == "__main__":
    main()
