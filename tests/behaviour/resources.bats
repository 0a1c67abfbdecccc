# SPDX-License-Identifier: Apache-2.0
# Limits: set where the container runs, and kept.

# bats file_tags=kvm-host

load helpers

# The container's own cgroup files, whichever version it sees.
limit_of() {
  script "cat /sys/fs/cgroup/$2 2>/dev/null || cat /sys/fs/cgroup/$1/$3"
}

@test "the memory limit is set" {
  config '.linux.resources.memory = {limit: 67108864}'
  limit_of memory memory.max memory.limit_in_bytes
  run -0 foreground
  expect "$output" = 67108864
}

@test "a process that takes more memory than allowed is killed" {
  config '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
  script 'dd if=/dev/zero of=/dev/null bs=90M count=1 2>/dev/null; echo "status $?"'
  run -0 foreground
  expect "$output" = "status 137"
}

# With all memory but a few pages taken its own program is read again and again, which the kernel
# takes for progress: how long depends on who serves the files.
@test "a process that takes memory in small pieces is killed, too" {
  config '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
  script 'awk "BEGIN { while (1) eaten[i++] = sprintf(\"%1000s\", \"\") }"; echo "status $?"'
  run -0 foreground
  expect_match "$output" "status 137"
  [ "$MOAT_ISOLATION" = vm ] && [ -z "${MOAT_HYPERVISOR-}" ] || return 0
  MOAT_SHARE=virtiofs run -0 foreground
  expect_match "$output" "status 137"
}

@test "the limit of processes is set and kept" {
  config '.linux.resources.pids = {limit: 10}'
  limit_of pids pids.max pids.max
  run -0 foreground
  expect "$output" = 10
  script 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait'
  run foreground
  expect_match "$output" "fork"
}

@test "the share of processor time is limited" {
  config '.linux.resources.cpu = {quota: 50000, period: 100000, shares: 512}'
  script 'cat /sys/fs/cgroup/cpu.max 2>/dev/null ||
    echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us)'
  run -0 foreground
  expect "$output" = "50000 100000"
}

@test "the cgroup is gone with the container" {
  detached_sleep
  [ -n "$(our_cgroups)" ]
  moat delete --force "$ID"
  expect "$(our_cgroups)" = ""
}

@test "cgroupsPath names the cgroup" {
  local parent=parent-of-$ID
  config --arg path "/$parent/$ID" '.linux.cgroupsPath = $path'
  detached_sleep
  our_cgroups | grep -q "/$parent/$ID\$"
  moat delete --force "$ID"
  remove_cgroups "$parent"
}
