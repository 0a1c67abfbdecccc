# SPDX-License-Identifier: Apache-2.0
# Labels on a kernel that enforces SELinux, with the policy of policy.cil: tests/host/suite --lsm selinux.

load helpers
load ../behaviour/checkpoint

readonly SELINUX=/sys/fs/selinux LABEL=system_u:system_r:container_t:s0:c1,c2

obstacle() {
  [ -e $SELINUX/enforce ] || echo "SELinux is not in force (tests/host/suite --lsm selinux)"
  missing secilc
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  secilc -M true -c 33 -o "$BATS_FILE_TMPDIR/policy" -f /dev/null "$BATS_TEST_DIRNAME/policy.cil"
  cat "$BATS_FILE_TMPDIR/policy" >$SELINUX/load
  echo 1 >$SELINUX/enforce
}

container_is_named() {
  [ "$(cat "/proc/$(cat "$PID_FILE")/comm")" = "$1" ]
}

label() {
  config --arg value "${1-$LABEL}" '.process.selinuxLabel = $value'
}

@test "the policy is in force, and confines who has its label" {
  expect "$(cat $SELINUX/enforce)" = 1
  expect "$(tr -d '\0' </proc/self/attr/current)" = system_u:system_r:kernel_t:s0
}

@test "the process has its label, with no_new_privs too, and who enters has it" {
  label
  config '.process.noNewPrivileges = true'
  args cat /proc/self/attr/current
  run -0 foreground
  expect_match "$output" "$LABEL"
  # Not with its output in a file, which is the host's: the policy has the last word there, too.
  detached_sleep
  run -0 moat exec "$ID" cat /proc/self/attr/current </dev/null
  expect_match "$output" "$LABEL"
  run -0 moat exec --process-label system_u:system_r:container_t:s0:c3 "$ID" \
    cat /proc/self/attr/current </dev/null
  expect_match "$output" container_t:s0:c3
  moat delete --force "$ID"
}

@test "the policy holds in the container: the host's files cannot be written" {
  label
  script 'echo changed >/etc/group || echo refused'
  run -0 foreground
  expect_match "$output" "ermission denied"
  expect_match "$output" refused
  [[ "$(cat "$BUNDLE/rootfs/etc/group")" != *changed* ]]
}

@test "without a label it is as if there were no policy" {
  script 'echo changed >/etc/group && echo written; tr -d "\0" </proc/self/attr/current'
  run -0 foreground
  expect_match "$output" written
  expect_match "$output" kernel_t
}

@test "mounts of the container's have the mount label, and can be written" {
  label
  mount_at /own tmpfs tmpfs
  config '.linux.mountLabel = "system_u:object_r:box_t:s0:c1,c2"'
  script 'echo mine >/own/file && cat /own/file; grep " /own " /proc/self/mountinfo'
  run foreground
  expect "$status" = 0 || { echo "$output" && false; }
  expect_match "$output" mine
  expect_match "$output" 'context="system_u:object_r:box_t:s0:c1,c2"'
}

@test "mounts of a restored container have the label of --lsm-mount-context" {
  local reason
  reason=$(criu_obstacle)
  [ -z "$reason" ] || skip "$reason"
  mount_at /own tmpfs tmpfs
  config '.linux.mountLabel = "system_u:object_r:box_t:s0:c1,c2"'
  detached_sleep
  save
  load_saved --lsm-mount-context system_u:object_r:box_t:s0:c3
  run -0 moat exec "$ID" grep " /own " /proc/self/mountinfo
  expect_match "$output" 'context=system_u:object_r:box_t:s0:c3,' # Linux quotes what has a comma
  moat delete --force "$ID"
}

@test "a label that the policy has not is refused before anything is made" {
  for wrong in system_u:system_r:nobody_t:s0 system_u:system_r:container_t:s0:c9 container_t; do
    label "$wrong"
    args true
    run ! foreground
    expect_match "$output" "process.selinuxLabel: the policy of this host has no '$wrong'"
  done
}

@test "a label is set whatever the container has on /proc" {
  label
  config '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
  script 'mount -t tmpfs -o context=system_u:object_r:box_t:s0 none /proc &&
    mkdir -p /proc/thread-self/attr /proc/self/attr &&
    : >/proc/thread-self/attr/exec && exec sleep 1000'
  detached
  eventually 20 container_is_named sleep
  # It has a procfs of its own to look into, since the container's is hidden.
  run -0 moat exec --cap CAP_SYS_ADMIN "$ID" sh -c \
    'mount -t proc proc /tmp && cat /tmp/self/attr/current' </dev/null
  expect_match "$output" "$LABEL"
  moat delete --force "$ID"
}

@test "AppArmor's profile is warned of and left out" {
  config '.process.apparmorProfile = "moat-test"'
  args echo runs
  run -0 foreground
  expect_match "$output" "AppArmor is not enabled, 'moat-test' is ignored"
}
