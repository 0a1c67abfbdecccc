# SPDX-License-Identifier: Apache-2.0
# Kernel settings of the container's namespaces, and of no others.

load helpers

@test "settings of the container's namespaces are made, in either spelling" {
  config '.linux.sysctl = {"kernel.msgmax": "4321", "kernel/shmmni": "123", "net.ipv4.ping_group_range": "5 7",
    "fs.mqueue.msg_max": "9"}'
  args cat /proc/sys/kernel/msgmax /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ping_group_range /proc/sys/fs/mqueue/msg_max
  before=$(cat /proc/sys/kernel/msgmax)
  run -0 foreground
  expect "$(xargs <<<"$output")" = "4321 123 5 7 9"
  expect "$(cat /proc/sys/kernel/msgmax)" = "$before"
}

@test "the domain's name may be set, the host's name has a place of its own" {
  args cat /proc/sys/kernel/domainname
  config '.linux.sysctl = {"kernel.domainname": "example"}'
  run -0 foreground
  expect "$output" = example
  config '.linux.sysctl = {"kernel.hostname": "example"}'
  run ! foreground
  expect_match "$output" "sysctl \"kernel.hostname\" conflicts with 'hostname'"
}

@test "without a namespace of its own a container changes nothing, and is told which" {
  args true
  config '.linux.sysctl = {"kernel.msgmax": "4321"} | del(.linux.namespaces[] | select(.type == "ipc"))'
  if is_vm; then
    run -0 foreground # the guest's is its own
    return
  fi
  run ! foreground
  expect_match "$output" "sysctl \"kernel.msgmax\" is not allowed in the host's ipc namespace"
  config '.linux.sysctl = {"net.ipv4.ip_forward": "1"}
    | (.linux.namespaces[] | select(.type == "network")).path = "/proc/self/ns/net"'
  run ! foreground
  expect_match "$output" "sysctl \"net.ipv4.ip_forward\" is not allowed in the host's network namespace"
}

@test "settings that belong to no namespace are refused, by detours too" {
  args true
  for name in vm.swappiness kernel.core_pattern net/../vm/swappiness net..vm.swappiness user.max_user_namespaces; do
    config --arg n "$name" '.linux.sysctl = {($n): "1"}'
    run ! foreground
    expect_match "$output" sysctl
  done
}

@test "a value that the kernel does not take is an error that names it" {
  config '.linux.sysctl = {"kernel.msgmax": "many"}'
  args true
  run ! foreground
  expect_match "$output" "set sysctl \"kernel.msgmax\" to \"many\": Invalid argument"
}
