# SPDX-License-Identifier: Apache-2.0
# events: statistics, running out of memory, and the end of the container.

# bats file_tags=kvm-host

load helpers

stats() {
  moat events --stats "$ID"
}

# The events of a container that is followed in the background, in $EVENTS.
follow() {
  EVENTS=$BATS_TEST_TMPDIR/events
  moat events "$@" "$ID" >"$EVENTS" 2>"$BATS_TEST_TMPDIR/events-err" &
  FOLLOWER=$!
}

count_of() {
  jq -s --arg type "$1" 'map(select(.type == $type)) | length' "$EVENTS"
}

has_events() {
  [ "$(count_of "$1")" -ge "$2" ]
}

@test "--stats is one object with what runc's callers read" {
  config '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 50}}'
  detached_sleep
  run -0 --separate-stderr stats
  expect "${#lines[@]}" = 1
  expect "$stderr" = ""
  expect "$(jq -r '.type + " " + .id' <<<"$output")" = "stats $ID"
  expect "$(jq -c '.data | keys' <<<"$output")" = \
    '["blkio","cpu","cpuset","hugetlb","intel_rdt","memory","network_interfaces","pids"]'
  expect "$(jq -c '.data.pids' <<<"$output")" = '{"current":1,"limit":50}'
  expect "$(jq .data.memory.usage.limit <<<"$output")" = 67108864
  [ "$(jq .data.memory.usage.usage <<<"$output")" -gt 0 ]
  [ "$(jq .data.cpu.usage.total <<<"$output")" -gt 0 ]
  [ "$(jq '.data.memory.raw | length' <<<"$output")" -gt 10 ]
  moat delete --force "$ID"
}

@test "processor time is counted" {
  script 'while :; do :; done'
  detached
  uses_time() {
    [ "$(stats | jq .data.cpu.usage.total)" -gt 200000000 ]
  }
  eventually 20 uses_time
  moat delete --force "$ID"
}

@test "statistics come each interval, until the container ends" {
  detached_sleep
  follow --interval 200ms
  eventually 20 has_events stats 3
  moat kill "$ID" KILL
  expect_end 0 "$FOLLOWER"
  expect "$(cat "$BATS_TEST_TMPDIR/events-err")" = ""
  wait_status stopped
  moat delete "$ID"
}

@test "a container that is deleted meanwhile ends them too" {
  detached_sleep
  follow --interval 100ms
  eventually 20 has_events stats 1
  moat delete --force "$ID"
  expect_end 0 "$FOLLOWER"
}

@test "running out of memory is told" {
  config '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
  script 'sleep 1; dd if=/dev/zero of=/dev/null bs=90M count=1; sleep 1000'
  detached
  follow --interval 60s
  eventually 20 has_events oom 1
  expect "$(jq -c . "$EVENTS" | head -n 1)" = "{\"type\":\"oom\",\"id\":\"$ID\"}"
  moat delete --force "$ID"
  expect_end 0 "$FOLLOWER"
}

# Natively conmon sees it by itself.
@test "running out of memory in a virtual machine is told where conmon's engine looks" {
  only_vm "the host's kernel tells conmon"
  local persist=$BATS_TEST_TMPDIR/persist
  mkdir "$persist"
  config '.linux.resources.memory = {limit: 33554432}'
  args dd if=/dev/zero of=/dev/null bs=90M count=1
  # What runs moat is called conmon, and has conmon's options.
  export MOAT ROOT BUNDLE PID_FILE ID
  # shellcheck disable=SC2016 # the inner shell's
  (exec -a conmon bash -c '"$MOAT" --root "$ROOT" create -b "$BUNDLE" --pid-file "$PID_FILE" "$ID"
    exit $?' conmon -b "$BUNDLE" --persist-dir "$persist") </dev/null >"$OUT" 2>"$ERR" 3>&-
  moat start "$ID"
  wait_status stopped
  [ -e "$BUNDLE/oom" ]
  [ -e "$persist/oom" ]
  moat delete "$ID"
}

@test "a paused container has statistics" {
  detached_sleep
  moat pause "$ID"
  stats | jq -e .data.memory.usage.usage
  moat resume "$ID"
  moat delete --force "$ID"
}

@test "a stopped container has none" {
  args true
  detached
  wait_status stopped
  run -1 moat events --stats "$ID"
  expect_match "$output" "container with id $ID is not running"
  run -1 moat events "$ID"
  expect_match "$output" "container with id $ID is not running"
  moat delete "$ID"
}

@test "an interval of nothing is refused" {
  detached_sleep
  run -1 moat events --interval 0s "$ID"
  expect_match "$output" "duration interval must be greater than 0"
  moat delete --force "$ID"
}

# --- beside its peers ---------------------------------------------------------------------------

# Busy with everything that is counted, and out of memory once.
busy() {
  config '.ociVersion = "1.0.2" | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 50},
    cpu: {quota: 50000, period: 100000}}'
  script 'dd if=/dev/zero of=/file bs=64k count=64; sync; cat /file >/dev/null
    head -c 100m /dev/zero | tail >/dev/null; touch /tried; sleep 1000'
}

