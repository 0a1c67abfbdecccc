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
