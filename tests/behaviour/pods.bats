# SPDX-License-Identifier: Apache-2.0
# Containers that join the virtual machine of another one, as engines ask for it by annotation.

load helpers
load member

BOOT_ID=/proc/sys/kernel/random/boot_id

# What members have is shared with the machine, or plugged into one that is told to have room for it.
only_pods() {
  only_vm "natively a pod is made of namespaces that its engine names"
  shares_files || config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
}

member_config() {
  jq "$@" <"$MEMBER_BUNDLE/config.json" >"$MEMBER_BUNDLE/part"
  mv "$MEMBER_BUNDLE/part" "$MEMBER_BUNDLE/config.json"
}

# As engines name them: by the pid that they know of the sandbox's container.
join_namespaces() {
  local type
  for type in "$@"; do
    member_config --arg t "$type" --arg p "/proc/$(cat "$PID_FILE")/ns/$type" \
      '(.linux.namespaces[] | select(.type == $t)).path = $p'
  done
}

run_member() {
  moat run --bundle "$MEMBER_BUNDLE" "$MEMBER" </dev/null
}

detached_member() {
  moat create --bundle "$MEMBER_BUNDLE" --pid-file "$PID_FILE.member" "$MEMBER" </dev/null >"$OUT" 2>"$ERR"
  moat start "$MEMBER"
}

member_has_status() {
  [ "$(status_of "$MEMBER" 2>/dev/null)" = "$1" ]
}

# Whoever serves the sandbox's files has the member's. The built-in server's namespace has no process in it.
sees_member() {
  grep -qs "/$MEMBER/" /proc/[0-9]*/mountinfo
}

@test "a member runs on the sandbox's kernel, with a root of its own" {
  only_pods
  detached_sleep
  member_bundle sh -c "cat $BOOT_ID; ls /only-here; cat /proc/1/comm; true"
  touch "$MEMBER_BUNDLE/rootfs/only-here"
  run -0 run_member
  expect "${lines[0]}" = "$(moat exec "$ID" cat $BOOT_ID)"
  expect "${lines[1]}" = /only-here
  expect "${lines[2]}" = sh
  run ! moat exec "$ID" ls /only-here
  moat delete --force "$ID"
}

@test "a member has volumes of its own" {
  only_pods
  only_shared "nothing of the host's can be written to"
  mkdir "$BATS_TEST_TMPDIR/volume"
  detached_sleep
  member_bundle sh -c "echo inside >/data/file"
  member_config --arg s "$BATS_TEST_TMPDIR/volume" \
    '.mounts += [{destination: "/data", type: "bind", source: $s, options: ["rbind"]}]'
  run -0 run_member
  expect "$(cat "$BATS_TEST_TMPDIR/volume/file")" = inside
  run ! moat exec "$ID" ls /data
  moat delete --force "$ID"
}

@test "a member's exit status, signals and exec are its own" {
  only_pods
  detached_sleep
  member_bundle sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
  detached_member
  expect "$(moat exec "$MEMBER" cat /proc/1/comm)" = sh
  moat kill "$MEMBER" TERM
  eventually 20 member_has_status stopped
  expect "$(status_of "$ID")" = running
  moat delete "$MEMBER"
  expect "$(moat exec "$ID" echo alive)" = alive
  moat delete --force "$ID"
}

@test "a member shares the namespaces that it is told to" {
  only_pods
  config '.hostname = "podded"'
  detached_sleep
  member_bundle sh -c 'for type in pid ipc uts mnt; do readlink /proc/self/ns/$type; done; hostname; ps'
  join_namespaces pid ipc uts
  member_config 'del(.hostname)'
  run -0 run_member
  expect "${lines[0]}" = "$(moat exec "$ID" readlink /proc/self/ns/pid)"
  expect "${lines[1]}" = "$(moat exec "$ID" readlink /proc/self/ns/ipc)"
  expect "${lines[2]}" = "$(moat exec "$ID" readlink /proc/self/ns/uts)"
  expect "${lines[3]}" != "$(moat exec "$ID" readlink /proc/self/ns/mnt)"
  expect "${lines[4]}" = podded
  expect_match "$output" "sleep 1000"
  moat delete --force "$ID"
}

@test "a member may share its processes with another member" {
  only_pods
  detached_sleep
  member_bundle sleep 1001
  detached_member
  member_config --arg p "/proc/$(cat "$PID_FILE.member")/ns/pid" \
    '(.linux.namespaces[] | select(.type == "pid")).path = $p | .process.args = ["ps"]'
  run -0 moat run --bundle "$MEMBER_BUNDLE" "$MEMBER-2" </dev/null
  expect_match "$output" "sleep 1001"
  [[ $output != *"sleep 1000"* ]]
  moat delete --force "$MEMBER"
  moat delete --force "$ID"
}

@test "a member has namespaces of its own unless it is told to share" {
  only_pods
  detached_sleep
  member_bundle sh -c 'readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts; ps'
  run -0 run_member
  expect "${lines[0]}" != "$(moat exec "$ID" readlink /proc/self/ns/ipc)"
  expect "${lines[1]}" != "$(moat exec "$ID" readlink /proc/self/ns/uts)"
  [[ $output != *"sleep 1000"* ]]
  moat delete --force "$ID"
}

@test "a member that is deleted leaves nothing in the sandbox" {
  only_pods
  detached_sleep
  member_bundle sleep 1000
  detached_member
  [ "$(driver)" = builtin ] || ! shares_files || sees_member
  moat delete --force "$MEMBER"
  run ! sees_member
  detached_member
  moat delete --force "$MEMBER"
  moat delete --force "$ID"
}

