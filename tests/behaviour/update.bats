# SPDX-License-Identifier: Apache-2.0
# update: limits of a container that is there already.

# bats file_tags=kvm-host

load helpers

# limit_of V2-FILE CONTROLLER V1-FILE: the container's own file, whichever version it sees.
limit_of() {
  moat exec "$ID" sh -c "cat /sys/fs/cgroup/$1 2>/dev/null || cat /sys/fs/cgroup/$2/$3"
}

memory_limit() {
  limit_of memory.max memory memory.limit_in_bytes
}

pids_limit() {
  limit_of pids.max pids pids.max
}

# "QUOTA PERIOD"; no quota is "max" and -1.
cpu_limit() {
  moat exec "$ID" sh -c 'cat /sys/fs/cgroup/cpu.max 2>/dev/null ||
    echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us)'
}

# What the next update starts from.
stored() {
  jq -c ".linux.resources$1" "$ROOT/$ID/config.json"
}

@test "limits are changed by options, in force and kept" {
  config '.linux.resources = {memory: {limit: 67108864}, cpu: {shares: 512}}'
  detached_sleep
  moat update --memory 48m --pids-limit 20 --cpu-quota 50000 "$ID"
  expect "$(memory_limit)" = 50331648
  expect "$(pids_limit)" = 20
  expect "$(cpu_limit)" = "50000 100000"
  expect "$(stored .memory.limit)" = 50331648
  expect "$(stored .cpu)" = '{"shares":512,"quota":50000}'
  moat delete --force "$ID"
}

@test "an update starts from the one before" {
  detached_sleep
  moat update --cpu-quota 30000 "$ID"
  moat update --cpu-period 50000 "$ID"
  expect "$(cpu_limit)" = "30000 50000"
  moat update --cpu-quota 40000 "$ID"
  expect "$(cpu_limit)" = "40000 50000"
  moat delete --force "$ID"
}

@test "limits are changed by a document, from a file and from standard input" {
  detached_sleep
  echo '{"memory": {"limit": 50331648}, "pids": {"limit": 12}}' >"$BATS_TEST_TMPDIR/r.json"
  moat update --resources "$BATS_TEST_TMPDIR/r.json" "$ID"
  expect "$(memory_limit)" = 50331648
  expect "$(pids_limit)" = 12
  echo '{"pids": {"limit": 13}}' | moat update --resources - "$ID"
  expect "$(pids_limit)" = 13
  expect "$(memory_limit)" = 50331648
  moat delete --force "$ID"
}

@test "beside a document no other option counts" {
  detached_sleep
  echo '{"pids": {"limit": 14}}' | moat update -r - --pids-limit 15 --memory 48m "$ID"
  expect "$(pids_limit)" = 14
  expect "$(stored .memory)" = null
  moat delete --force "$ID"
}

@test "what engines write for nothing changes nothing" {
  config '.linux.resources = {memory: {limit: 67108864}, cpu: {quota: 50000, period: 100000}}'
  detached_sleep
  echo '{"memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0, "quota": 0, "cpus": ""},
    "blockIO": {"weight": 0}, "devices": [{"allow": true}]}' | moat update -r - "$ID"
  expect "$(memory_limit)" = 67108864
  expect "$(cpu_limit)" = "50000 100000"
  expect "$(stored .devices)" = "$(jq -c .linux.resources.devices "$BUNDLE/config.json")"
  moat delete --force "$ID"
}

@test "a limit is lifted by -1" {
  config '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 20},
    cpu: {quota: 50000, period: 100000}}'
  detached_sleep
  moat update --memory -1 --pids-limit -1 --cpu-quota=-1 "$ID"
  expect "$(pids_limit)" = max
  expect_match "$(memory_limit)" "$(is_vm && echo max || memory_limit)"
  expect "$(stored .memory.swap)" = -1
  [[ $(cpu_limit) =~ ^(max|-1)\ 100000$ ]]
  moat delete --force "$ID"
}

@test "a created and a paused container are updated too" {
  args sleep 1000
  create
  moat update --pids-limit 21 "$ID"
  moat start "$ID"
  expect "$(pids_limit)" = 21
  moat pause "$ID"
  moat update --pids-limit 22 "$ID"
  expect "$(status_of "$ID")" = paused
  moat resume "$ID"
  expect "$(pids_limit)" = 22
  moat delete --force "$ID"
}

@test "a stopped container is not" {
  args true
  detached
  wait_status stopped
  run -1 moat update --memory 64m "$ID"
  expect_match "$output" "container not running"
  moat delete "$ID"
}

@test "what cannot be is refused with its place, and not kept" {
  detached_sleep
  local before
  before=$(stored "")
  run -1 moat update --memory 32m --memory-swap 16m "$ID"
  expect_match "$output" "memory.swap"
  echo '{"memory": {"limit": "much"}}' >"$BATS_TEST_TMPDIR/r.json"
  run -1 moat update -r "$BATS_TEST_TMPDIR/r.json" "$ID"
  expect_match "$output" "r.json:1: memory.limit: not a number"
  expect "$(stored "")" = "$before"
  moat delete --force "$ID"
}

@test "processors are chosen on the host" {
  only_native "a guest has processors of its own"
  detached_sleep
  moat update --cpuset-cpus 0 "$ID"
  expect "$(moat exec "$ID" sh -c 'grep Cpus_allowed_list /proc/1/status | cut -f 2')" = 0
  moat delete --force "$ID"
}

@test "the host's cgroup of a virtual machine follows" {
  only_vm "there is one cgroup only"
  config '.linux.resources = {memory: {limit: 67108864}}'
  detached_sleep
  host_limit() {
    cat "$(our_cgroups | grep -m 1 -e /memory/ -e "^/sys/fs/cgroup/$ID")"/memory.{limit_in_bytes,max} 2>/dev/null || true
  }
  local before
  before=$(host_limit)
  moat update --memory 128m "$ID"
  [ "$(host_limit)" -gt "$before" ]
  moat delete --force "$ID"
}
