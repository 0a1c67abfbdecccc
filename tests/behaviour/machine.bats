# SPDX-License-Identifier: Apache-2.0
# The virtual machine that a container asks for: its vm section, annotations, sizes; and one that does
# not come up.

load helpers

only_machines() {
  only_vm "natively there is no machine to choose"
}

# Of the guest, in MiB; its kernel takes a part of what it is given.
guest_memory='echo $(($(awk "/^MemTotal/ { print \$2 }" /proc/meminfo) / 1024))'

# Settings that only this test's commands read.
kernel_of_guest() {
  echo "$(readlink -f "$MOAT_GUEST")/$(jq -r .kernel "$MOAT_GUEST/guest.json")"
}

@test "the vm section has the size and the kernel's parameters" {
  only_machines
  [ -e "${MOAT_GUEST-}/guest.json" ] || skip "no guest image is named"
  config --arg k "$(kernel_of_guest)" \
    '.vm = {kernel: {path: $k, parameters: ["moat.test=yes"]}, hwConfig: {vcpus: 2, memory: 402653184}}'
  script "$guest_memory; nproc; cat /proc/cmdline"
  run -0 foreground
  expect "${lines[0]}" -gt 300
  expect "${lines[0]}" -le 384
  expect "${lines[1]}" = "$(vcpus_of 2)"
  expect_match "$output" moat.test=yes
}

@test "annotations choose what the configuration allows" {
  not_with builtin cloud-hypervisor firecracker "what the environment names is not an annotation's to choose"
  only_machines
  config '.annotations = {"io.moat.vm.memory_mib": "400", "io.moat.vm.hypervisor": "/no/such/vmm"}'
  moat_json '{"allow_annotations": ["io.moat.vm.memory_mib"]}'
  script "$guest_memory"
  run -0 --separate-stderr foreground
  expect "$output" -gt 300
  expect "$output" -le 400
  expect_match "$stderr" "annotation io.moat.vm.hypervisor: left out"
  moat_json '{"allow_annotations": ["io.moat.vm.hypervisor"]}'
  run ! foreground
  expect_match "$output" /no/such/vmm
}

@test "a pod's size is that of its machine" {
  only_machines
  config '.annotations = {"io.kubernetes.cri.sandbox-memory": "335544320"}'
  script "$guest_memory"
  run -0 foreground
  expect "$output" -gt 320
}

@test "a machine that does not come up says why, and what its console said last" {
  only_machines
  [ -e "${MOAT_GUEST-}/guest.json" ] || skip "no guest image is named"
  config --arg k "$(kernel_of_guest)" \
    '.vm = {kernel: {path: $k, parameters: ["rdinit=/nothing", "init=/nothing", "panic=-1", "loglevel=4"]}}'
  args true
  run ! foreground
  expect_match "$output" "virtual machine: ended before the container was made"
  expect_match "$output" "last console lines:"
  expect_match "$output" panic
  run ! moat state "$ID"
}

@test "an annotation does not choose what the configuration says itself" {
  only_machines
  [ -e "${MOAT_GUEST-}/guest.json" ] || skip "no guest image is named"
  moat_json '{"allow_annotations": ["io.moat.vm.kernel"]}'
  config --arg k "$(kernel_of_guest)" '.annotations["io.moat.vm.kernel"] = $k | .vm = {kernel: {path: "/none/kernel"}}'
  args true
  run -1 foreground
  expect_match "$output" "open guest kernel '/none/kernel'"
}

# --- growing --------------------------------------------------------------------------------------

# The limit of the VMM's cgroup on the host, in MiB.
host_limit() {
  local dir
  dir=$(our_cgroups | grep -m 1 -e /memory/ -e "^/sys/fs/cgroup/$ID")
  echo $(($(cat "$dir/memory.limit_in_bytes" 2>/dev/null || cat "$dir/memory.max") >> 20))
}

guest_has() {
  [ "$(moat exec "$ID" sh -c "$guest_memory")" -ge "$1" ]
}

@test "a machine with room grows with its container's limits, and never shrinks" {
  not_with builtin firecracker "its memory has the size that it began with"
  only_machines
  moat_json '{"vm": {"memory_max_mib": 1024}}'
  config '.linux.resources.memory = {limit: 67108864}'
  detached_sleep
  run ! guest_has 200
  moat update --memory 256m "$ID"
  eventually 20 guest_has 300
  local grown
  grown=$(host_limit)
  [ "$grown" -ge $((256 + 96 + 256)) ]
  moat update --memory 32m "$ID"
  expect "$(moat exec "$ID" cat /sys/fs/cgroup/memory.max)" = 33554432
  expect "$(host_limit)" -ge "$grown"
  moat delete --force "$ID"
}

@test "a machine without room keeps its size, says so, and obeys the limit" {
  only_machines
  detached_sleep
  run -0 --separate-stderr moat update --memory 1g "$ID"
  expect_match "$stderr" "stays smaller than the limits allow (1 vcpus, 256 MiB)"
  expect "$(moat exec "$ID" cat /sys/fs/cgroup/memory.max)" = 1073741824
  moat delete --force "$ID"
}

# Whose guest a processor runs may have them.
@test "an emulated guest's memory is of small pages, an accelerated one's may be of huge ones" {
  only_machines
  local monitor allowed=1
  detached_sleep
  monitor=$(vmm)
  grep -q THP_enabled "/proc/$monitor/status" || skip "the kernel does not tell (before 5.0)"
  [[ ! $(moat list) =~ qemu/tcg ]] || allowed=0
  expect "$(awk '/^THP_enabled/ { print $2 }' "/proc/$monitor/status")" = "$allowed"
  moat delete --force "$ID"
}

# In KiB.
monitor_memory() {
  awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

has_shrunk_by() {
  [ "$(monitor_memory "$1")" -le $(($2 - $3)) ]
}

@test "memory that the guest has freed is the host's again" {
  only_machines
  not_with firecracker "its guests tell it of no memory that they have freed"
  local monitor full
  moat_json '{"vm": {"page_reporting": "on", "template": "off"}}'
  detached_sleep
  monitor=$(vmm)
  moat exec "$ID" dd if=/dev/zero of=/dev/shm/file bs=1M count=60 2>/dev/null
  full=$(monitor_memory "$monitor")
  expect "$full" -gt 100000
  moat exec "$ID" rm /dev/shm/file
  eventually 60 has_shrunk_by "$monitor" "$full" 20000
  moat delete --force "$ID"
}
