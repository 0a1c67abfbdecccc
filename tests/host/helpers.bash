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
