# SPDX-License-Identifier: Apache-2.0
# Native containers on a host that has nothing but cgroup v2.

# bats file_tags=kvm-host

load helpers

export MOAT_ISOLATION=native

# bats test_tags=brief
@test "limits, also by cgroup v2's own names, are in the cgroup's files" {
  local last=$(($(nproc) - 1))
  config --arg last $last '.linux.resources = {
    memory: {limit: 67108864, reservation: 33554432, swap: 100663296},
    cpu: {quota: 50000, period: 100000, shares: 512, cpus: $last},
    pids: {limit: 20},
    unified: {"memory.high": "50331648"}}'
  detached_sleep
  expect "$(limit memory.max)" = 67108864
  expect "$(limit memory.low)" = 33554432
  expect "$(limit memory.swap.max)" = 33554432
  expect "$(limit cpu.max)" = "50000 100000"
  expect "$(limit cpu.weight)" -lt 100
  expect "$(limit cpuset.cpus)" = $last
  expect "$(limit pids.max)" = 20
  expect "$(limit memory.high)" = 50331648
  expect "$(limit cgroup.procs)" = "$(cat "$PID_FILE")"
  moat delete --force "$ID"
}

@test "the container's process begins in its cgroup, where nobody moves it to" {
  args sleep 1000
  traced cgroup detached
  grep -q "cgroup_mkdir:.*$ID" "$TRACE"
  run ! grep "cgroup_attach_task:.*$ID" "$TRACE"
  moat delete --force "$ID"
}

@test "the container sees its own cgroup as the root" {
  config '.linux.resources.pids = {limit: 17}'
  script 'cat /proc/self/cgroup /sys/fs/cgroup/pids.max; mkdir /sys/fs/cgroup/inner || echo refused'
  run -0 foreground
  expect "${lines[0]}" = 0::/
  expect "${lines[1]}" = 17
  expect_match "$output" refused
}

# Nobody needs a capability to open /dev/fuse or /dev/kvm: that they cannot be opened is the
# cgroup's doing.
# bats test_tags=brief
@test "a device is open for what its rule allows and for nothing else" {
  config '.process.capabilities[] += ["CAP_MKNOD"] |
    .linux.resources.devices += [{allow: true, type: "c", major: 10, minor: 229, access: "r"}]'
  script 'cd /tmp; mknod fuse c 10 229; mknod kvm c 10 232
    (: <fuse) && echo fuse read; (: <>fuse) || echo fuse refused; (: <kvm) || echo kvm refused'
  run -0 foreground
  expect "$(grep -E '^(fuse|kvm)' <<<"$output" | xargs)" = \
    "fuse read fuse refused kvm refused"
  expect "$(grep -c "Operation not permitted" <<<"$output")" = 2
}

@test "the rules for devices hold for exec as well" {
  config '.process.capabilities[] += ["CAP_MKNOD"]'
  detached_sleep
  run ! moat exec "$ID" sh -c 'mknod /tmp/fuse c 10 229 && echo made; : <>/tmp/fuse' </dev/null
  expect_match "$output" made
  expect_match "$output" "Operation not permitted"
  moat delete --force "$ID"
}

@test "delete ends processes in the host's process namespace and cgroups beneath the container's" {
  config 'del(.linux.namespaces[] | select(.type == "pid"))
    | .mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)'
  script 'mkdir /sys/fs/cgroup/inner && sh -c "echo 0 >/sys/fs/cgroup/inner/cgroup.procs; exec sleep 1001" &
    sleep 1002 & echo up; exec sleep 1000'
  detached
  eventually 20 file_contains "$OUT" up
  eventually 20 grep -q . "$(cgroup)/inner/cgroup.procs"
  expect "$(limit cgroup.procs | wc -l)" = 2
  moat delete --force "$ID"
  run ! pgrep -f '^sleep 100[012]'
  expect "$(our_cgroups)" = ""
}

# cgroup-v2.rst, "No Internal Process Constraint"
@test "exec joins init's own cgroup where the container's has become an inner node" {
  config '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)'
  script 'cd /sys/fs/cgroup && mkdir init other && echo 0 >init/cgroup.procs &&
    echo +memory >cgroup.subtree_control && echo up; exec sleep 1000'
  detached
  eventually 20 file_contains "$OUT" up
  run -0 moat exec "$ID" cat /proc/self/cgroup </dev/null
  expect "$output" = 0::/init
  run -0 moat exec --cgroup other "$ID" cat /proc/self/cgroup </dev/null
  expect "$output" = 0::/other
  run ! moat exec --cgroup memory:other "$ID" true </dev/null
  expect_match "$output" "this host has cgroup v2"
  moat delete --force "$ID"
  expect "$(our_cgroups)" = ""
}

