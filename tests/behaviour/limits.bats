# SPDX-License-Identifier: Apache-2.0
# Every other limit, and what is said when one cannot be.

load helpers

# knob V2-FILE V1-FILE: prints one of the container's files, whichever version it sees.
knob() {
  script "cat /sys/fs/cgroup/$1 2>/dev/null || cat /sys/fs/cgroup/*/$2"
}

@test "memory and swap together, reservation" {
  config '.linux.resources.memory = {limit: 67108864, swap: 67108864, reservation: 33554432}'
  knob memory.low memory.soft_limit_in_bytes
  run -0 foreground
  expect "$output" = 33554432
}

@test "a limit of -1 is none, and 0 processes are one" {
  config '.linux.resources = {memory: {limit: -1}, pids: {limit: -1}}'
  knob pids.max pids.max
  run -0 foreground
  expect "$output" = max
  config '.linux.resources = {pids: {limit: 0}}'
  knob pids.max pids.max
  script 'exec cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null'
  run foreground
  expect "$output" = 1
}

@test "0 processes are no limit to a caller from before specification 1.3" {
  config '.ociVersion = "1.2.1" | .linux.resources = {pids: {limit: 0}}'
  knob pids.max pids.max
  run -0 foreground
  expect "$output" = max
}

@test "a group that only takes what is left" {
  only_native "a virtual machine that gets what is left does not boot in time on a busy host"
  config '.linux.resources.cpu = {idle: 1, shares: 512}'
  knob cpu.idle cpu.idle
  run -0 foreground
  expect "$output" = 1
}

@test "a burst beyond the quota" {
  config '.linux.resources.cpu = {quota: 20000, period: 50000, burst: 10000}'
  knob cpu.max.burst cpu.cfs_burst_us
  run -0 foreground
  expect "$output" = 10000
}

@test "reading from a block device is throttled" {
  only_native "the guest has other devices"
  local numbers
  numbers=$(awk '$4 ~ /^[sv]d[a-z]$/ { print $1 ":" $2; exit }' /proc/partitions)
  [ -n "$numbers" ] || skip "this machine has no block device"
  config --argjson major "${numbers%:*}" --argjson minor "${numbers#*:}" \
    '.linux.resources.blockIO = {throttleReadBpsDevice: [{major: $major, minor: $minor, rate: 1048576}]}'
  script 'cat /sys/fs/cgroup/io.max 2>/dev/null ||
    cat /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device'
  run -0 foreground
  expect_match "$output" "$numbers"
  expect_match "$output" 1048576
}

@test "the container runs on the processors that it was given" {
  only_native "virtual processors are the guest's own"
  config '.linux.resources.cpu = {cpus: "0", mems: "0"}'
  script 'grep Cpus_allowed_list /proc/self/status'
  run -0 foreground
  expect "$(awk '{ print $2 }' <<<"$output")" = 0
}

@test "what cannot be is refused with its place and its cure" {
  only_native "these are the host's"
  config '.linux.resources.cpu = {cpus: "0-999"}'
  run ! foreground
  expect_match "$output" "linux.resources.cpu.cpus"
  expect_match "$output" "its parent has '0"
  expect "$(our_cgroups)" = ""
  config '.linux.resources = {hugepageLimits: [{pageSize: "3MB", limit: 1}]}'
  run ! foreground
  expect_match "$output" "hugepageLimits[0]"
  expect "$(our_cgroups)" = ""
}

@test "too little memory to begin with is told as that" {
  only_native "a virtual machine needs its memory for itself"
  config '.linux.resources.memory = {limit: 4096, swap: 4096}'
  args true
  run ! foreground
  expect_match "$output" "OOM-killed (memory limit too low?)"
}

@test "a path of systemd's is refused without systemd" {
  config '.linux.cgroupsPath = "system.slice:moat:x"'
  args true
  run ! foreground
  expect_match "$output" "--systemd-cgroup"
}

@test "cgroups of systemd's are refused with the way out where it does not run, in each spelling" {
  [ ! -e /run/systemd/private ] || skip "systemd runs here"
  args true
  for option in --systemd-cgroup --systemd-cgroup=true "--cgroup-manager systemd"; do
    # shellcheck disable=SC2086 # two words
    run -1 "$MOAT" --root "$ROOT" $option run --bundle "$BUNDLE" "$ID" </dev/null 3>&-
    expect_match "$output" "systemd: connect to the system's manager"
    expect_match "$output" "hint: systemd does not run here"
  done
}

@test "a path that names no scope is refused with the form that one has" {
  config '.linux.cgroupsPath = "/system.slice/x"'
  args true
  run -1 "$MOAT" --root "$ROOT" --systemd-cgroup run --bundle "$BUNDLE" "$ID" </dev/null 3>&-
  expect_match "$output" 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/system.slice/x" instead'
}

@test "a name with odd characters is a name" {
  only_native "the same code"
  config --arg path "/a b;\$(c)*-$ID/[x]?" '.linux.cgroupsPath = $path'
  detached_sleep
  [ -n "$(find /sys/fs/cgroup -type d -path "*/a b;\$(c)\*-$ID/\[x\]\?" -print -quit)" ]
  moat exec "$ID" true </dev/null
  moat delete --force "$ID"
  remove_cgroups "*-$ID"
}

# How `exec --cgroup` names one below the container's, which is made first.
make_below() {
  local dir=/sys/fs/cgroup/memory
  if is_vm; then
    moat exec "$ID" mkdir /sys/fs/cgroup/below </dev/null
    echo below
    return
  fi
  local prefix=memory:
  if [ ! -d "$dir" ]; then
    dir=/sys/fs/cgroup prefix=
  fi
  mkdir "$dir/$ID/below"
  echo "${prefix}below"
}

@test "exec joins a cgroup below the container's" {
  config '(.mounts[] | select(.type == "cgroup").options) -= ["ro"]'
  detached_sleep
  local below
  below=$(make_below)
  run -0 moat exec --cgroup "$below" "$ID" cat /proc/self/cgroup </dev/null
  expect_match "$output" /below
  run ! moat exec --cgroup "${below/below/../below}" "$ID" true </dev/null
  expect_match "$output" "bad sub cgroup path"
  run ! moat exec --cgroup "${below/below/missing}" "$ID" true </dev/null
  expect_match "$output" "/missing' in '"
  moat delete --force "$ID"
}

@test "Intel RDT is refused where there is none" {
  grep -q resctrl /proc/mounts && skip "this host has it"
  config '.linux.intelRdt = {l3CacheSchema: "L3:0=f"}'
  args true
  run ! foreground
  expect_match "$output" "linux.intelRdt"
  expect "$(our_cgroups)" = ""
}
