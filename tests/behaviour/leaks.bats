# SPDX-License-Identifier: Apache-2.0
# Container after container, and the machine is as it was. MOAT_LEAK_CYCLES=1000 makes more of them.

load helpers
load ../lib/census

cycles() {
  if is_vm; then
    echo "${MOAT_LEAK_CYCLES_VM:-2}"
  else
    echo "${MOAT_LEAK_CYCLES:-100}"
  fi
}

expect_no_growth() {
  local most=$(($(cycles) / 2))
  is_vm || expect_growth_below "$most"
  expect_nothing_left
}

# Each with a name of its own: what is left of one is not overwritten by the next.
each_cycle() {
  local cycle
  census_begin
  for ((cycle = 1; cycle <= $(cycles); cycle++)); do
    "$@" "$ID-$cycle" </dev/null >"$OUT" 2>"$ERR" 3>&- || return
  done
}

create_start_delete() {
  "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$1" &&
    "$MOAT" --root "$ROOT" start "$1" &&
    "$MOAT" --root "$ROOT" delete --force "$1"
}

create_and_delete() {
  "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$1" && "$MOAT" --root "$ROOT" delete "$1"
}

run_to_the_end() {
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$1"
}

# A program that does not exist is found out in the middle of create.
create_in_vain() {
  ! "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$1"
}

exec_in() {
  "$MOAT" --root "$ROOT" exec "$ID" true
}

@test "create, start and delete, again and again, leave nothing" {
  args sleep 1000
  each_cycle create_start_delete
  expect_no_growth
}

@test "create and delete, again and again, leave nothing" {
  args sleep 1000
  each_cycle create_and_delete
  expect_no_growth
}

@test "run, again and again, leaves nothing" {
  args true
  each_cycle run_to_the_end
  expect_no_growth
}

@test "creates that fail, again and again, leave nothing" {
  args /no/such/program
  each_cycle create_in_vain
  expect_no_growth
}

@test "exec, again and again, leaves nothing" {
  detached_sleep
  each_cycle exec_in
  expect "$(moat ps --format json "$ID" 2>/dev/null | jq length)" = 1
  moat delete --force "$ID"
  expect_no_growth
}
