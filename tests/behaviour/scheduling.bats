# SPDX-License-Identifier: Apache-2.0
# How the kernel treats the process: scheduler, disks, processors, memory nodes, personality.

load helpers

# Policy and nice value of the process itself, fields 41 and 19 of proc(5)'s stat.
readonly SHOW='awk "{ print \$41, \$19 }" /proc/self/stat'

@test "the scheduler's policy and nice value are as configured" {
  config '.process.scheduler = {policy: "SCHED_BATCH", nice: 7}'
  script "$SHOW"
  run -0 foreground
  expect "$output" = "3 7"
  config '.process.scheduler = {policy: "SCHED_IDLE"}'
  run -0 foreground
  expect "${output%% *}" = 5
}

@test "a realtime policy and its priority are as configured" {
  only_native "a guest's cgroup has no time for it"
  config '.process.scheduler = {policy: "SCHED_RR", priority: 11, flags: ["SCHED_FLAG_RESET_ON_FORK"]}'
  # Not in a cgroup of its own, whose share of realtime would be none on cgroup v1.
  args cat /proc/self/stat
  run -0 moat --cgroup-manager disabled run --bundle "$BUNDLE" "$ID" </dev/null
  expect "$(awk '{ print $40, $41 }' <<<"$output")" = "11 2"
}

@test "a policy that the kernel does not permit is an error" {
  config '.process.scheduler = {policy: "SCHED_RR", priority: 11} | .process.args = ["true"]'
  run foreground
  [ "$status" -ne 0 ] || skip "this cgroup may have realtime"
  expect_match "$output" "process.scheduler: Operation not permitted"
}

@test "a scheduler that makes no sense is refused" {
  args true
  config '.process.scheduler = {policy: "SCHED_NONE"}'
  run ! foreground
  expect_match "$output" scheduler.policy
  config '.process.scheduler = {policy: "SCHED_OTHER", flags: ["SCHED_FLAG_NONE"]}'
  run ! foreground
  expect_match "$output" scheduler.flags
  config '.process.scheduler = {policy: "SCHED_FIFO", priority: 500}'
  run ! foreground
  expect_match "$output" scheduler.priority
}

@test "the priority for disks is as configured" {
  config '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}'
  args ionice -p 1
  run -0 foreground
  expect_match "$output" idle
  config '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}'
  run -0 foreground
  expect_match "$output" "best-effort: prio 6"
}

@test "exec has the container's scheduling where its document says nothing" {
  config '.process.scheduler = {policy: "SCHED_BATCH", nice: 3} | .process.oomScoreAdj = 500
    | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 5}'
  detached_sleep
  jq -n '{args: ["sh", "-c", "awk \"{ print \\$41, \\$19 }\" /proc/self/stat; cat /proc/self/oom_score_adj; ionice -p $$"],
    cwd: "/", user: {uid: 0, gid: 0}, env: ["PATH=/bin"]}' >"$BATS_TEST_TMPDIR/process.json"
  run -0 moat exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null
  expect "${lines[0]}" = "3 3"
  expect "${lines[1]}" = 500
  expect_match "${lines[2]}" "best-effort: prio 5"
  jq '.scheduler = {policy: "SCHED_OTHER", nice: 1} | .oomScoreAdj = 600' "$BATS_TEST_TMPDIR/process.json" >"$BATS_TEST_TMPDIR/other.json"
  run -0 moat exec --process "$BATS_TEST_TMPDIR/other.json" "$ID" </dev/null
  expect "${lines[0]}" = "0 1"
  expect "${lines[1]}" = 600
  moat delete --force "$ID"
}

processors() {
  awk '/^Cpus_allowed_list/ { print $2 }' "$@"
}

# Processors 0 and 1, those of the machine in one.
two_processors() {
  [ "$(nproc --all)" -ge 2 ] || skip "one processor only"
  ! is_vm || config '.linux.resources.cpu = {quota: 200000, period: 100000}'
}

# bound_to INITIAL FINAL: the processors of a process that is executed with that.
bound_to() {
  jq --arg initial "$1" --arg final "$2" '.process
    | .execCPUAffinity = ({initial: $initial, final: $final} | map_values(select(. != "")))
    | .args = ["awk", "/^Cpus_allowed_list/ { print $2 }", "/proc/self/status"]' \
    "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  run -0 moat exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null
}

@test "exec is bound to the processors of execCPUAffinity, and the first process is not" {
  two_processors
  config '.process.execCPUAffinity = {initial: "0", final: "1"}'
  args sh -c 'awk "/^Cpus_allowed_list/ { print \$2 }" /proc/self/status; exec sleep 1000'
  detached
  eventually 10 test -s "$OUT"
  local all=0-1
  is_vm || all=$(processors /proc/self/status)
  expect "$(cat "$OUT")" = "$all"
  run -0 moat exec "$ID" awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status </dev/null
  expect "$output" = 1
  # Alone the first stage ends with it.
  bound_to 0 ""
  expect "$output" = "$all"
  if is_vm; then
    # What engines know are the host's.
    bound_to 63 64-65
    expect "$output" = "$all"
  fi
  moat delete --force "$ID"
}

@test "the processors of whoever runs moat are not the container's" {
  [ "$(nproc --all)" -ge 2 ] || skip "one processor only"
  args awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status
  run -0 foreground
  local all=$output
  run -0 taskset -c 0 "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null 3>&-
  expect "$output" = "$all"
}

@test "a list of processors that is none is refused" {
  config '.process.execCPUAffinity = {initial: "0-"}'
  args true
  run ! foreground
  expect_match "$output" execCPUAffinity.initial
}

@test "the memory policy is as configured" {
  only_native "a guest has no such nodes"
  config '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0"}'
  args cat /proc/self/numa_maps
  run foreground
  if [[ "$output" == *"no NUMA support"* || "$output" == *numa_maps* ]]; then
    skip "this kernel has no NUMA support"
  fi
  expect "$status" = 0
  expect_match "$output" "bind:0"
  config '.linux.memoryPolicy = {mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_STATIC_NODES"]}'
  run -0 foreground
  expect_match "$output" "interleave=static:0"
}

@test "a memory policy without the nodes it needs is refused" {
  config '.linux.memoryPolicy = {mode: "MPOL_BIND"}'
  args true
  run ! foreground
  expect_match "$output" memoryPolicy
}

@test "the personality is that of a 32 bit machine if asked" {
  [ "$(uname -m)" = x86_64 ] || skip "the name that uname shows is x86's"
  config '.linux.personality = {domain: "LINUX32"}'
  args uname -m
  run -0 foreground
  expect "$output" = i686
  detached_sleep
  run -0 moat exec "$ID" uname -m </dev/null
  expect "$output" = i686
  moat delete --force "$ID"
  config '.linux.personality = {domain: "LINUX"}'
  args uname -m
  run -0 foreground
  expect "$output" = x86_64
}

@test "the memory killer's adjustment is as configured" {
  config '.process.oomScoreAdj = 321'
  args cat /proc/self/oom_score_adj
  run -0 foreground
  expect "$output" = 321
}
