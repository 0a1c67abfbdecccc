# SPDX-License-Identifier: Apache-2.0
# Cloud Hypervisor and Firecracker, the real programs, where MOAT_TEST_CLOUD_HYPERVISOR and MOAT_TEST_FIRECRACKER
# name them.

# bats file_tags=kvm-host

load helpers
load ../behaviour/checkpoint
load ../behaviour/member

export MOAT_ISOLATION=vm

obstacle() {
  [ -n "${MOAT_TEST_CLOUD_HYPERVISOR-}${MOAT_TEST_FIRECRACKER-}" ] ||
    echo "neither \$MOAT_TEST_CLOUD_HYPERVISOR nor \$MOAT_TEST_FIRECRACKER names a program"
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

# QEMU's first machine is of no use here.
try_once() {
  :
}

# needs VARIABLE: the VMM of this test is the program that it names.
needs() {
  [ -n "${!1-}" ] || skip "\$$1 names no program"
  [ -x "${!1}" ]
  export MOAT_HYPERVISOR=${!1}
}

# Its container sleeps.
is_jailed() {
  [ -e "/proc/$(vmm)/root/dev/kvm" ]
  [ ! -e "/proc/$(vmm)/root/etc/passwd" ]
}

# a_life DRIVER: a container that is entered, paused, resumed, killed and deleted.
a_life() {
  script 'echo up; exec sleep 1000'
  detached
  eventually 60 file_contains "$OUT" up
  expect_match "$(jq -r .agentAddress "$ROOT/$ID/state.json")" hvsock://
  expect_match "$(moat list)" "$1/kvm"
  expect "$(awk '$1 == "NSpid:" { print $NF }' "/proc/$(vmm)/status")" = 1
  run -7 --separate-stderr moat exec "$ID" sh -c 'cat /proc/1/comm; exit 7' </dev/null
  expect "$output" = sleep
  moat pause "$ID"
  expect "$(status_of "$ID")" = paused
  moat resume "$ID"
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

# The guest's only interface is the other end of a veth of the namespace's, whose packets are larger
# than an Ethernet's.
make_network() {
  ip netns add "$ID"
  ip -n "$ID" link add eth0 mtu 9000 type veth peer name peer mtu 9000
  ip -n "$ID" addr add 192.0.2.2/24 dev eth0
  ip -n "$ID" link set eth0 up
  ip netns add "$ID-peer"
  ip -n "$ID" link set peer netns "$ID-peer"
  ip -n "$ID-peer" addr add 192.0.2.1/24 dev peer
  ip -n "$ID-peer" link set peer up
  config "(.linux.namespaces[] | select(.type == \"network\")).path = \"/run/netns/$ID\""
  config '.process.capabilities[] += ["CAP_NET_RAW"]'
}

remove_network() {
  ip netns delete "$ID"
  ip netns delete "$ID-peer"
  umount /run/netns # which ip(8) has made a mount
}

reaches_its_network() {
  make_network
  script 'ping -c 1 -W 10 -s 8900 192.0.2.1; cat /sys/class/net/eth0/mtu'
  run moat run --bundle "$BUNDLE" "$ID"
  local taps
  taps=$(ip -n "$ID" -o link show type tun)
  remove_network
  echo "$output"
  expect "$status" = 0
  expect_match "$output" "1 packets received"
  expect "${lines[-1]}" = 9000
  expect "$taps" = ""
}

# guest_ends_by_itself REASON
guest_ends_by_itself() {
  script 'echo 1 >/proc/sys/kernel/sysrq; echo b >/proc/sysrq-trigger; sleep 1000'
  config '.linux.maskedPaths = [] | .linux.readonlyPaths = []'
  run moat run --bundle "$BUNDLE" "$ID"
  expect "$status" = 255
  expect_match "$output" "$1"
}

# dies_under_its_container DRIVER
# What is left behind, a descriptor's tap among it, is looked for after the test.
dies_under_its_container() {
  local pid
  detached_sleep
  pid=$(vmm)
  kill -KILL "$pid"
  wait_status stopped
  [ ! -e "/proc/$pid" ]
  expect_match "$(cat "$ERR")" "$1 was killed by signal 9 (KILL)"
  run -255 moat exec "$ID" true </dev/null
  moat delete "$ID"
}

# Another than the one that the suite runs with, which may be an ELF file.
boots_a_bzimage() {
  local image
  image=$(dirname "$(readlink -f "$MOAT_GUEST")")/guest
  [ "$(jq .elf "$image/guest.json")" = false ] || skip "'$image' is no guest with a bzImage"
  args cat /proc/version
  MOAT_GUEST=$image run -0 foreground
  expect_match "$output" "$(jq -r .release "$image/guest.json")"
}

# The root is mounted from a device of that kind: root_is TYPE.
root_is() {
  args grep ' / ' /proc/mounts
  run -0 foreground
  expect_match "$output" "$1"
}

# What is saved goes on where it was, with its network, and can be saved again.
goes_on_from_a_checkpoint() {
  local before turn
  export MOAT_SHARE=none
  make_network
  loud_counter
  for turn in 1 2; do
    before=$(count)
    save
    run ! moat state "$ID"
    expect "$(ip -n "$ID" -o link show type tun)" = ""
    expect "$(jq -r .hypervisor "$BATS_TEST_TMPDIR/image/vm.json")" = "$1"
    load_saved
    expect "$(status_of "$ID")" = running
    eventually 30 counted_beyond "$before"
    eventually 30 said_beyond "$before"
    run -7 --separate-stderr moat exec "$ID" sh -c 'echo within; exit 7' </dev/null
    expect "$output" = within
    run -0 moat exec "$ID" ping -c 1 -W 10 192.0.2.1 </dev/null
    expect_match "$output" "1 packets received"
  done
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
  remove_network
}

@test "Firecracker: streams and exit code" {
  needs MOAT_TEST_FIRECRACKER
  expect_streams
}

# a_slow_reader: what a container wrote, once each, although nobody took it for a while.
a_slow_reader() {
  local sum
  sum=$(seq 400000 | cksum)
  script 'seq 400000'
  expect "$(moat run --bundle "$BUNDLE" "$ID" </dev/null | { sleep 8; cksum; })" = "$sum"
}

@test "Firecracker: a slow reader gets all output, and nothing twice" {
  needs MOAT_TEST_FIRECRACKER
  a_slow_reader
}

@test "Firecracker: a container is entered, paused, resumed, killed and deleted" {
  needs MOAT_TEST_FIRECRACKER
  a_life firecracker
}

@test "Firecracker: it sees nothing of the host but what it needs" {
  needs MOAT_TEST_FIRECRACKER
  detached_sleep
  is_jailed
  moat delete --force "$ID"
}

@test "Firecracker: a container reaches its network, and no tap is left" {
  needs MOAT_TEST_FIRECRACKER
  reaches_its_network
}

@test "Firecracker: a guest that resets ends its container" {
  needs MOAT_TEST_FIRECRACKER
  guest_ends_by_itself "firecracker ended with status 0"
}

@test "Firecracker: one that is killed ends its container, and leaves nothing" {
  needs MOAT_TEST_FIRECRACKER
  dies_under_its_container firecracker
}

# Nothing of a container that goes on is lost by an attempt, and nothing of a checkpoint left.
@test "Firecracker: what cannot be saved goes on, and says why" {
  needs MOAT_TEST_FIRECRACKER
  counter
  run -1 moat checkpoint --leave-running --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  expect_match "$output" "'--leave-running': a virtual machine of firecracker loses its connections when it is saved"
  mkdir "$BATS_TEST_TMPDIR/small"
  mount -t tmpfs -o size=64m none "$BATS_TEST_TMPDIR/small"
  run -1 moat checkpoint --image-path "$BATS_TEST_TMPDIR/small" "$ID"
  expect_match "$output" "no room in '$BATS_TEST_TMPDIR/small': "
  expect "$(ls -A "$BATS_TEST_TMPDIR/small")" = ""
  umount "$BATS_TEST_TMPDIR/small"
  local before
  before=$(count)
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}

@test "Firecracker: a container goes on from a checkpoint" {
  needs MOAT_TEST_FIRECRACKER
  goes_on_from_a_checkpoint firecracker
}

@test "Firecracker: a damaged checkpoint says so" {
  needs MOAT_TEST_FIRECRACKER
  counter
  save
  : >"$BATS_TEST_TMPDIR/image/vm.state/state"
  run ! load_saved
  expect_match "$(cat "$ERR")" "load '$BATS_TEST_TMPDIR/image/vm.state': PUT /snapshot/load: "
  expect_match "$(cat "$ERR")" "hint: it may be damaged"
}

@test "Cloud Hypervisor: streams and exit code" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  expect_streams
}

@test "Cloud Hypervisor: a slow reader gets all output, and nothing twice" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  a_slow_reader
}

