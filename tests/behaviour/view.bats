# SPDX-License-Identifier: Apache-2.0
# What callers find behind the pid that they know of a container: its files, and not the host's.

load helpers

# inside PID COMMAND…: with the root and the mounts of process PID, as engines copy files.
inside() {
  local pid=$1
  shift
  nsenter --mount --root --wd --target "$pid" "$@"
}

pid_of_container() {
  cat "$PID_FILE"
}

# What a process of the host has mounted where nobody in a container may look.
mounts_of() {
  awk '{ print $5 }' "/proc/$1/mountinfo"
}

@test "behind the pid is the container's root" {
  only_shared "a disk is the guest's, and empty behind the pid"
  touch "$BUNDLE/rootfs/only-here"
  detached_sleep
  inside "$(pid_of_container)" test -e /only-here
  [ -e "/proc/$(pid_of_container)/root/only-here" ]
  inside "$(pid_of_container)" sh -c 'echo outside >/file'
  expect "$(moat exec "$ID" cat /file)" = outside
  moat exec "$ID" sh -c 'echo inside >/file'
  expect "$(inside "$(pid_of_container)" cat /file)" = inside
  moat delete --force "$ID"
}

@test "behind the pid are the container's volumes, with their rights" {
  only_shared "a disk is the guest's, and empty behind the pid"
  mkdir "$BATS_TEST_TMPDIR/volume"
  touch "$BATS_TEST_TMPDIR/single"
  mount_at /data bind "$BATS_TEST_TMPDIR/volume" rbind
  mount_at /frozen bind "$BATS_TEST_TMPDIR/volume" rbind ro
  mount_at /tmp tmpfs tmpfs
  mount_at /tmp/deep/data bind "$BATS_TEST_TMPDIR/volume" rbind
  mount_at /etc/single bind "$BATS_TEST_TMPDIR/single" bind
  detached_sleep
  inside "$(pid_of_container)" sh -c 'echo one >/data/one; echo two >/tmp/deep/data/two'
  expect "$(moat exec "$ID" cat /data/one /data/two | xargs)" = "one two"
  moat exec "$ID" sh -c 'echo three >/etc/single'
  expect "$(inside "$(pid_of_container)" cat /etc/single)" = three
  expect "$(cat "$BATS_TEST_TMPDIR/volume/two")" = two
  run ! inside "$(pid_of_container)" touch /frozen/file
  moat delete --force "$ID"
}

@test "behind the pid is nothing of the host" {
  detached_sleep
  run -0 mounts_of "$(pid_of_container)"
  for place in "$ROOT" "$BATS_RUN_TMPDIR" /usr /run; do
    run ! grep -qx "$place" <<<"$output"
  done
  run ! inside "$(pid_of_container)" ls "$BATS_RUN_TMPDIR"
  moat delete --force "$ID"
}

@test "a container's links lead nowhere but into the container" {
  echo secret >"$BATS_TEST_TMPDIR/secret"
  script 'ln -s /proc/1/root/ /out; ln -s ../../../../../../.. /up; echo up; sleep 1000'
  detached
  eventually 20 file_contains "$OUT" up
  run ! inside "$(pid_of_container)" cat "/out$BATS_TEST_TMPDIR/secret"
  run ! inside "$(pid_of_container)" cat "/up$BATS_TEST_TMPDIR/secret"
  moat delete --force "$ID"
}

@test "a root that is read-only is read-only behind the pid" {
  config '.root.readonly = true'
  detached_sleep
  run ! inside "$(pid_of_container)" touch /file
  moat delete --force "$ID"
}

@test "what only the guest has cannot be written to behind the pid" {
  only_shared "a disk is the guest's, and empty behind the pid"
  only_vm "natively there is one kernel"
  mount_at /scratch tmpfs tmpfs
  detached_sleep
  moat exec "$ID" touch /scratch/theirs
  expect "$(inside "$(pid_of_container)" ls /scratch)" = ""
  run ! inside "$(pid_of_container)" touch /scratch/ours
  run ! inside "$(pid_of_container)" touch /dev/shm/ours
  moat delete --force "$ID"
}

@test "behind the pid of an exec'd process are the same files" {
  only_shared "a disk is the guest's, and empty behind the pid"
  detached_sleep
  touch "$BUNDLE/rootfs/only-here"
  moat exec --detach --pid-file "$PID_FILE.exec" "$ID" sleep 1001
  inside "$(cat "$PID_FILE.exec")" test -e /only-here
  run ! inside "$(cat "$PID_FILE.exec")" ls "$BATS_RUN_TMPDIR"
  moat delete --force "$ID"
}

@test "an exec'd process whose shim is killed does not run on" {
  detached_sleep
  moat exec --detach --pid-file "$PID_FILE.exec" "$ID" sleep 1001
  expect_match "$(moat exec "$ID" ps)" "sleep 1001"
  kill -KILL "$(cat "$PID_FILE.exec")"
  has_no_process() { ! moat exec "$ID" ps | grep -q "sleep 1001"; }
  eventually 10 has_no_process
  moat delete --force "$ID"
}
