# SPDX-License-Identifier: Apache-2.0
# Mounts that come to a container which is there already, or go.

load helpers

# mounts add|remove JSON
mounts() {
  moat mounts "$1" "$ID" - <<<"$2"
}

in_container() {
  moat exec "$ID" "$@"
}

@test "binds and file systems come to a running container, and go" {
  only_native "a machine has the files that it was started with"
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo text >"$BATS_TEST_TMPDIR/volume/file"
  detached_sleep
  jq -n --arg v "$BATS_TEST_TMPDIR/volume" '[
    {destination: "/new/volume", source: $v, options: ["bind", "ro"]},
    {destination: "/one", source: ($v + "/file"), options: ["bind"]},
    {destination: "/memory", type: "tmpfs", source: "tmpfs", options: ["size=64k", "mode=0700", "nosuid"]}]' \
    >"$BATS_TEST_TMPDIR/mounts.json"
  moat mounts add "$ID" "$BATS_TEST_TMPDIR/mounts.json"
  expect "$(in_container cat /new/volume/file /one)" = "text
text"
  run in_container touch /new/volume/x
  expect_match "$output" "Read-only file system"
  expect "$(in_container stat -c %a /memory)" = 700
  expect_match "$(in_container grep ' /memory ' /proc/self/mountinfo)" "nosuid"
  # The host has nothing of it.
  run -1 grep -F "$BUNDLE/rootfs/" /proc/self/mountinfo
  moat mounts remove "$ID" "$BATS_TEST_TMPDIR/mounts.json"
  run -1 in_container grep -E ' (/new/volume|/one|/memory) ' /proc/self/mountinfo
  moat delete --force "$ID"
}

@test "of mounts of which one cannot be none is there" {
  only_native "a machine has the files that it was started with"
  detached_sleep
  run -1 mounts add '[{"destination": "/a", "type": "tmpfs"},
    {"destination": "/etc/passwd/b", "type": "tmpfs"}]'
  expect_match "$output" "mounts[1]: mount point '/etc/passwd/b' is not a directory"
  run -1 in_container grep ' /a ' /proc/self/mountinfo
  run -1 mounts add '[{"destination": "/b", "source": "/no/such/place", "options": ["bind"]}]'
  expect_match "$output" "bind source '/no/such/place'"
  moat delete --force "$ID"
}

@test "a mount that comes later stays inside the root, whatever links the container has" {
  only_native "a machine has the files that it was started with"
  mkdir "$BATS_TEST_TMPDIR/outside" "$BATS_TEST_TMPDIR/volume"
  ln -s ../../../../../../../../"$BATS_TEST_TMPDIR/outside" "$BUNDLE/rootfs/link"
  ln -s /proc/self "$BUNDLE/rootfs/proc-link"
  detached_sleep
  mounts add "$(jq -nc --arg v "$BATS_TEST_TMPDIR/volume" '[{destination: "/link/made", source: $v, options: ["bind"]}]')"
  [ -z "$(ls "$BATS_TEST_TMPDIR/outside")" ]
  run -1 mounts add '[{"destination": "/proc/sys", "type": "tmpfs"}]'
  expect_match "$output" "inside /proc"
  run -1 mounts remove '[{"destination": "/"}]'
  expect_match "$output" "the root itself"
  run -1 mounts remove '[{"destination": "/tmp/../etc"}]'
  expect_match "$output" "is not a mount point"
  moat delete --force "$ID"
}

@test "a created and a paused container get mounts, a stopped one does not" {
  only_native "a machine has the files that it was started with"
  script 'grep " /early " /proc/self/mountinfo && sleep 1000'
  create
  mounts add '[{"destination": "/early", "type": "tmpfs"}]'
  moat start "$ID"
  eventually 10 file_contains "$OUT" /early
  moat pause "$ID"
  mounts add '[{"destination": "/late", "type": "tmpfs"}]'
  moat resume "$ID"
  in_container grep -q ' /late ' /proc/self/mountinfo
  moat kill "$ID" KILL
  wait_status stopped
  run -1 mounts add '[{"destination": "/c", "type": "tmpfs"}]'
  expect_match "$output" "container not running"
  moat delete "$ID"
}

@test "what cannot come later is refused" {
  only_native "a machine has the files that it was started with"
  detached_sleep
  run -1 mounts add '[{"destination": "/p", "type": "proc"}]'
  expect_match "$output" "mounts[0]: '/p' cannot be mounted in a container that is there already"
  run -1 mounts add '{"destination": "/p"}'
  expect_match "$output" "standard input:1: mounts: not an array"
  run -1 mounts add '[{"type": "tmpfs"}]'
  expect_match "$output" "mounts[0].destination: missing"
  run -1 moat mounts replace "$ID" /dev/null
  expect_match "$output" "neither 'add' nor 'remove': 'replace'"
  moat delete --force "$ID"
}

@test "a virtual machine gets no mounts, and that is said" {
  only_vm "natively it can"
  detached_sleep
  run -1 mounts add '[{"destination": "/a", "type": "tmpfs"}]'
  expect_match "$output" "a virtual machine has the files that it was started with"
  moat delete --force "$ID"
}