@test "Cloud Hypervisor: a container is entered, paused, resumed, killed and deleted" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  a_life cloud-hypervisor
}

@test "Cloud Hypervisor: a container reaches its network, and no tap is left" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  reaches_its_network
}

@test "Cloud Hypervisor: a guest that resets ends its container" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  guest_ends_by_itself "the guest reset itself"
}

@test "Cloud Hypervisor: one that is killed ends its container, and leaves nothing" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  dies_under_its_container cloud-hypervisor
}

@test "Cloud Hypervisor: a container goes on from a checkpoint" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  goes_on_from_a_checkpoint cloud-hypervisor
}

# All of this host's directories are in memory, and what the VMM writes there is its own.
lift_limit() {
  echo max >"/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(vmm)/cgroup")/memory.max"
}

@test "Cloud Hypervisor: a container that has grown goes on from a checkpoint, here or there" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  export MOAT_SHARE=none
  echo '{"vm": {"memory_max_mib": 1024}}' >"$BATS_TEST_TMPDIR/moat.json"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  config '.linux.resources.memory = {limit: 67108864}'
  counter
  moat update --memory 256m "$ID"
  eventually 20 guest_has 300
  lift_limit
  save --leave-running
  local before
  before=$(count)
  eventually 30 counted_beyond "$before" # with its streams
  moat delete --force "$ID"
  load_saved
  eventually 30 counted_beyond "$before"
  guest_has 300
  moat delete --force "$ID"

  : >"$BATS_TEST_TMPDIR/image/vm.state/state.json"
  run ! load_saved
  expect_match "$(cat "$ERR")" "vm.restore"
  MOAT_HYPERVISOR=qemu run ! load_saved
  expect_match "$(cat "$ERR")" "it was saved by hypervisor 'cloud-hypervisor', which 'qemu' is not"
}

