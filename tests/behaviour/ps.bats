# SPDX-License-Identifier: Apache-2.0
# ps: the processes of a container, as pids and as a table.

load helpers

# The pids that ps lists, one a line.
pids() {
  moat ps --format json "$ID" | jq -r '.[]'
}

has_pids() {
  [ "$(pids | wc -l)" = "$1" ]
}

@test "ps --format json is an array of pids and nothing else" {
  detached_sleep
  run -0 --separate-stderr moat ps --format json "$ID"
  expect "$stderr" = ""
  [[ $output =~ ^\[[0-9]+\]$ ]]
  is_vm || expect "$output" = "[$(cat "$PID_FILE")]"
  moat delete --force "$ID"
}

@test "ps lists every process of the container, those of exec too" {
  script 'sleep 1000 & sleep 1000; :'
  detached
  eventually 10 has_pids 3
  moat exec --detach "$ID" sleep 1000 </dev/null >/dev/null 2>&1
  eventually 10 has_pids 4
  moat delete --force "$ID"
}

@test "the table has a header and a line for each process" {
  script 'sleep 1001 & exec sleep 1000'
  detached
  eventually 10 has_pids 2
  run -0 moat ps "$ID"
  expect "${#lines[@]}" = 3
  [[ ${lines[0]} =~ ^UID\ +PID\ +PPID\ .*CMD$ ]]
  expect_match "$output" "sleep 1000"
  expect_match "$output" "sleep 1001"
  run -0 moat ps --format table "$ID" -ef
  expect "${#lines[@]}" = 3
  moat delete --force "$ID"
}

@test "options behind the id are those of ps" {
  only_native "a virtual machine has no ps program"
  detached_sleep
  run -0 moat ps "$ID" -o comm,pid
  expect "${#lines[@]}" = 2
  [[ ${lines[1]} =~ ^sleep\ +$(cat "$PID_FILE")$ ]]
  run -1 moat ps "$ID" -o comm
  expect_match "$output" "couldn't find PID field"
  run -1 moat ps "$ID" --no-such-option
  expect_match "$output" "exit status"
  moat delete --force "$ID"
}

@test "ps in a virtual machine refuses options that it cannot follow" {
  only_vm "the host's ps knows them"
  detached_sleep
  run -1 moat ps "$ID" -o comm,pid
  expect_match "$output" "ps options mean nothing in a virtual machine"
  moat delete --force "$ID"
}

@test "what a process calls itself cannot reach the terminal" {
  only_vm "the host's ps is somebody else's program"
  args sh -c 'sleep 1000; :' "$(printf 'a\033[2Jb')"
  detached
  eventually 10 has_pids 2 # it is executed by then
  run -0 moat ps "$ID"
  expect_match "$output" 'a?[2Jb'
  moat delete --force "$ID"
}

@test "ps never runs a program of the container's, nor one from PATH" {
  only_native "there is no program to run"
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\necho PID; echo trapped\n' >"$BATS_TEST_TMPDIR/bin/ps"
  chmod +x "$BATS_TEST_TMPDIR/bin/ps"
  detached_sleep
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run -0 moat ps "$ID"
  [[ $output != *trapped* ]]
  moat delete --force "$ID"
}

@test "a stopped container has no processes" {
  args true
  detached
  wait_status stopped
  run -0 moat ps --format json "$ID"
  expect "$output" = "[]"
  run -0 moat ps "$ID"
  expect "${#lines[@]}" = 1
  moat delete "$ID"
}
