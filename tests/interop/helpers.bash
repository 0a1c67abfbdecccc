# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Every test file has a podman of its own, whose default runtime is moat in $MOAT_ISOLATION; and at
# the end of each test a look at what is left behind.

bats_require_minimum_version 1.5.0

load podman
load ../lib/obstacle

only_native() {
  [ "$MOAT_ISOLATION" = native ] || skip "native only: $1"
}

# What outlives a container: the runtime's record, its virtual machine, its cgroups.
leftovers() {
  "$MOAT" list --quiet 2>&1
  pgrep -af '^[^ ]*(qemu-system-|moat-shim|virtiofsd)' || true
  find /sys/fs/cgroup -type d -path "*$CGROUP_PARENT/libpod-*" -not -name '*-conmon*' \
    ${MOAT_TEST_NO_UNIFIED:+-not -path "*/unified/*"} 2>/dev/null
}

has_no_leftovers() {
  [ -z "$(leftovers)" ]
}

obstacle() {
  missing podman
}

setup_file() {
  is_possible || return 0
  setup_podman
}

setup() {
  skip_impossible
}

teardown_file() {
  teardown_podman
}

teardown() {
  [ -z "${OBSTACLE-}" ] || return 0
  [ -n "$BATS_TEST_COMPLETED" ] || echo "last output: ${output-}"
  remove_all
  if ! eventually 5 has_no_leftovers; then
    echo "left behind:"
    leftovers
    return 1
  fi
}
