# SPDX-License-Identifier: Apache-2.0
# containerd with moat beneath its shim for runc, on an image made here, without network.

load helpers

ctr() {
  command ctr --address "$WORK/containerd.sock" "$@" 3>&-
}

# Options of every `ctr run`; the last of them are the image and the identifier.
ctr_run() {
  ctr run --runtime io.containerd.runc.v2 --runc-binary "$MOAT" --snapshotter native \
    --cgroup "$CGROUP_PARENT/box" "$@"
}

is_served() {
  ctr version >/dev/null 2>&1
}

has_task() {
  ctr task list | grep -q "^box .* $1\$"
}

has_no_task() {
  ! ctr task list | grep -q '^box '
}

write_containerd_configuration() {
  cat >"$WORK/containerd.toml" <<END
version = 2
root = "$WORK/containerd"
state = "/run/moat-containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt"]

[grpc]
address = "$WORK/containerd.sock"
END
}

obstacle() {
  missing containerd podman
}

setup_file() {
  is_possible || return 0
  setup_podman
  write_containerd_configuration
  containerd --config "$WORK/containerd.toml" --log-level warn >"$WORK/containerd.log" 2>&1 3>&- &
  echo $! >"$WORK/containerd.pid"
  if ! eventually 30 is_served; then
    cat "$WORK/containerd.log"
    return 1
  fi
  podman save --quiet --format oci-archive --output "$WORK/oci.tar" localhost/busybox
  ctr image import --base-name localhost/busybox --snapshotter native "$WORK/oci.tar" >&2
  IMAGE=$(ctr image list --quiet | head -n 1)
  export IMAGE
}

teardown_file() {
  [ -n "${WORK-}" ] || return 0
  kill "$(cat "$WORK/containerd.pid")"
  teardown_podman
}

remove_task() {
  ctr task kill --signal KILL box >/dev/null 2>&1 || true
  eventually 10 has_no_running_task
  ctr task delete box >/dev/null 2>&1 || true
  ctr container delete box >/dev/null 2>&1 || true
}

has_no_running_task() {
  ! has_task RUNNING && ! has_task PAUSED
}

# Beneath containerd the runtime's records are in a root that the shim names.
records() {
  find /run/containerd/runc -mindepth 2 -not -path '*/@*' 2>/dev/null
}

is_clean() {
  [ -z "$(records)" ] && has_no_leftovers
}

teardown() {
  [ -z "$OBSTACLE" ] || return 0
  [ -n "$BATS_TEST_COMPLETED" ] || echo "last output: ${output-}"
  remove_task
  if ! eventually 10 is_clean; then
    echo "left behind: $(records) $(leftovers)"
    return 1
  fi
}

@test "ctr run shows output and returns the program's status" {
  run -0 ctr_run --rm "$IMAGE" box echo hello
  expect "$output" = hello
  run -42 ctr_run --rm "$IMAGE" box sh -c 'exit 42'
}

@test "ctr run of a missing program fails, and leaves nothing" {
  run ! ctr_run --rm "$IMAGE" box /no/such/program
  expect_match "$output" "no such file or directory"
}

@test "ctr run --tty gives a terminal" {
  run -5 tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' -- \
    ctr --address "$WORK/containerd.sock" run --runtime io.containerd.runc.v2 --runc-binary "$MOAT" --snapshotter native \
    --cgroup "$CGROUP_PARENT/box" --rm --tty "$IMAGE" box sh -c 'tty; echo up; read line; echo "got $line"; exit 5'
  expect_match "$output" /dev/pts/
}

@test "ctr task exec runs beside the container's program" {
  ctr_run --detach "$IMAGE" box sleep 1000
  has_task RUNNING
  run -0 ctr task exec --exec-id one box sh -c 'cat /proc/1/comm'
  expect "$output" = sleep
  run -7 ctr task exec --exec-id two box sh -c 'exit 7'
  run ! ctr task exec --exec-id three box nosuchprogram
  expect_match "$output" nosuchprogram
}

@test "ctr task kill, and delete of what has ended" {
  ctr_run --detach "$IMAGE" box sleep 1000
  run ! ctr task delete box
  ctr task kill --signal KILL box
  eventually 10 has_task STOPPED
  run ! ctr task kill --signal TERM box
  run -0 ctr task delete box
  expect_match "$output" "exit code 137"
  has_no_task
}

@test "ctr task pause and resume" {
  ctr_run --detach "$IMAGE" box sleep 1000
  ctr task pause box
  has_task PAUSED
  ctr task resume box
  has_task RUNNING
  run -0 ctr task exec --exec-id one box echo alive
  expect "$output" = alive
}

@test "ctr task metrics and ps" {
  ctr_run --detach --memory-limit 67108864 "$IMAGE" box sleep 1000
  run -0 ctr task metrics box
  expect_match "$output" memory
  run -0 ctr task ps box
  expect_match "$output" PID
}