@test "weights of block devices, huge pages and the least number of processes" {
  config '.linux.resources = {pids: {limit: 0}, blockIO: {weight: 1000},
    hugepageLimits: [{pageSize: "2MB", limit: 4194304}]}'
  args sleep 1000
  create
  expect "$(limit pids.max)" = 1
  expect "$(limit hugetlb.2MB.max)" = 4194304
  expect "$(limit hugetlb.2MB.rsvd.max)" = 4194304
  if [ -e "$(cgroup)/io.bfq.weight" ]; then
    expect "$(limit io.bfq.weight)" = "default 1000"
  else
    expect "$(limit io.weight)" = "default 10000"
  fi
  moat delete --force "$ID"
}

# bats test_tags=brief
@test "a paused container is frozen by the kernel's word" {
  detached_sleep
  moat pause "$ID"
  grep -qx "frozen 1" "$(cgroup)/cgroup.events"
  moat resume "$ID"
  grep -qx "frozen 0" "$(cgroup)/cgroup.events"
  moat pause "$ID"
  moat delete --force "$ID"
  expect "$(our_cgroups)" = ""
}

@test "a parent with processes of its own cannot be given limits below, and is named" {
  mkdir -p "$CGROUPS/busy-$ID"
  sleep 1000 3>&- &
  local pid=$!
  echo "$pid" >"$CGROUPS/busy-$ID/cgroup.procs"
  config --arg path "/busy-$ID/$ID" '.linux.cgroupsPath = $path | .linux.resources.memory.limit = 67108864'
  args true
  run ! foreground
  expect_match "$output" "'/busy-$ID', which has processes itself: linux.resources.memory.limit"
  kill "$pid"
  wait "$pid" || true
  eventually 5 rmdir "$CGROUPS/busy-$ID"
}

# --- who owns it --------------------------------------------------------------------------------

# A container whose root is 100000 outside, and may manage cgroups below its own.
managing() {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
    | .mounts |= map(if .type == "cgroup" then .options |= map(if . == "ro" then "rw" else . end) else . end)'
  open_way
  chown 100000:100000 "$BUNDLE/rootfs"
  detached_sleep
}

# The files of the cgroup, and itself, that are 100000's.
given() {
  (cd "$(cgroup)" && find . -maxdepth 1 -uid 100000 | sed 's|^\./||' | sort | xargs)
}

# What the kernel says may be given away, and the cgroup itself.
delegated() {
  (cd "$(cgroup)" && xargs <"${1:-/sys/kernel/cgroup/delegate}" ls -d . 2>/dev/null | sort | xargs)
}

# bats test_tags=brief
@test "the cgroup, and of its files those that the kernel names, belong to who manages it" {
  managing
  expect "$(given)" = "$(delegated)"
  [[ " $(given) " == *" cgroup.procs "* && " $(given) " != *" memory.max "* ]]
  moat exec "$ID" sh -c 'mkdir /sys/fs/cgroup/inner && echo $$ >/sys/fs/cgroup/inner/cgroup.procs && sleep 0.1'
  moat delete --force "$ID"
}

@test "a file to give away that the cgroup does not have is no failure" {
  printf 'cgroup.procs\nno.such.file\n' >"$BATS_TEST_TMPDIR/list"
  mount --bind "$BATS_TEST_TMPDIR/list" /sys/kernel/cgroup/delegate
  managing
  umount /sys/kernel/cgroup/delegate
  expect "$(given)" = ". cgroup.procs"
  moat delete --force "$ID"
}

@test "where the kernel names no files, those of the specification belong to who manages the cgroup" {
  mount -t tmpfs none /sys/kernel/cgroup
  managing
  umount /sys/kernel/cgroup
  expect "$(given)" = ". cgroup.procs cgroup.subtree_control cgroup.threads"
  moat delete --force "$ID"
}

@test "a cgroup that the container only sees belongs to the host's root" {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
  open_way
  detached_sleep
  expect "$(given)" = ""
  moat delete --force "$ID"
}
