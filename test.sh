#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Set up, build with gcc and clang, run every test; the unit, simulation and corpus tests once more
# under AddressSanitizer and UBSan. Ends with the counts. Exit 0: everything passed or was skipped.
#
#   ./test.sh          everything
#   ./test.sh --quick  one compiler, no sanitizers
set -u
cd "$(dirname "$0")" || exit 1

quick=no
case "${1-}" in
'') ;;
--quick) quick=yes ;;
*)
	sed -n '3,7s/^# \{0,1\}//p' "$0"
	[ "$1" = --help ]
	exit $?
	;;
esac

passed=0 failed=0 skipped=0

say() {
	printf '\n== %s\n' "$*"
}

# build FOLDER [meson setup option...]: set up unless that was done before, compile.
build() {
	local folder=$1
	shift
	if [ ! -f "$folder/build.ninja" ]; then
		meson setup "$folder" "$@" >"$folder.log" 2>&1 || {
			cat "$folder.log"
			rm -f "$folder.log"
			return 1
		}
		rm -f "$folder.log"
	fi
	ninja -C "$folder" --quiet
}

# count NAME < the runner's log: the number after "NAME:" in its summary.
count() {
	sed -n "s/^$1: *\([0-9]*\) *$/\1/p" | tail -n 1
}

# run FOLDER [meson test option...]
run() {
	local folder=$1 log number
	shift
	log=$folder/test-summary.txt
	meson test -C "$folder" --no-rebuild --print-errorlogs "$@" 2>&1 | tee "$log"
	for name in Ok 'Expected Fail'; do
		number=$(count "$name" <"$log")
		passed=$((passed + ${number:-0}))
	done
	for name in Fail 'Unexpected Pass' Timeout; do
		number=$(count "$name" <"$log")
		failed=$((failed + ${number:-0}))
	done
	number=$(count Skipped <"$log")
	skipped=$((skipped + ${number:-0}))
	if ! grep -q '^Ok: ' "$log"; then
		echo "test.sh: no test ran in $folder"
		failed=$((failed + 1))
	fi
}

scripts/setup.sh || exit 1

say 'build: gcc, optimised'
if build build; then
	say 'tests'
	run build
else
	failed=$((failed + 1))
fi

if [ "$quick" = no ]; then
	say 'build: gcc, AddressSanitizer and UBSan'
	# The instrumentation confuses the flow analysis behind some warnings: they are no errors here.
	if build build-asan -Dbuildtype=debugoptimized -Dwerror=false \
		-Db_sanitize=address,undefined \
		-Db_lundef=false -Ddebug_checks=true; then
		say 'tests under the sanitizers'
		UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
			run build-asan --suite unit --suite fuzz --suite sim -t 4
	else
		failed=$((failed + 1))
	fi
	say 'build: clang'
	# for its warnings, which don't depend on what it optimises
	CC=clang build build-clang -Doptimization=0 || failed=$((failed + 1))
fi

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