runc() {
  command runc --root "$BATS_TEST_TMPDIR/runc" "$@" 3>&-
}

# How the document is built: each key with the way to it and the kind of its value. Which counters the
# kernel has in memory.stat differs from one moment to the next, and pressure is what a later runc shows.
shape() {
  jq -r 'del(.id, .data.memory.raw, .data[]?.psi?)
    | paths as $p | [($p | map(if type == "number" then "[]" else . end) | join(".")), (getpath($p) | type)] | join(" ")' |
    sort -u
}

# Keys that runc leaves out where they are 0, or where there are none.
is_left_out_at_zero() {
  [[ $1 =~ ^data\.blkio\.(io|sectors) || $1 =~ (failcnt|value|minor|cache|usage|max|kernel|user|eriods|Time|limit|current)\ number$ ]]
}

@test "runc's statistics have the same keys, with the same kinds of values" {
  only_native "runc knows no virtual machines"
  command -v runc >/dev/null || skip "there is no runc to compare with"
  busy
  detached
  eventually 30 test -e "$BUNDLE/rootfs/tried"
  moat events --stats "$ID" >"$BATS_TEST_TMPDIR/ours.json"
  moat delete --force "$ID"
  rm "$BUNDLE/rootfs/tried"
  runc run --detach --bundle "$BUNDLE" "$ID-runc" </dev/null >"$OUT" 2>&1
  eventually 30 test -e "$BUNDLE/rootfs/tried"
  runc events --stats "$ID-runc" >"$BATS_TEST_TMPDIR/theirs.json"
  runc delete --force "$ID-runc"
  local ours theirs line odd=""
  ours=$(shape <"$BATS_TEST_TMPDIR/ours.json")
  theirs=$(shape <"$BATS_TEST_TMPDIR/theirs.json")
  [ "$(wc -l <<<"$theirs")" -gt 30 ]
  while read -r line; do
    is_left_out_at_zero "${line#[<>] }" || odd+="$line"$'\n'
  done < <(diff <(echo "$ours") <(echo "$theirs") | grep '^[<>]')
  expect "$odd" = ""
}

@test "runc tells of the lack of memory in the same words" {
  only_native "runc knows no virtual machines"
  command -v runc >/dev/null || skip "there is no runc to compare with"
  config '.ociVersion = "1.0.2" | .linux.resources.memory = {limit: 33554432, swap: 33554432}'
  # Again and again: nothing says since when somebody listens.
  script 'while :; do dd if=/dev/zero of=/dev/null bs=90M count=1; sleep 0.2; done'
  detached
  follow --interval 60s
  eventually 20 has_events oom 1
  local ours
  ours=$(jq -c 'select(.type == "oom") | del(.id)' "$EVENTS" | head -n 1)
  moat delete --force "$ID"
  expect_end 0 "$FOLLOWER"
  runc run --detach --bundle "$BUNDLE" "$ID-runc" </dev/null >"$OUT" 2>&1
  command runc --root "$BATS_TEST_TMPDIR/runc" events --interval 60s "$ID-runc" >"$EVENTS" 3>&- &
  FOLLOWER=$!
  eventually 20 has_events oom 1
  expect "$(jq -c 'select(.type == "oom") | del(.id)' "$EVENTS" | head -n 1)" = "$ours"
  runc delete --force "$ID-runc"
  wait "$FOLLOWER" || true
}
