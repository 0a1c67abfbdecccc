# SPDX-License-Identifier: Apache-2.0
# podman's commands to save containers, with runc and with moat. CRIU is $MOAT_TEST_CRIU, or criu of $PATH.

load helpers

obstacle() {
  local criu=${MOAT_TEST_CRIU:-criu}
  [ "$MOAT_ISOLATION" = native ] || echo "native only: runc shares the host's kernel, a guest has its own"
  missing podman runc "$criu"
  "$criu" check >/dev/null 2>&1 || echo "criu cannot work on this kernel: $("$criu" check 2>&1 | tail -n 1)"
}

setup_file() {
  is_possible || return 0
  # podman looks for it by itself.
  [ -z "${MOAT_TEST_CRIU-}" ] || export PATH=$PATH:${MOAT_TEST_CRIU%/*}
  setup_podman
}

# each_runtime COMMAND…: with both of them, and what moat's says is what runc's does.
each_runtime() {
  local theirs
  theirs=$(RUNTIME=runc "$@")
  podman rm --all --force --time 0 >/dev/null
  expect "$(RUNTIME=moat "$@")" = "$theirs"
}

# It counts in memory, and nowhere else.
start_counter() {
  pod_run --detach --name counter "$@" busybox sh -c 'i=0; while :; do i=$((i + 1)); echo "$i"; usleep 20000; done' \
    >/dev/null
  eventually 30 logs_contain counter 3
}

last_count() {
  podman logs --tail 1 "$1"
}

goes_beyond() {
  (($(last_count "$1") > $2))
}

is_running() {
  [ "$(podman inspect --format '{{.State.Running}} {{.State.Checkpointed}}' "$1")" = "$2" ]
}

save_and_restore() {
  local before
  start_counter
  podman container checkpoint counter
  is_running counter "false true"
  before=$(last_count counter)
  podman container restore counter
  is_running counter "true false"
  eventually 30 goes_beyond counter "$before"
  # Not from the begin.
  (($(podman logs counter | grep -c '^1$') == 1)) && echo "goes on"
  podman stop --time 0 counter
}

@test "checkpoint and restore: a counter goes on where it was" {
  each_runtime save_and_restore
}

export_and_import() {
  local before
  start_counter
  podman container checkpoint --export "$WORK/saved.tar.gz" counter
  before=$(last_count counter)
  podman rm --force --time 0 counter
  podman container restore --import "$WORK/saved.tar.gz" --name other >/dev/null
  eventually 30 goes_beyond other "$before"
  podman logs other | grep -qx 1 || echo "goes on"
  podman rm --force --time 0 other >/dev/null
  rm "$WORK/saved.tar.gz"
}

@test "checkpoint --export and restore --import: under another name" {
  each_runtime export_and_import
}

keep_running() {
  start_counter
  podman container checkpoint --leave-running counter
  is_running counter "true false" && echo "runs on"
  goes_beyond counter 3 && podman container checkpoint --keep counter
  podman container restore --keep counter
}

@test "checkpoint --leave-running, --keep" {
  each_runtime keep_running
}
