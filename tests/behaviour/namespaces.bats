# SPDX-License-Identifier: Apache-2.0
# What a container sees of the machine, and the machine of it.

load helpers

@test "the host name is the container's own" {
  before=$(uname -n)
  config '.hostname = "box"'
  script 'hostname; hostname changed || true'
  run -0 foreground
  expect "${lines[0]}" = box
  expect "$(uname -n)" = "$before"
}

@test "only the container's processes are visible" {
  script 'echo /proc/[0-9]*'
  run -0 foreground
  expect "$output" = /proc/1
}

@test "the loopback interface is up, and no other is" {
  script 'ip -o link | grep "[<,]UP[,>]"'
  run -0 foreground
  expect "${#lines[@]}" = 1
  expect_match "$output" "lo:"
  script 'ping -c 1 -W 5 127.0.0.1 >/dev/null && echo answered || ip addr show lo'
  config '.process.capabilities[] += ["CAP_NET_RAW"]'
  run -0 foreground
  expect_match "$output" answered
}

@test "the root is the bundle's, and the host's mounts are out of sight" {
  script 'ls -d /bin/busybox; awk "{ print \$2 }" /proc/mounts; ls /..'
  run -0 foreground
  expect_match "$output" /bin/busybox
  [[ "$output" != *"$BATS_TEST_TMPDIR"* ]]
}

@test "what the container mounts is not mounted outside" {
  config '.process.capabilities[] += ["CAP_SYS_ADMIN"]'
  script 'mount -t tmpfs tmpfs /tmp && echo mounted; sleep 1000'
  detached
  eventually 30 file_contains "$OUT" mounted
  expect "$(new_mounts)" = ""
  moat delete --force "$ID"
}

@test "the namespaces are not those of the caller" {
  only_native "a virtual machine has namespaces of its own numbering"
  script 'cd /proc/self/ns; for n in *; do echo "$n $(readlink $n)"; done'
  run -0 foreground
  for name in mnt uts ipc net pid; do
    expect_match "$output" "$name $name:["
    [[ "$output" != *"$(readlink /proc/self/ns/$name)"* ]]
  done
}

@test "the kernel is the machine's" {
  only_native "a virtual machine has a kernel of its own"
  args uname -r
  run -0 foreground
  expect "$output" = "$(uname -r)"
}

@test "the kernel is not the machine's" {
  only_vm "the kernel is shared natively"
  args uname -r
  run -0 foreground
  [ "$output" != "$(uname -r)" ]
  args sh -c 'cat /proc/sys/kernel/random/boot_id'
  run -0 foreground
  [ "$output" != "$(cat /proc/sys/kernel/random/boot_id)" ]
}

# without TYPE…: the caller's namespaces of these types are the container's. What needs ones of its
# own goes, too.
without() {
  config --argjson t "$(json_array "$@")" \
    '.linux.namespaces |= map(select(.type as $type | $t | index($type) | not))
      | if $t | index("mount") then del(.linux.maskedPaths, .linux.readonlyPaths) else . end
      | if $t | index("uts") then del(.hostname) else . end'
}

@test "namespaces that are not asked for are the caller's" {
  only_native "a virtual machine has namespaces of its own"
  for name in ipc uts network cgroup pid; do
    local file=${name/network/net}
    without "$name"
    args readlink "/proc/self/ns/$file"
    run -0 foreground
    expect "$output" = "$(readlink "/proc/self/ns/$file")"
  done
}

@test "a container without any namespace is a changed root" {
  only_native "a virtual machine has namespaces of its own"
  without pid network mount ipc uts cgroup
  config '.mounts |= map(select(.destination == "/proc" or .destination == "/dev"))'
  script 'ls -d /bin/busybox; for n in mnt pid net ipc uts; do readlink /proc/self/ns/$n; done'
  run -0 foreground
  expect "${lines[0]}" = /bin/busybox
  for name in mnt pid net ipc uts; do
    expect_match "$output" "$(readlink "/proc/self/ns/$name")"
  done
}

@test "without a mount namespace nothing stays mounted" {
  only_native "a virtual machine has namespaces of its own"
  without mount
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo shared >"$BATS_TEST_TMPDIR/volume/file"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind
  script 'cat /mnt/file; readlink /proc/self/ns/mnt; sleep 1000'
  detached
  eventually 10 file_contains "$OUT" mnt
  expect "$(cat "$OUT")" = "shared"$'\n'"$(readlink /proc/self/ns/mnt)"
  run -0 moat exec "$ID" cat /mnt/file
  expect "$output" = shared
  moat delete --force "$ID"
  expect "$(new_mounts)" = ""
}

@test "a container that fails without a mount namespace leaves nothing mounted" {
  only_native "a virtual machine has namespaces of its own"
  without mount
  args /nothing
  run ! foreground
  expect "$(new_mounts)" = ""
}

@test "what lies on the root of a container without a mount namespace goes with it" {
  only_native "a virtual machine has namespaces of its own"
  without mount
  args sleep 1000
  detached
  # As the engine does it itself on kernels before 6.15.
  mount --bind "$BUNDLE/rootfs" "$BUNDLE/rootfs"
  moat delete --force "$ID"
  expect "$(new_mounts)" = ""
}

@test "a mount that was on the root before stays" {
  only_native "a virtual machine has namespaces of its own"
  without mount
  mount --bind "$BUNDLE/rootfs" "$BUNDLE/rootfs"
  args true
  run -0 foreground
  expect "$(new_mounts)" = "$BUNDLE/rootfs"
  umount "$BUNDLE/rootfs"
}

@test "all namespaces together, the user's and time's too" {
  config '.linux.namespaces += [{type: "user"}, {type: "time"}, {type: "cgroup"}]
    | .linux.namespaces |= unique_by(.type)
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  chown -R 100000:100000 "$BUNDLE/rootfs"
  script 'cd /proc/self/ns; for n in mnt uts ipc net pid user cgroup time; do readlink $n; done'
  run -0 foreground
  expect "${#lines[@]}" = 8
  is_vm || for name in mnt uts ipc net pid user cgroup time; do
    [[ "$output" != *"$(readlink "/proc/self/ns/$name")"* ]]
  done
}

@test "a namespace that is given twice is refused" {
  config '.linux.namespaces += [{type: "ipc"}]'
  args true
  run -1 foreground
  expect_match "$output" "linux.namespaces"
  expect_match "$output" "twice"
}

@test "a path that is no namespace, or one of another type, is refused" {
  only_native "a namespace of the host's means nothing in a virtual machine"
  config '.linux.namespaces |= map(if .type == "uts" then .path = "/proc/self/ns/ipc" else . end)
    | del(.hostname)'
  args true
  run -1 foreground
  expect_match "$output" "'/proc/self/ns/ipc' is not a 'uts' namespace"
  config '.linux.namespaces |= map(if .type == "uts" then .path = "/etc/hostname" else . end)'
  run -1 foreground
  expect_match "$output" "'/etc/hostname' is not a 'uts' namespace"
  config '.linux.namespaces |= map(if .type == "uts" then .path = "/nowhere" else . end)'
  run -1 foreground
  expect_match "$output" "open '/nowhere': No such file or directory"
}
