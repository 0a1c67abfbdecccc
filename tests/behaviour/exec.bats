# SPDX-License-Identifier: Apache-2.0
# exec: a further process in a container that runs.

load helpers

# Each test's own container runs for as long as its test.
enter() {
  moat exec "$@" </dev/null
}

@test "exec shows output, keeps standard error apart and returns the exit code" {
  detached_sleep
  run -42 --separate-stderr enter "$ID" sh -c 'echo out; echo err >&2; exit 42'
  expect "$output" = out
  expect "$stderr" = err
  for code in 0 1 137 143; do
    run enter "$ID" sh -c "exit $code"
    expect "$status" = $code
  done
  moat delete --force "$ID"
}

@test "exec returns 128 and the signal's number for a process that a signal ended" {
  detached_sleep
  run -143 enter "$ID" sh -c 'kill -TERM $$'
  run -137 enter "$ID" sh -c 'kill -KILL $$'
  moat delete --force "$ID"
}

@test "exec passes standard input" {
  detached_sleep
  head -c 3M /dev/urandom >"$BATS_TEST_TMPDIR/data"
  moat exec "$ID" cat <"$BATS_TEST_TMPDIR/data" >"$OUT"
  expect "$(sha256sum <"$OUT")" = "$(sha256sum <"$BATS_TEST_TMPDIR/data")"
  moat delete --force "$ID"
}

# bats test_tags=kvm-host
@test "exec runs among the container's processes, files and limits" {
  config '.hostname = "box"'
  detached_sleep
  run -0 enter "$ID" hostname
  expect "$output" = box
  run -0 enter "$ID" cat /proc/1/cmdline
  expect_match "$output" sleep
  run -0 enter "$ID" sh -c 'for n in mnt uts ipc net pid cgroup; do [ "$(readlink /proc/1/ns/$n)" = "$(readlink /proc/self/ns/$n)" ] || echo "differs: $n"; done'
  expect "$output" = ""
  run -0 enter "$ID" sh -c '[ "$(cat /proc/self/cgroup)" = "$(cat /proc/1/cgroup)" ] || diff /proc/self/cgroup /proc/1/cgroup'
  moat delete --force "$ID"
}

@test "exec starts from the container's environment, working directory and user" {
  config '.process.env += ["COLOUR=blue"] | .process.cwd = "/etc" | .process.user = {uid: 1000, gid: 1000}'
  detached_sleep
  run -0 enter "$ID" sh -c 'echo $COLOUR $PWD $(id -u):$(id -g)'
  expect "$output" = "blue /etc 1000:1000"
  moat delete --force "$ID"
}

@test "exec --env, --cwd and --user say otherwise" {
  config '.process.env += ["COLOUR=blue"]'
  detached_sleep
  run -0 enter --env COLOUR=red --env "TWO=a,b c" --cwd /tmp --user 1000:1000 "$ID" \
    sh -c 'echo "$COLOUR|$TWO|$PWD|$(id -u):$(id -g)"'
  expect "$output" = "red|a,b c|/tmp|1000:1000"
  moat delete --force "$ID"
}

@test "exec --process takes a whole process document" {
  detached_sleep
  jq -n '{args: ["sh", "-c", "echo $A $PWD $(id -u); exit 7"], cwd: "/proc", env: ["PATH=/bin", "A=b"],
          user: {uid: 5, gid: 6}}' >"$BATS_TEST_TMPDIR/process.json"
  run -7 enter --process "$BATS_TEST_TMPDIR/process.json" "$ID"
  expect "$output" = "b /proc 5"
  moat delete --force "$ID"
}

@test "exec of a missing program fails with 255 and says what is missing" {
  detached_sleep
  run -255 enter "$ID" /no/such/program
  expect_match "$output" "/no/such/program"
  expect_match "$output" "no such file or directory"
  run -255 enter "$ID" nosuchprogram
  expect_match "$output" 'executable file not found in $PATH'
  moat delete --force "$ID"
}

@test "exec --detach returns at once and leaves a complete pid file" {
  detached_sleep
  moat exec --detach --pid-file "$BATS_TEST_TMPDIR/exec.pid" "$ID" \
    sh -c 'echo up; until [ -e /go ]; do sleep 0.1; done; echo later' </dev/null >"$OUT" 2>"$ERR"
  [[ $(od -An -c "$BATS_TEST_TMPDIR/exec.pid" | tr -d ' \n') =~ ^[0-9]+$ ]]
  kill -0 "$(cat "$BATS_TEST_TMPDIR/exec.pid")"
  moat exec "$ID" touch /go </dev/null
  eventually 20 file_contains "$OUT" later
  moat delete --force "$ID"
}

@test "exec --detach of a missing program leaves no pid file" {
  detached_sleep
  run ! moat exec --detach --pid-file "$BATS_TEST_TMPDIR/exec.pid" "$ID" /no/such/program </dev/null
  [ ! -e "$BATS_TEST_TMPDIR/exec.pid" ]
  moat delete --force "$ID"
}

@test "several execs run at the same time" {
  detached_sleep
  local pids=()
  for n in 1 2 3 4; do
    moat exec "$ID" sh -c "sleep 0.5; echo $n" </dev/null >"$OUT.$n" 2>"$ERR.$n" &
    pids+=($!)
  done
  wait "${pids[@]}"
  expect "$(cat "$OUT".[1-4] | xargs)" = "1 2 3 4"
  moat delete --force "$ID"
}

@test "exec in a stopped container is refused with 255" {
  args true
  detached
  wait_status stopped
  run -255 enter "$ID" true
  expect_match "$output" "cannot exec in a stopped container"
  moat delete "$ID"
}

@test "an exec ends with its container" {
  detached_sleep
  "$MOAT" --root "$ROOT" exec "$ID" sh -c 'echo up; sleep 1000' </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 20 file_contains "$OUT" up
  moat kill "$ID" KILL
  local status=0
  wait $! || status=$?
  expect "$status" -gt 128 # killed, or cut off with its virtual machine
  wait_status stopped
  moat delete "$ID"
}
