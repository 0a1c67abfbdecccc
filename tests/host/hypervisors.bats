# SPDX-License-Identifier: Apache-2.0
# Cloud Hypervisor and Firecracker, the real programs, where MOAT_TEST_CLOUD_HYPERVISOR and MOAT_TEST_FIRECRACKER
# name them.

# bats file_tags=kvm-host

load helpers

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

# a_life DRIVER: a container that is entered, paused, resumed, killed and deleted.
a_life() {
  script 'echo up; exec sleep 1000'
  detached
  eventually 60 file_contains "$OUT" up
  expect_match "$(jq -r .agentAddress "$ROOT/$ID/state.json")" hvsock://
  expect_match "$(moat list)" "$1/kvm"
  run -7 --separate-stderr moat exec "$ID" sh -c 'cat /proc/1/comm; exit 7' </dev/null
  expect "$output" = sleep
  moat pause "$ID"
  expect "$(status_of "$ID")" = paused
  moat resume "$ID"
  run -1 moat checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  expect_match "$output" "cannot be saved"
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

# The guest's only interface is the other end of a veth of the namespace's.
reaches_its_network() {
  ip netns add "$ID"
  ip -n "$ID" link add eth0 type veth peer name peer
  ip -n "$ID" addr add 192.0.2.2/24 dev eth0
  ip -n "$ID" link set eth0 up
  ip netns add "$ID-peer"
  ip -n "$ID" link set peer netns "$ID-peer"
  ip -n "$ID-peer" addr add 192.0.2.1/24 dev peer
  ip -n "$ID-peer" link set peer up
  config "(.linux.namespaces[] | select(.type == \"network\")).path = \"/run/netns/$ID\""
  config '.process.capabilities[] += ["CAP_NET_RAW"]'
  args ping -c 1 -W 10 192.0.2.1
  run moat run --bundle "$BUNDLE" "$ID"
  local taps
  taps=$(ip -n "$ID" -o link show type tun)
  ip netns delete "$ID"
  ip netns delete "$ID-peer"
  umount /run/netns # which ip(8) has made a mount
  echo "$output"
  expect "$status" = 0
  expect_match "$output" "1 packets received"
  expect "$taps" = ""
}

guest_ends_by_itself() {
  script 'echo 1 >/proc/sys/kernel/sysrq; echo b >/proc/sysrq-trigger; sleep 1000'
  config '.linux.maskedPaths = [] | .linux.readonlyPaths = []'
  run moat run --bundle "$BUNDLE" "$ID"
  ((status == 255))
}

@test "Firecracker: streams and exit code" {
  needs MOAT_TEST_FIRECRACKER
  expect_streams
}

@test "Firecracker: a container is entered, paused, resumed, killed and deleted" {
  needs MOAT_TEST_FIRECRACKER
  a_life firecracker
}

@test "Firecracker: a container reaches its network, and no tap is left" {
  needs MOAT_TEST_FIRECRACKER
  reaches_its_network
}

@test "Firecracker: a guest that resets ends its container" {
  needs MOAT_TEST_FIRECRACKER
  guest_ends_by_itself
}

@test "Cloud Hypervisor: streams and exit code" {
  needs MOAT_TEST_CLOUD_HYPERVISOR
  expect_streams
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
  guest_ends_by_itself
}
