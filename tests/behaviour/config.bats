# SPDX-License-Identifier: Apache-2.0
# config.json: what is refused before there is anything, what is ignored, and what a virtual machine
# makes of the host's hardware.

load helpers

# refused PATH REASON FILTER: the configuration that jq's FILTER makes is refused with the place of
# what is wrong, its line included, and nothing is made.
refused() {
  cp "$BUNDLE/config.json" "$BUNDLE/good.json"
  config "$3"
  run create
  expect "$status" = 1
  expect_match "$(<"$ERR")" ": $1: $2"
  local line key=${1##*.}
  line=$(sed -nE 's/.*config\.json:([0-9]+): .*/\1/p' "$ERR")
  if ! sed -n "${line:?}p" "$BUNDLE/config.json" | grep -qF "${key%%[*}"; then
    echo "line $line says nothing of '$key': $(sed -n "${line}p" "$BUNDLE/config.json")"
    return 1
  fi
  if [ -e "$ROOT/$ID" ]; then
    echo "'$ROOT/$ID' was made"
    return 1
  fi
  mv "$BUNDLE/good.json" "$BUNDLE/config.json"
}

@test "a configuration that contradicts itself is refused with its place" {
  refused linux.resources.memory.limit 'not a number: "1G"' '.linux.resources.memory.limit = "1G"'
  refused linux.timeOffsets "time namespace offsets specified, but time namespace isn't enabled" \
    '.linux.timeOffsets.boottime.secs = 1'
  refused linux.netDevices 'unable to move network devices without a private network namespace' \
    '.linux.netDevices.eth0 = {} | del(.linux.namespaces[] | select(.type == "network"))'
  refused process.scheduler.priority 'must be from 1 to 99: 100' \
    '.process.scheduler = {policy: "SCHED_FIFO", priority: 100}'
  refused process.ioPriority.priority 'must be from 0 to 7: 8' \
    '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 8}'
  refused linux.memoryPolicy.nodes 'must be empty for the mode: "MPOL_LOCAL"' \
    '.linux.memoryPolicy = {mode: "MPOL_LOCAL", nodes: "0"}'
  refused linux.seccomp.listenerPath 'seccomp listenerPath is not set' '.linux.seccomp =
    {listenerPath: "", defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
  refused 'mounts[0].options' 'an id-mapped mount needs uidMappings and gidMappings' \
    '.mounts = [{destination: "/a", type: "bind", source: "/", options: ["rbind", "idmap"]}]'
  refused 'linux.uidMappings[1].hostID' 'overlaps an earlier range: 1005' '.linux.namespaces += [{type: "user"}] |
    .linux.gidMappings = [{containerID: 0, hostID: 1000, size: 10}] |
    .linux.uidMappings = [{containerID: 0, hostID: 1000, size: 10}, {containerID: 10, hostID: 1005, size: 10}]'
}

@test "what nobody knows, and what is for other systems, is ignored" {
  config '.ociVersion = "1.9.3" | .windows = {layerFolders: ["x"]} | .solaris = {milestone: "m"} |
    .freebsd = {jail: {}} | .future = [{a: 1}] | .linux.future = {b: []} | .process.commandLine = "x" |
    .linux.resources.future = 1 | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", future: true}'
  args echo here
  run -0 foreground
  expect "$output" = here
}

@test "what Docker writes for 'none' is none" {
  config '.linux.resources += {memory: {disableOOMKiller: false}, cpu: {shares: 0}, pids: {limit: 0},
    blockIO: {weight: 0}, devices: [{allow: false, access: "rwm"}]} |
    .hostname = "" | .domainname = "" | .process.apparmorProfile = "" | .process.selinuxLabel = "" |
    .linux.mountLabel = "" | .linux.rootfsPropagation = "" | .linux.cgroupsPath = ""'
  args echo here
  # 18446744073709551615, in which jq would lose the last digits.
  sed -i 's/"disableOOMKiller": false/"disableOOMKiller": false, "swappiness": 18446744073709551615/' \
    "$BUNDLE/config.json"
  run -0 foreground
  expect "$output" = here
}

@test "a virtual machine is not given the host's hardware" {
  only_vm "these are applied natively"
  config '.linux.memoryPolicy = {mode: "MPOL_PREFERRED", nodes: "0"} |
    .linux.resources += {rdma: {mlx5_1: {hcaHandles: 1}}, hugepageLimits: [{pageSize: "2MB", limit: 0}]}'
  args echo here
  run -0 foreground
  expect_match "$output" here
  config '.linux.netDevices.eth0 = {}'
  run create
  expect "$status" = 1
  expect_match "$(<"$ERR")" "linux.netDevices: 'eth0' cannot be moved into a virtual machine"
}
