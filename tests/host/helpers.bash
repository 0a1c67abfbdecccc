# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The behaviour suite's helpers, and what only this host's tests look at.

load ../behaviour/helpers

readonly CGROUPS=/sys/fs/cgroup TRACING=/sys/kernel/tracing

# The container's cgroup as the host sees it.
cgroup() {
  echo "$CGROUPS$(jq -r .cgroup "$ROOT/$ID/state.json")"
}

limit() {
  cat "$(cgroup)/$1"
}

# The kernel's word on who moved where: traced EVENT… COMMAND; what was seen is then in $TRACE.
traced() {
  local event=$1
  shift
  TRACE=$BATS_TEST_TMPDIR/trace
  echo >$TRACING/trace
  echo 1 >"$TRACING/events/$event/enable"
  "$@"
  echo 0 >"$TRACING/events/$event/enable"
  cat $TRACING/trace >"$TRACE"
}

boot_id() {
  cat /proc/sys/kernel/random/boot_id
}

# The verdict that moat keeps of this boot's KVM.
write_verdict() {
  mkdir -p "$ROOT/@cache"
  printf '%s\n%s\n' "$1" "$2" >"$ROOT/@cache/kvm-verdict"
}

# Streams are tested with bytes that occur nowhere else.
make_data() {
  head -c 8M /dev/urandom >"$BATS_TEST_TMPDIR/data"
}

# A container that copies its input, says something apart, and ends with 42.
expect_streams() {
  local status=0
  make_data
  script 'cat; echo apart >&2; exit 42'
  moat run --bundle "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/data" >"$OUT" 2>"$ERR" || status=$?
  cat "$ERR" >&2
  expect $status = 42
  expect_data "$OUT"
  expect "$(cat "$ERR")" = apart
}

expect_data() {
  expect "$(sha256sum <"$1")" = "$(sha256sum <"$BATS_TEST_TMPDIR/data")"
}
