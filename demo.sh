#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install what is missing, build, and show Headrace at work: headraced on a DPDK port in a network
# namespace, a fleet of simulated meters on real MQTT and CoAP clients, and an account that balances.
#
#   ./demo.sh [--meters N] [--seconds N] [--keep]
#
#   --meters N   meters (200)
#   --seconds N  seconds of traffic (20)
#   --keep       leave headraced running, and say how to go on with it
#
# Exit 0: every acknowledged reading is where it must be. Nothing is left behind without --keep.
set -eu
cd "$(dirname "$0")"

for argument; do
	if [ "$argument" = --help ]; then
		sed -n '3,13s/^# \{0,1\}//p' "$0"
		exit 0
	fi
done

scripts/setup.sh
if [ ! -f build/build.ninja ]; then
	echo "setting up the build ..."
	log=$(mktemp)
	meson setup build >"$log" 2>&1 || { cat "$log"; rm -f "$log"; exit 1; }
	rm -f "$log"
fi
echo "building (the first time takes a minute or two) ..."
ninja -C build --quiet headraced headrace headrace-fleet
HEADRACE_BUILD=$PWD/build exec python3 tests/e2e/demo.py "$@"
