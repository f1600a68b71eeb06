#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian 12 packages that Headrace is built, run and tested with. Installs only what is
# missing; says nothing and is done at once when nothing is. Needs root only to install.
#
#   scripts/setup.sh            everything
#   scripts/setup.sh --no-tests without what only the tests need: the second compiler, the browser
set -eu

build="gcc libc6-dev meson ninja-build pkg-config python3
  libdpdk-dev liburing-dev libhyperscan-dev librocksdb-dev libcyaml-dev libyaml-dev libjansson-dev
  libmicrohttpd-dev libcurl4-openssl-dev libssl-dev libicu-dev zlib1g-dev"
# The demo's and the tests' clients, and their network.
test="libcmocka-dev liblwip-dev libmosquitto-dev mosquitto-clients python3-paho-mqtt libpaho-mqtt-dev libcoap3-dev libcoap3-bin curl openssl python3-jsonschema
  iproute2 ethtool procps util-linux tzdata"
# Of test.sh alone: its second compiler, the dashboard's browser, what checks manuals, completion
# and TLS, and npm where there is none.
tests="clang chromium fonts-dejavu-core groff-base zsh openssl"
command -v npm >/dev/null || tests="$tests nodejs npm"
case "${1-}" in
'') ;;
--no-tests) tests= ;;
*)
	sed -n '3,7s/^# \{0,1\}//p' "$0"
	[ "$1" = --help ]
	exit $?
	;;
esac

# shellcheck disable=SC2016,SC2086 # ${Package} is dpkg-query's; lists of words
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $build $test $tests \
	2>/dev/null) || true
missing=
for package in $build $test $tests; do
	case "
$installed
" in
	*"
installed $package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	root=
elif command -v sudo >/dev/null; then
	root=sudo
else
	echo "setup: missing packages, and neither root nor sudo to install them. As root, run:" >&2
	echo "  apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

echo "setup: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
as_root() {
	if [ -n "$root" ]; then
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	else
		DEBIAN_FRONTEND=noninteractive "$@"
	fi
}
if ! as_root apt-get update >"$log" 2>&1 ||
	# shellcheck disable=SC2086 # a list of words
	! as_root apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1; then
	cat "$log" >&2
	echo "setup: apt-get failed (above). Headrace is built with Debian 12's packages." >&2
	exit 1
fi
