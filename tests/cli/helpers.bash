# SPDX-License-Identifier: Apache-2.0
# Each test has a root directory of its own, and nothing that a test makes is outside of it.
# Variables: MOAT, the program (default: what ./dev build leaves in build/bin).

bats_require_minimum_version 1.5.0

MOAT=${MOAT:-$BATS_TEST_DIRNAME/../../build/bin/moat}
SOURCE_DIR=$BATS_TEST_DIRNAME/../..

setup()
{
	if [[ ! -x $MOAT ]]; then
		echo "no program at '$MOAT': build it, or set MOAT" >&2
		return 1
	fi
	unset MOAT_ISOLATION
	ROOT=$BATS_TEST_TMPDIR/root
	cd "$BATS_TEST_TMPDIR" || return 1
}

# Runs moat with the test's own root directory: $status, $output, $stderr.
moat()
{
	run --separate-stderr "$MOAT" --root "$ROOT" "$@"
}

# The command fails with this status and exactly this on standard error.
fails_with()
{
	local wanted_status=$1 wanted_text=$2
	shift 2
	moat "$@"
	check "$status" "$wanted_status"
	check "$stderr" "moat: $wanted_text"
	check "$output" ""
}

check()
{
	if [[ $1 != "$2" ]]; then
		printf 'got:    %s\nwanted: %s\n' "$1" "$2" >&2
		return 1
	fi
}

# A bundle in $BATS_TEST_TMPDIR/bundle whose program needs nothing but the file itself.
make_bundle()
{
	mkdir -p bundle/rootfs
	(cd bundle && "$MOAT" spec)
}
