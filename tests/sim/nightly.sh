#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The TCP simulations over many seeds: 14,000 against the reference client (2,000 of each scenario)
# and 3,000 against lwIP. A failed seed prints the command that replays it alone.
#
#   tests/sim/nightly.sh [BUILD-FOLDER [FIRST-SEED]]     default: build, 1
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
first=${2:-1}
ninja -C "$build" --quiet tests/sim/tcp/sim_tcp tests/sim/lwip/sim_lwip || exit 1
failed=0
nice "$build/tests/sim/tcp/sim_tcp" --seeds "$first-$((first + 1999))" || failed=1
nice "$build/tests/sim/lwip/sim_lwip" --seeds "$first-$((first + 2999))" || failed=1
exit $failed