@test "a member whose shim is killed does not run on" {
  only_pods
  detached_sleep
  member_bundle sleep 1001
  join_namespaces pid
  detached_member
  expect_match "$(moat exec "$ID" ps)" "sleep 1001"
  kill -KILL "$(cat "$PID_FILE.member")"
  eventually 10 member_has_status stopped
  has_no_member() { ! moat exec "$ID" ps | grep -q "sleep 1001"; }
  eventually 10 has_no_member
  moat delete "$MEMBER"
  moat delete --force "$ID"
}

@test "with the sandbox its members end" {
  only_pods
  detached_sleep
  member_bundle sleep 1000
  detached_member
  moat delete --force "$ID"
  eventually 10 member_has_status stopped
  moat delete "$MEMBER"
}

@test "when the sandbox's own program ends, its members end with it" {
  only_pods
  script 'read line </fifo'
  mkfifo "$BUNDLE/rootfs/fifo"
  detached
  member_bundle sleep 1000
  detached_member
  moat kill "$ID" KILL
  wait_status stopped
  eventually 10 member_has_status stopped
  moat delete "$MEMBER"
  moat delete "$ID"
}

@test "a sandbox that has stopped cannot be joined" {
  only_pods
  args true
  detached
  wait_status stopped
  member_bundle true
  run ! run_member
  expect_match "$output" "sandbox '$ID' has stopped"
  moat delete "$ID"
}

@test "a sandbox that nobody knows is none of ours" {
  only_pods
  member_bundle cat "$BOOT_ID"
  run -0 run_member
}

@test "who shares a namespace of a running container joins its machine, without an annotation" {
  only_pods
  config '.hostname = "podded"'
  detached_sleep
  member_bundle sh -c "cat $BOOT_ID; hostname"
  member_config 'del(.annotations, .hostname)'
  join_namespaces uts
  run -0 run_member
  expect "${lines[0]}" = "$(moat exec "$ID" cat $BOOT_ID)"
  expect "${lines[1]}" = podded
  # As engines name it that keep their networks in a directory of their own.
  member_config --arg p "$BATS_TEST_TMPDIR/net" \
    'del(.linux.namespaces[] | select(.type == "uts").path) | (.linux.namespaces[] | select(.type == "network")).path = $p'
  touch "$BATS_TEST_TMPDIR/net"
  mount --bind "/proc/$(cat "$PID_FILE")/ns/net" "$BATS_TEST_TMPDIR/net"
  run -0 run_member
  umount "$BATS_TEST_TMPDIR/net"
  expect "${lines[0]}" = "$(moat exec "$ID" cat $BOOT_ID)"
  moat delete --force "$ID"
}

@test "a member that fails to come up leaves the sandbox as it was" {
  only_pods
  detached_sleep
  member_bundle /no/such/program
  run ! run_member
  expect_match "$output" "no such file"
  run ! sees_member
  expect "$(moat exec "$ID" echo alive)" = alive
  moat delete --force "$ID"
}

@test "a sandbox with room grows by what its members may use" {
  only_pods
  not_with builtin firecracker "its memory has the size that it began with"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  echo '{"vm": {"memory_max_mib": 1024}}' >"$MOAT_CONFIG"
  detached_sleep
  member_bundle sleep 1000
  member_config '.linux.resources.memory = {limit: 134217728}'
  detached_member
  guest_has() {
    [ "$(moat exec "$ID" awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" -ge "$1" ]
  }
  eventually 20 guest_has 300
  moat update --memory 300m "$MEMBER"
  eventually 20 guest_has 450
  expect "$(moat exec "$MEMBER" cat /sys/fs/cgroup/memory.max)" = $((300 << 20))
  moat delete --force "$MEMBER"
  moat delete --force "$ID"
}

# A member whose root file system is an image.
image_member() {
  command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4 here (e2fsprogs)"
  member_bundle "$@"
  mkfs.ext4 -q -d "$MEMBER_BUNDLE/rootfs" "$MEMBER_BUNDLE/root.img" 32M
  member_config '.root.path = "root.img" | .root.readonly = false'
}

# Of some sizes; the sandbox's root may be one, too.
disks_of_guest() {
  # A slot is a disk without a size.
  moat exec "$ID" sh -c 'cat /sys/class/block/[sv]d*/size 2>/dev/null | grep -vc "^0$" || true'
}

@test "a member's root may be an image, which is plugged in, and out again" {
  only_pods
  config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
  detached_sleep
  local before
  before=$(disks_of_guest)
  image_member sh -c 'echo kept >/written; sync; grep " / " /proc/mounts; exec sleep 1000'
  detached_member
  eventually 20 file_contains "$OUT" ' / ext4 rw'
  expect "$(moat exec "$MEMBER" cat /written)" = kept
  expect "$(disks_of_guest)" = $((before + 1))
  moat delete --force "$MEMBER"
  expect "$(disks_of_guest)" = "$before"
  member_config '.process.args = ["cat", "/written"] | .root.readonly = true'
  run -0 run_member
  expect "$output" = kept
  expect "$(disks_of_guest)" = "$before"
  moat delete --force "$ID"
}

@test "a sandbox that is not made for a pod takes no disks" {
  not_with cloud-hypervisor "its machines take disks at any time"
  only_pods
  only_shared "it has room for disks as it is"
  detached_sleep
  image_member true
  run ! run_member
  expect_match "$output" "started without slots for disks"
  moat delete --force "$ID"
}
