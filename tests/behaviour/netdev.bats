# SPDX-License-Identifier: Apache-2.0
# linux.netDevices: the host's network devices that become the container's.

load helpers

needs_devices() {
  only_native "a virtual machine has a network of its own"
  command -v ip >/dev/null || skip "there is no ip(8): the package iproute2"
  unshare --net ip link add dev0 type veth peer name peer0 || skip "this kernel has no veth devices"
}

# Each test has a network namespace of its own for a host's, so that its devices end with it.
on_a_host() {
  cat >"$BATS_TEST_TMPDIR/host.bash"
  unshare --net env MOAT="$MOAT" ROOT="$ROOT" BUNDLE="$BUNDLE" ID="$ID" \
    bash -euc "moat() { \"\$MOAT\" --root \"\$ROOT\" \"\$@\"; }
      ip link add dev0 type veth peer name peer0
      . $BATS_TEST_TMPDIR/host.bash" 3>&- </dev/null
}

@test "a device moves, and keeps its addresses, MTU and hardware address" {
  needs_devices
  config '.linux.netDevices = {dev0: {}}'
  script 'ip addr show dev dev0'
  run on_a_host <<'END'
    ip link set dev0 address 02:00:00:00:00:09 mtu 1400
    ip link set peer0 up
    ip link set dev0 up
    ip addr add 10.9.8.7/24 brd + dev dev0
    ip addr add 10.9.9.7/32 dev dev0
    ip -6 addr add fd00::7/64 nodad dev dev0
    moat run --bundle "$BUNDLE" "$ID"
    ip link show dev dev0 2>&1 || true
END
  expect "$status" = 0
  for part in 02:00:00:00:00:09 "mtu 1400" "10.9.8.7/24 brd 10.9.8.255" 10.9.9.7/32 fd00::7/64 ",UP"; do
    expect_match "$output" "$part"
  done
  expect_match "$output" "does not exist" # on the host
}

@test "a device is renamed on its way, and brought up" {
  needs_devices
  config '.linux.netDevices = {dev0: {name: "eth0"}}'
  script 'ip -o link show dev eth0; ip -o addr show dev eth0'
  run on_a_host <<'END'
    ip addr add 10.9.8.7/24 dev dev0
    moat run --bundle "$BUNDLE" "$ID"
END
  expect "$status" = 0
  expect_match "$output" "eth0"
  expect_match "$output" ",UP"
  expect_match "$output" "10.9.8.7/24"
}

@test "a number is found for a name with %d" {
  needs_devices
  config '.linux.netDevices = {dev0: {name: "net%d"}, peer0: {name: "net%d"}}'
  script 'ls /sys/class/net'
  run -0 on_a_host <<'END'
    moat run --bundle "$BUNDLE" "$ID"
END
  expect "$output" = $'lo\nnet0\nnet1'
}

@test "a device moves into a namespace that is joined" {
  needs_devices
  config '.linux.netDevices = {dev0: {name: "eth0"}}'
  script 'ls /sys/class/net'
  run on_a_host <<'END'
    unshare --net sleep 1000 &
    until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.05; done
    sed "s,\"type\": \"network\",\"type\": \"network\"\, \"path\": \"/proc/$!/ns/net\"," \
      "$BUNDLE/config.json" >"$BUNDLE/joining.json"
    mv "$BUNDLE/joining.json" "$BUNDLE/config.json"
    moat run --bundle "$BUNDLE" "$ID"
    kill $!
END
  expect "$status" = 0
  expect_match "$output" eth0
}

@test "a device moves into a container with a user namespace" {
  needs_devices
  config '.linux.netDevices = {dev0: {}} | .linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  chown -R 100000:100000 "$BUNDLE/rootfs"
  chmod 755 "$BATS_TEST_TMPDIR" "$BUNDLE"
  script 'ip -o link show dev dev0'
  run on_a_host <<'END'
    moat run --bundle "$BUNDLE" "$ID"
END
  expect "$status" = 0
  expect_match "$output" "dev0"
}

@test "a device that is not there is named, and the others come back as they were" {
  needs_devices
  config '.linux.netDevices = {dev0: {name: "eth0"}, nothing: {}}'
  args true
  run on_a_host <<'END'
    ip addr add 10.9.8.7/24 dev dev0
    moat run --bundle "$BUNDLE" "$ID" || true
    ip -o addr show dev dev0
    ip -o link show dev dev0
END
  expect "$status" = 0
  expect_match "$output" "linux.netDevices: move 'nothing': No such device"
  expect_match "$output" "10.9.8.7/24"
  expect_match "$output" "state DOWN"
}

@test "devices come back when the container cannot be made" {
  needs_devices
  config '.linux.netDevices = {dev0: {name: "eth0"}}'
  args /nothing
  run on_a_host <<'END'
    ip addr add 10.9.8.7/24 dev dev0
    moat run --bundle "$BUNDLE" "$ID" || true
    ip -o addr show dev dev0
END
  expect "$status" = 0
  expect_match "$output" "no such file or directory"
  expect_match "$output" "10.9.8.7/24"
}

@test "a name that is taken in the container is refused" {
  needs_devices
  config '.linux.netDevices = {dev0: {name: "lo"}}'
  args true
  run on_a_host <<'END'
    moat run --bundle "$BUNDLE" "$ID"
END
  expect "$status" = 1
  expect_match "$output" "the container has a 'lo' already"
}

@test "devices without a network namespace are refused" {
  only_native "a virtual machine always has a network of its own"
  config '.linux.netDevices = {dev0: {}} | .linux.namespaces |= map(select(.type != "network"))'
  args true
  run -1 foreground
  expect_match "$output" "unable to move network devices without a private network namespace"
}

@test "a name that no device can have is refused" {
  config '.linux.netDevices = {dev0: {name: "a/b"}}'
  args true
  run -1 foreground
  expect_match "$output" "a/b"
}
