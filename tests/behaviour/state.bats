# SPDX-License-Identifier: Apache-2.0
# What state and list say is true, whoever else is at work and whatever lies in the root directory.

load helpers

# A record as a moat of some version would have left it.
write_record() {
  mkdir -p "$ROOT/$1"
  jq -nc --arg id "$1" --argjson version "$2" '{version: $version, id: $id, isolation: "native",
    phase: "created", bundle: "/b", pid: 0, pidStart: 0}' >"$ROOT/$1/state.json"
}

@test "list survives whatever lies in the root directory" {
  detached_sleep
  mkdir "$ROOT/empty-$ID" "$ROOT/corrupt-$ID" "$ROOT/not an id"
  echo '{"version": 1,' >"$ROOT/corrupt-$ID/state.json"
  write_record "newer-$ID" 99
  write_record "other-$ID" 1
  mkdir "$ROOT/renamed-$ID"
  cp "$ROOT/other-$ID/state.json" "$ROOT/renamed-$ID"
  touch "$ROOT/file"
  ln -s /etc "$ROOT/link"
  run -0 --separate-stderr moat list --format json
  expect "$(jq -r 'map(.id) | sort | join(" ")' <<<"$output")" = \
    "$(printf '%s\n' "$ID" "empty-$ID" "other-$ID" | sort | xargs)"
  expect_match "$stderr" "warning: list 'corrupt-$ID'"
  expect_match "$stderr" "warning: list 'newer-$ID'"
  expect_match "$stderr" "warning: list 'renamed-$ID'"
  run -0 moat list
  run -0 moat list --quiet
  rm -r "$ROOT"/{empty,corrupt,newer,other,renamed}-"$ID" "$ROOT/not an id" "$ROOT/file" "$ROOT/link"
  moat delete --force "$ID"
}

@test "a newer moat's container is left to the newer moat" {
  write_record "$ID" 99
  local command
  for command in state start "kill" "delete" "delete --force" pause "ps"; do
    run -1 moat $command "$ID"
    expect_match "$output" "state.json: version 99 is newer than this moat knows (1)"
  done
  [ -e "$ROOT/$ID/state.json" ]
  rm -r "${ROOT:?}/$ID"
}

# Waits for these alone: bats has children of its own.
wait_all() {
  local pid
  for pid in "$@"; do
    wait "$pid" || true
  done
}

@test "list is right while containers come and go" {
  only_native "the same code, and virtual machines come and go slowly"
  local names churners=() n
  args true
  churn() {
    local round
    for round in {1..15}; do
      moat run --bundle "$BUNDLE" "$ID-$1" </dev/null >/dev/null 2>&1 || true
    done
  }
  churn a &
  churners+=($!)
  churn b &
  churners+=($!)
  for n in {1..40}; do
    run -0 --separate-stderr moat list --format json
    expect "$stderr" = ""
    names=$(jq -r '.[].status' <<<"$output" | sort -u | xargs)
    [[ $names =~ ^((created|creating|running|stopped)\ ?)*$ ]]
  done
  wait_all "${churners[@]}"
}

@test "many may delete one container at once" {
  only_native "the same code"
  local round n pids
  for round in 1 2 3; do
    detached_sleep
    pids=()
    for n in 1 2 3 4 5; do
      moat delete --force "$ID" >>"$BATS_TEST_TMPDIR/errors" 2>&1 &
      pids+=($!)
    done
    for n in "${pids[@]}"; do
      expect_end 0 "$n"
    done
    [ ! -e "$ROOT/$ID" ]
  done
  expect "$(cat "$BATS_TEST_TMPDIR/errors")" = ""
}

@test "of many starts one succeeds" {
  only_native "the same code"
  local n pids=()
  args sleep 1000
  create
  for n in 1 2 3 4 5 6; do
    (moat start "$ID" 2>/dev/null && echo started >>"$BATS_TEST_TMPDIR/started") &
    pids+=($!)
  done
  wait_all "${pids[@]}"
  expect "$(wc -l <"$BATS_TEST_TMPDIR/started")" = 1
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "start, kill and delete at once leave the truth and nothing else" {
  only_native "the same code"
  local n pids
  args sleep 1000
  for n in 1 2 3 4 5 6 7 8; do
    create
    moat start "$ID" >/dev/null 2>&1 &
    pids=($!)
    moat kill "$ID" KILL >/dev/null 2>&1 &
    pids+=($!)
    moat delete --force "$ID" >"$OUT" 2>&1 &
    expect_end 0 $!
    wait_all "${pids[@]}"
    [ ! -e "$ROOT/$ID" ]
  done
}

# A command that changes a running container, killed after each of some delays: its state stays
# a truth, and everything else goes on working.
kill_after() {
  local delay
  detached_sleep
  for delay in 0 0.001 0.002 0.003 0.005 0.008 0.012; do
    "$MOAT" --root "$ROOT" "$@" "$ID" </dev/null >/dev/null 2>&1 3>&- &
    sleep "$delay"
    kill -KILL $! 2>/dev/null || true
    wait $! || true
    [[ $(status_of "$ID") =~ ^(running|paused)$ ]]
    moat resume "$ID" 2>/dev/null || true
    expect "$(status_of "$ID")" = running
    run -0 moat exec "$ID" true </dev/null
  done
  moat delete --force "$ID"
}

@test "pause, killed at any moment, leaves a container that resume cures" {
  kill_after pause
}

@test "update, killed at any moment, leaves a container that works" {
  kill_after update --pids-limit 30
  expect_nothing_left
}

@test "delete --force, killed at any moment, can be repeated" {
  local delay
  for delay in 0 0.001 0.002 0.004 0.008; do
    detached_sleep
    "$MOAT" --root "$ROOT" delete --force "$ID" </dev/null >/dev/null 2>&1 3>&- &
    sleep "$delay"
    kill -KILL $! 2>/dev/null || true
    wait $! || true
    run -0 moat delete --force "$ID"
    expect_nothing_left
  done
}

@test "a stopped container has no pid" {
  args true
  detached
  wait_status stopped
  expect "$(moat state "$ID" | jq .pid)" = 0
  expect "$(moat list --format json | jq --arg id "$ID" '.[] | select(.id == $id) | .pid')" = 0
  moat delete "$ID"
}

@test "what create warned of is said once: engines read what later commands say on standard error" {
  mount_at relative tmpfs tmpfs
  detached_sleep
  expect "$(grep -c "relative path is taken from '/'" "$ERR")" = 1
  local command
  for command in state "ps --format json" pause resume "delete --force"; do
    # shellcheck disable=SC2086 # a command and its options
    run -0 --separate-stderr moat $command "$ID"
    expect "$stderr" = ""
  done
}
