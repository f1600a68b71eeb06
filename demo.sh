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

scripts/setup.sh --no-tests

# quietly COMMAND...: its output only if it fails.
quietly() {
	local log
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then
		cat "$log"
		rm -f "$log"
		exit 1
	fi
	rm -f "$log"
}
if [ ! -f build/build.ninja ]; then
	echo "building, which takes a minute or two the first time ..."
	quietly meson setup build
fi
quietly meson compile -C build headraced headrace headrace-fleet
HEADRACE_BUILD=$PWD/build exec python3 tests/e2e/demo.py "$@"
