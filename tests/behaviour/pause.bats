# SPDX-License-Identifier: Apache-2.0
# pause and resume.

load helpers

# A container that counts.
detached_counter() {
  script 'i=0; while :; do i=$((i + 1)); echo $i; usleep 20000 2>/dev/null || sleep 1; done'
  detached
  eventually 10 test -s "$OUT"
}

count() {
  tail -n 1 "$OUT"
}

counts_on() {
  local before=$1
  [ "$(count)" != "$before" ]
}

@test "a paused container says so and does nothing" {
  detached_counter
  moat pause "$ID"
  expect "$(status_of "$ID")" = paused
  expect "$(moat list --format json | jq -r --arg id "$ID" '.[] | select(.id == $id) | .status')" = paused
  sleep 0.5 # what it had written is on its way
  local before
  before=$(count)
  sleep 1
  expect "$(count)" = "$before"
  moat resume "$ID"
  expect "$(status_of "$ID")" = running
  eventually 10 counts_on "$before"
  moat delete --force "$ID"
}

@test "pause twice and resume twice are refused with the words engines know" {
  detached_sleep
  run -1 moat resume "$ID"
  expect_match "$output" "container not paused"
  moat pause "$ID"
  run -1 moat pause "$ID"
  expect_match "$output" "container not running"
  moat resume "$ID"
  run -1 moat resume "$ID"
  expect_match "$output" "container not paused"
  moat delete --force "$ID"
}

@test "a stopped container is neither paused nor resumed" {
  args true
  detached
  wait_status stopped
  run -1 moat pause "$ID"
  expect_match "$output" "container not running"
  run -1 moat resume "$ID"
  expect_match "$output" "container not paused"
  moat delete "$ID"
}

@test "a created container can be paused, and starts once it is resumed" {
  args sleep 1000
  create
  moat pause "$ID"
  expect "$(status_of "$ID")" = paused
  run -1 moat start "$ID"
  expect_match "$output" "cannot start a paused container"
  moat resume "$ID"
  expect "$(status_of "$ID")" = created
  moat start "$ID"
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "no process is added to a paused container unless that is asked for" {
  detached_sleep
  moat pause "$ID"
  run -255 moat exec "$ID" true
  expect_match "$output" "cannot exec in a paused container (use --ignore-paused to override)"
  moat resume "$ID"
  run -0 moat exec "$ID" true
  moat delete --force "$ID"
}

@test "delete of a paused container is refused, and --force ends it" {
  detached_sleep
  moat pause "$ID"
  run -1 moat delete "$ID"
  expect_match "$output" "that is not stopped: paused"
  moat delete --force "$ID"
}

@test "SIGKILL ends a paused container" {
  detached_sleep
  moat pause "$ID"
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

@test "SIGTERM reaches a paused container when it is resumed" {
  script 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done'
  detached
  # Before it has its handler, the guest's agent would end it by SIGKILL.
  eventually 20 file_contains "$OUT" up
  moat pause "$ID"
  moat kill "$ID" TERM
  expect "$(status_of "$ID")" = paused
  moat resume "$ID"
  wait_status stopped
  moat delete "$ID"
}
