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

# What a running native container looks like on disk; its process is a sleep of ours.
fake_container()
{
	local id=$1 start
	sleep 1000 3>&- &
	FAKE_PID=$!
	start=$(awk '{ print $22 }' "/proc/$FAKE_PID/stat")
	mkdir -p "$ROOT/$id"
	"$MOAT" spec --bundle "$ROOT/$id"
	jq -n --arg id "$id" --argjson pid "$FAKE_PID" --argjson start "$start" '{
		version: 1, id: $id, isolation: "native", phase: "created", bundle: "/bundle",
		rootfs: "/bundle/rootfs", created: "2026-01-02T03:04:05.000000006Z",
		pid: $pid, pidStart: $start
	}' >"$ROOT/$id/state.json"
}

teardown()
{
	[[ -n ${FAKE_PID:-} ]] || return 0
	kill -9 "$FAKE_PID" 2>/dev/null || true
	wait "$FAKE_PID" 2>/dev/null || true
}
