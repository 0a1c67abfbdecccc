# SPDX-License-Identifier: Apache-2.0
# `run` in the foreground: streams, exit codes, signals.

load helpers

@test "run shows the container's output and returns 0" {
  args echo hello from inside
  run -0 --separate-stderr foreground
  expect "$output" = "hello from inside"
  expect "$stderr" = ""
}

@test "run returns the exit codes of the container's program" {
  for code in 0 1 42 137 143 255; do
    script "exit $code"
    run foreground
    expect "$status" = "$code"
  done
}

@test "run returns 137 when the container's program is killed" {
  script 'echo up; exec sleep 1000'
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 30 file_contains "$OUT" up
  moat kill "$ID" KILL
  expect_end 137 $!
}

@test "run passes a signal on and returns what the program made of it" {
  script 'trap "echo asked; exit 143" TERM; echo up; while :; do sleep 0.1; done'
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 30 file_contains "$OUT" up
  kill -TERM $!
  expect_end 143 $!
  run -0 cat "$OUT"
  expect_match "$output" asked
}

@test "standard error stays apart from standard output" {
  script 'echo to out; echo to err >&2'
  run -0 --separate-stderr foreground
  expect "$output" = "to out"
  expect "$stderr" = "to err"
}

@test "50 MiB go in through standard input and come out unchanged" {
  head -c 50M /dev/urandom >"$BATS_TEST_TMPDIR/data"
  script 'cat; echo apart >&2'
  moat run --bundle "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/data" >"$OUT" 2>"$ERR"
  expect "$(sha256sum <"$OUT")" = "$(sha256sum <"$BATS_TEST_TMPDIR/data")"
  expect "$(cat "$ERR")" = apart
}

@test "the end of standard input reaches the program" {
  args wc -c
  printf 12345 >"$BATS_TEST_TMPDIR/data"
  moat run --bundle "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/data" >"$OUT" 2>"$ERR"
  expect "$(cat "$OUT")" = 5
}

@test "a reader that goes away ends a writing container, as it would a process" {
  args yes
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null 2>"$ERR" 3>&- | head -n 1 >"$OUT"
  expect "$(cat "$OUT")" = y
}

@test "run takes the bundle from the working directory" {
  args echo here
  cd "$BUNDLE"
  run -0 moat run "$ID"
  expect "$output" = here
}

@test "run --detach returns while the container runs" {
  args sleep 1000
  moat run --detach --bundle "$BUNDLE" --pid-file "$PID_FILE" "$ID" </dev/null >"$OUT" 2>"$ERR"
  wait_status running
  expect "$(cat "$PID_FILE")" = "$(moat state "$ID" | jq .pid)"
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

@test "run --keep leaves a stopped container behind" {
  args true
  run -0 foreground --keep
  expect "$(status_of "$ID")" = stopped
  moat delete "$ID"
}

@test "a failed run leaves no container behind" {
  args /no/such/program
  run ! foreground
  run ! moat state "$ID"
}

@test "processes the program left behind end with it" {
  script 'sleep 1000 & sleep 1000 & echo done'
  run -0 foreground
  expect "$output" = done
}

@test "what was written through a shared mapping is in the file when run returns" {
  only_shared "the root is written to"
  needs_compiler
  compile map-write
  cp "$BATS_FILE_TMPDIR/map-write" "$BUNDLE/rootfs/bin/map-write"
  args map-write /mapped 'through a mapping'
  run -0 foreground
  run -0 cat "$BUNDLE/rootfs/mapped"
  expect "$output" = 'through a mapping'
}