@test "Cloud Hypervisor: a bzImage boots, too" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  boots_a_bzimage
}

@test "Cloud Hypervisor: it sees nothing of the host but what it needs" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  local share
  # A pod's machine, which takes disks, and shares files or not.
  config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
  for share in virtiofs none; do
    MOAT_SHARE=$share detached_sleep
    is_jailed
    moat delete --force "$ID"
  done
}

@test "Cloud Hypervisor: files are shared by virtiofs, or are a disk" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  MOAT_SHARE=virtiofs root_is " / virtiofs "
  MOAT_SHARE=none root_is "/dev/vda / ext4 "
}

# In MiB, what its kernel has taken for itself not counted.
guest_has() {
  [ "$(moat exec "$ID" awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" -ge "$1" ]
}

@test "Cloud Hypervisor: memory grows with the container's limit" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  echo '{"vm": {"memory_max_mib": 1024}}' >"$BATS_TEST_TMPDIR/moat.json"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  config '.linux.resources.memory = {limit: 67108864}'
  detached_sleep
  run ! guest_has 200
  run -0 --separate-stderr moat update --memory 256m "$ID"
  expect "$stderr" = ""
  eventually 20 guest_has 300
  moat delete --force "$ID"
}

guest_vcpus() {
  moat exec "$ID" nproc
}

@test "Cloud Hypervisor: processors come with the container's limit" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  (($(nproc --all) > 1)) || skip "a machine has no more processors than the host, which has one"
  echo '{"vm": {"vcpus_max": 2}}' >"$BATS_TEST_TMPDIR/moat.json"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  config '.linux.resources.cpu = {quota: 100000, period: 100000}'
  detached_sleep
  expect "$(guest_vcpus)" = 1
  run -0 --separate-stderr moat update --cpu-quota 200000 "$ID"
  expect "$stderr" = ""
  expect "$(guest_vcpus)" = 2
  moat delete --force "$ID"
}

# Disks that were plugged into the guest.
disks_of_guest() {
  moat exec "$ID" sh -c 'ls /sys/class/block | grep -c ^vd || true'
}

@test "Cloud Hypervisor: a member's image is plugged in, and out again" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
  detached_sleep
  member_bundle sh -c 'echo kept >/written; sync; grep " / " /proc/mounts'
  mkfs.ext4 -q -d "$MEMBER_BUNDLE/rootfs" "$MEMBER_BUNDLE/root.img" 32M
  jq '.root = {path: "root.img", readonly: false}' "$MEMBER_BUNDLE/config.json" >"$MEMBER_BUNDLE/new"
  mv "$MEMBER_BUNDLE/new" "$MEMBER_BUNDLE/config.json"
  local before
  before=$(disks_of_guest)
  run -0 moat run --bundle "$MEMBER_BUNDLE" "$MEMBER" </dev/null
  expect_match "$output" " / ext4 rw"
  expect "$(disks_of_guest)" = "$before"
  moat delete --force "$ID"
  mount -o loop,ro "$MEMBER_BUNDLE/root.img" "$MEMBER_BUNDLE/rootfs"
  local written
  written=$(cat "$MEMBER_BUNDLE/rootfs/written")
  umount "$MEMBER_BUNDLE/rootfs"
  expect "$written" = kept
}
