# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of checkpoint and restore share; CRIU is $MOAT_TEST_CRIU, or criu of $PATH.

CRIU=${MOAT_TEST_CRIU:-criu}

criu_obstacle() {
  missing "$CRIU"
  "$CRIU" check >/dev/null 2>&1 || echo "criu cannot work on this kernel: $("$CRIU" check 2>&1 | tail -n 1)"
}

# A container that counts in memory, and shows that in a file, whose last line is whole at any time.
counter() {
  script 'i=0; while :; do i=$((i + 1)); echo $i >>/tmp/count; usleep 20000; done'
  detached "$@"
  eventually 30 counted_beyond 10
}

# One that says it, too, into a file that `create` and `restore` were given.
loud_counter() {
  script 'i=0; while :; do i=$((i + 1)); echo $i >>/tmp/count; echo $i; usleep 20000; done'
  detached
  eventually 30 counted_beyond 10
}

said_beyond() {
  local said
  said=$(tail -n 1 "$OUT")
  [ -n "$said" ] && ((said > $1))
}

# How far container $1 is, or the test's.
count() {
  if is_vm; then
    moat exec "${1:-$ID}" tail -n 1 /tmp/count
  else
    tail -n 1 "$BUNDLE/rootfs/tmp/count"
  fi
}

counted_beyond() {
  local now
  now=$(count "${2:-}")
  [ -n "$now" ] && ((now > $1))
}

save() {
  moat --criu "$CRIU" checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$@" "$ID"
}

load_saved() {
  moat --criu "$CRIU" restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" \
    --pid-file "$PID_FILE" "$@" "$ID" </dev/null >>"$OUT" 2>>"$ERR"
}
