# SPDX-License-Identifier: Apache-2.0
# Time namespaces: clocks that are the container's own.

load helpers

time_namespace() {
  config --argjson o "$1" '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = $o'
}

# The first number of a container's /proc/uptime, in whole seconds.
uptime_of() {
  cut -d . -f 1
}

@test "boottime is offset" {
  time_namespace '{"boottime": {"secs": 1000000000}}'
  args cat /proc/uptime
  run -0 foreground
  inside=$(uptime_of <<<"$output")
  expect "$inside" -ge 1000000000
  expect "$inside" -lt 1100000000
}

@test "both clocks get seconds and nanoseconds" {
  time_namespace '{"monotonic": {"secs": 86400, "nanosecs": 5}, "boottime": {"secs": 172800}}'
  script 'tr -s " " </proc/self/timens_offsets'
  run -0 foreground
  expect "$output" = $'monotonic 86400 5\nboottime 172800 0'
}

@test "a clock that would run before its zero is refused" {
  time_namespace '{"boottime": {"secs": -1000000000}}'
  args true
  run -1 foreground
  expect_match "$output" "timeOffsets"
}

@test "offsets without a new time namespace are refused" {
  config '.linux.timeOffsets = {boottime: {secs: 5}}'
  args true
  run -1 foreground
  expect_match "$output" "timeOffsets"
  expect_match "$output" "time namespace"
}

@test "exec has the container's clocks" {
  time_namespace '{"boottime": {"secs": 1000000000}}'
  detached_sleep
  run -0 moat exec "$ID" cat /proc/uptime
  expect "$(uptime_of <<<"$output")" -ge 1000000000
  moat delete --force "$ID"
}

@test "a user namespace and a time namespace go together" {
  time_namespace '{"monotonic": {"secs": 7}}'
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  chown -R 100000:100000 "$BUNDLE/rootfs"
  chmod 755 "$BATS_TEST_TMPDIR" "$BUNDLE"
  script 'id -u; tr -s " " </proc/self/timens_offsets; tr -s " " </proc/self/uid_map'
  run -0 foreground
  expect "$output" = $'0\nmonotonic 7 0\nboottime 0 0\n 0 100000 65536'
}

@test "a time namespace is joined by path" {
  only_native "a namespace of the host's means nothing in a virtual machine"
  unshare --time --fork --boottime 1000000000 sleep 1000 3>&- &
  parent=$!
  eventually 10 grep -q . "/proc/$parent/task/$parent/children"
  child=$(xargs <"/proc/$parent/task/$parent/children")
  config --arg p "/proc/$child/ns/time" '.linux.namespaces += [{type: "time", path: $p}]'
  args cat /proc/uptime
  run foreground
  kill "$child"
  expect "$status" = 0
  expect "$(uptime_of <<<"$output")" -ge 1000000000
}
