# SPDX-License-Identifier: Apache-2.0
# A program in a container that tells the service manager of the host when it is ready.

load helpers

# The manager: prints what arrives, one datagram a line, and closes descriptors, as systemd does.
manager() {
  only_native "a guest cannot be given a socket"
  export NOTIFY_SOCKET=$BATS_TEST_TMPDIR/manager.sock
  LOG=$BATS_TEST_TMPDIR/manager.log
  perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die;
    $| = 1; while (defined recv(S, $m, 4096, 0)) { $m =~ tr/\n/,/; print "$m\n" }' "$NOTIFY_SOCKET" >"$LOG" 3>&- &
  MANAGER=$!
  eventually 10 test -S "$NOTIFY_SOCKET"
}

manager_ends() {
  kill "$MANAGER"
  wait "$MANAGER" 2>/dev/null || true
}

# The program sends by syslog(3), which is a datagram too: its text is on a line of its own there.
says() {
  script "ln -s \"\$NOTIFY_SOCKET\" /dev/log; logger 'x
$1'; $2"
}

@test "start returns when the program is ready, and tells the manager the program's pid" {
  manager
  says READY=1 'exec sleep 1000'
  create
  expect "$(cat "$LOG")" = ""
  moat start "$ID"
  eventually 5 file_contains "$LOG" BARRIER=1
  expect "$(head -n 1 "$LOG")" = "READY=1,MAINPID=$(cat "$PID_FILE"),"
  moat delete --force "$ID"
  manager_ends
}

@test "run --detach does so too" {
  manager
  says READY=1 'exec sleep 1000'
  moat run --detach --bundle "$BUNDLE" --pid-file "$PID_FILE" "$ID" </dev/null >"$OUT" 2>"$ERR"
  expect "$(head -n 1 "$LOG")" = "READY=1,MAINPID=$(cat "$PID_FILE"),"
  moat delete --force "$ID"
  manager_ends
}

@test "run in the foreground stays the manager's main process" {
  manager
  says READY=1 'exec sleep 1000'
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
  local run_pid=$!
  eventually 20 file_contains "$LOG" "READY=1,MAINPID=$run_pid,"
  moat kill "$ID" KILL
  expect_end 137 $run_pid
  manager_ends
}

@test "what else a program says is not passed on" {
  manager
  says 'MAINPID=1
STOPPING=1' "sleep 1; $(printf 'logger "y\nREADY=1\nMAINPID=1"'); exec sleep 1000"
  create
  moat start "$ID"
  expect "$(head -n 1 "$LOG")" = "READY=1,MAINPID=$(cat "$PID_FILE"),"
  expect "$(grep -c -e STOPPING -e 'MAINPID=1,' "$LOG")" = 0
  moat delete --force "$ID"
  manager_ends
}

@test "start returns when the program ends without a word" {
  manager
  script 'exit 3'
  create
  moat start "$ID"
  expect "$(cat "$LOG")" = ""
  moat delete "$ID"
  manager_ends
}

@test "others may use the container while start waits" {
  manager
  args sleep 1000
  create
  moat start "$ID" &
  local start_pid=$!
  wait_status running
  run -0 moat exec "$ID" sh -c 'ln -s /run/notify/notify.sock /dev/log && logger "x
READY=1"' </dev/null
  expect_end 0 $start_pid
  moat delete --force "$ID"
  manager_ends
}

@test "the host's socket is not in the container" {
  manager
  script 'ls /run/notify; touch /run/notify/file; echo "$NOTIFY_SOCKET"'
  create
  moat start "$ID"
  eventually 10 file_contains "$OUT" notify.sock
  expect_match "$(cat "$ERR" "$OUT")" "Read-only file system"
  expect "$(grep -c manager.sock "$OUT")" = 0
  moat delete "$ID"
  manager_ends
}

@test "a manager that is not there is an error of start" {
  only_native "a guest cannot be given a socket"
  export NOTIFY_SOCKET=$BATS_TEST_TMPDIR/nobody.sock
  args sleep 1000
  create
  run ! moat start "$ID"
  expect_match "$output" "NOTIFY_SOCKET: connect to"
  has_status created
  moat delete --force "$ID"
}

@test "without a manager nothing is mounted, and start does not wait" {
  unset NOTIFY_SOCKET
  script 'ls -d /run/notify; echo "-$NOTIFY_SOCKET-"'
  run foreground
  expect_match "$output" "No such file"
  expect_match "$output" "--"
}
