# SPDX-License-Identifier: Apache-2.0
# A container with a terminal: in the foreground, through a console socket, by exec.

load helpers

tty() {
  "$BATS_TEST_DIRNAME/../lib/tty" "$@" 3>&-
}

with_terminal() {
  config '.process.terminal = true'
}

@test "run in the foreground gives the container a terminal" {
  with_terminal
  script 'tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three'
  run -0 tty -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  expect_match "$output" /dev/pts/0
  expect_match "$output" "all three"
}

@test "the container's terminal has the size of the outer one" {
  with_terminal
  args stty size
  run -0 tty --size 33x101 -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  expect_match "$output" "33 101"
}

@test "the container learns that the terminal was resized" {
  with_terminal
  script 'trap "stty size; exit 0" WINCH; echo up; while :; do sleep 0.1; done'
  run -0 tty --size 33x101 expect=up resize=44x55 "expect=44 55" \
    -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  expect_match "$output" "44 55"
}

@test "what is typed reaches the container, and an interrupt its program" {
  with_terminal
  script 'echo up; read line; echo "got $line"; trap "echo interrupted; exit 42" INT; echo ready; while :; do sleep 0.1; done'
  run -42 tty expect=up 'send=typed\n' 'expect=got typed' expect=ready 'send=\x03' expect=interrupted \
    -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
}

@test "the end of typed input reaches the container" {
  with_terminal
  script 'echo up; cat; echo ended'
  run -0 tty expect=up 'send=line\n' expect=line 'send=\x04' expect=ended \
    -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
}

@test "the terminal ends its lines as terminals do, since the outer one is raw meanwhile" {
  with_terminal
  args stty -a
  run -0 tty -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  expect_match "$output" " onlcr"
}

@test "create passes the terminal over the console socket" {
  with_terminal
  script 'echo up; read line; echo "got $line"; stty size'
  config '.process.consoleSize = {height: 30, width: 90}'
  tty --socket "$BATS_TEST_TMPDIR/console" expect=up 'send=typed\n' 'expect=got typed' \
    >"$BATS_TEST_TMPDIR/shown" 2>&1 &
  eventually 10 [ -S "$BATS_TEST_TMPDIR/console" ]
  create --console-socket "$BATS_TEST_TMPDIR/console"
  moat start "$ID"
  wait $!
  wait_status stopped
  expect_match "$(cat "$BATS_TEST_TMPDIR/shown")" "30 90"
  moat delete "$ID"
}

@test "create with a terminal and without a console socket is refused" {
  with_terminal
  run ! moat create --bundle "$BUNDLE" "$ID"
  expect_match "$output" "console socket"
  run ! moat state "$ID"
}

@test "a console socket without a terminal is refused" {
  run ! moat create --console-socket "$BATS_TEST_TMPDIR/console" --bundle "$BUNDLE" "$ID"
  expect_match "$output" "console socket"
  run ! moat state "$ID"
}

@test "exec --tty has a terminal of the outer size and follows it" {
  detached_sleep
  run -7 tty --size 20x70 expect=up resize=25x75 'send=go\n' "expect=25 75" \
    -- "$MOAT" --root "$ROOT" exec --tty "$ID" sh -c 'tty; echo up; read line; stty size; exit 7'
  expect_match "$output" /dev/pts/
  moat delete --force "$ID"
}

@test "exec --detach passes its terminal over a console socket" {
  detached_sleep
  tty --socket "$BATS_TEST_TMPDIR/console" expect=up 'send=typed\n' 'expect=got typed' \
    >"$BATS_TEST_TMPDIR/shown" 2>&1 &
  eventually 10 [ -S "$BATS_TEST_TMPDIR/console" ]
  moat exec --detach --tty --console-socket "$BATS_TEST_TMPDIR/console" --pid-file "$BATS_TEST_TMPDIR/exec.pid" \
    "$ID" sh -c 'echo up; read line; echo "got $line"' </dev/null >"$OUT" 2>"$ERR"
  wait $!
  expect_match "$(cat "$BATS_TEST_TMPDIR/shown")" "got typed"
  moat delete --force "$ID"
}

@test "the caller's terminal is as it was afterwards" {
  with_terminal
  args true
  run -0 tty -- sh -c "before=\$(stty -g); '$MOAT' --root '$ROOT' run --bundle '$BUNDLE' '$ID'; [ \"\$before\" = \"\$(stty -g)\" ] && echo unchanged"
  expect_match "$output" unchanged
}
