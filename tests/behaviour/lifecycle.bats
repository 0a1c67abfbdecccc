# SPDX-License-Identifier: Apache-2.0
# create, start, state, kill, delete, list: what callers see of a container's life.

load helpers

# bats test_tags=kvm-host
@test "a container goes from created to running to stopped" {
  config '.annotations = {"org.example.colour": "blue"}'
  script 'echo up; exec sleep 1000'
  create
  expect "$(status_of "$ID")" = created
  expect "$(cat "$OUT")" = ""

  moat start "$ID"
  wait_status running
  eventually 30 file_contains "$OUT" up

  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
  run ! moat state "$ID"
}

@test "state is the specification's document" {
  config '.annotations = {"org.example.colour": "blue"}'
  args sleep 1000
  create
  run -0 --separate-stderr moat state "$ID"
  expect "$stderr" = ""
  expect "$(jq -r .id <<<"$output")" = "$ID"
  expect "$(jq -r .status <<<"$output")" = created
  expect "$(jq -r .bundle <<<"$output")" = "$BUNDLE"
  expect "$(jq -r '.annotations["org.example.colour"]' <<<"$output")" = blue
  expect "$(jq -r .ociVersion <<<"$output" | cut -d . -f 1)" = 1
  expect "$(jq .pid <<<"$output")" -gt 0
  [[ $(jq -r .created <<<"$output") =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$ ]]

  moat kill "$ID" KILL
  wait_status stopped
  expect "$(moat state "$ID" | jq '.pid // 0')" = 0
  moat delete "$ID"
}

@test "the pid file holds the pid of state, in decimal and nothing else" {
  args sleep 1000
  create
  [[ $(od -An -c "$PID_FILE" | tr -d ' \n') =~ ^[0-9]+$ ]]
  expect "$(cat "$PID_FILE")" = "$(moat state "$ID" | jq .pid)"
  kill -0 "$(cat "$PID_FILE")"
  moat delete --force "$ID"
}

@test "whoever made the container can wait for its pid and learn the exit code" {
  script 'exit 42'
  # A subreaper, as conmon is: the container's process becomes its child.
  run -42 python3 - "$MOAT" "$ROOT" "$BUNDLE" "$PID_FILE" "$ID" <<'EOF'
import ctypes, os, subprocess, sys
moat, root, bundle, pid_file, name = sys.argv[1:]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
quiet = dict(check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
subprocess.run([moat, "--root", root, "create", "--bundle", bundle, "--pid-file", pid_file, name], **quiet)
subprocess.run([moat, "--root", root, "start", name], **quiet)
status = os.waitpid(int(open(pid_file).read()), 0)[1]
sys.exit(os.waitstatus_to_exitcode(status))
EOF
  moat delete "$ID"
}

@test "a created container can be deleted" {
  args sleep 1000
  create
  moat delete "$ID"
  run ! moat state "$ID"
}

@test "a created container can be killed" {
  args sleep 1000
  create
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

@test "a running container is not deleted without --force" {
  detached_sleep
  run ! moat delete "$ID"
  expect_match "$output" "cannot delete container $ID that is not stopped: running"
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "starting twice is refused" {
  detached_sleep
  run ! moat start "$ID"
  expect_match "$output" "cannot start an already running container"
  moat delete --force "$ID"
}

@test "starting a stopped container is refused" {
  args true
  detached
  wait_status stopped
  run ! moat start "$ID"
  expect_match "$output" "cannot start a container that has stopped"
  moat delete "$ID"
}

@test "killing a stopped container says that it is not running" {
  args true
  detached
  wait_status stopped
  run ! moat kill "$ID" TERM
  expect_match "$output" "container not running"
  moat delete "$ID"
}

has_lines() {
  (($(wc -l <"$1") >= $2))
}

@test "signals are taken by number and by name, in any case" {
  script 'trap "echo one" USR1; trap "echo two" USR2; echo up; while :; do sleep 0.1; done'
  detached
  eventually 30 file_contains "$OUT" up
  local signal lines=1
  for signal in 10 USR1 sigusr1 SIGUSR2; do
    moat kill "$ID" $signal
    lines=$((lines + 1))
    eventually 10 has_lines "$OUT" $lines
  done
  expect "$(cat "$OUT")" = $'up\none\none\none\ntwo'
  run ! moat kill "$ID" NOSUCH
  expect_match "$output" NOSUCH
  moat delete --force "$ID"
}

@test "an identifier is given once" {
  args sleep 1000
  create
  run ! moat create --bundle "$BUNDLE" "$ID"
  expect_match "$output" "already exists"
  expect "$(status_of "$ID")" = created
  moat delete --force "$ID"
}

@test "an unknown container does not exist, whatever is asked of it" {
  for command in "state" "start" "kill" "delete"; do
    run ! moat $command nobody
    expect_match "$output" "does not exist"
  done
  run -0 moat delete --force nobody
  expect "$output" = ""
}

@test "list shows containers as a table, as JSON and as identifiers" {
  args sleep 1000
  create
  run -0 moat list
  expect_match "${lines[0]}" ID
  expect_match "${lines[1]}" "$ID"
  expect_match "${lines[1]}" created
  if is_vm; then
    [[ ${lines[1]} =~ \ vm\ +[a-z-]+/(tcg|kvm)\ +[0-9.]+[MG]\ +[0-9]+[sm]\  ]]
  else
    [[ ${lines[1]} =~ \ native\ +-\ +[0-9.]+[KM]\ +[0-9]+[sm]\  ]]
  fi
  run -0 moat list --format json
  expect "$(jq -r '.[0].id' <<<"$output")" = "$ID"
  expect "$(jq -r '.[0].status' <<<"$output")" = created
  run -0 moat list --quiet
  expect "$output" = "$ID"
  moat delete --force "$ID"
  run -0 moat list --quiet
  expect "$output" = ""
}

@test "two containers live beside one another" {
  args sleep 1000
  create
  moat create --bundle "$BUNDLE" "$ID-second" </dev/null >/dev/null 2>>"$ERR"
  expect "$(moat list --quiet | wc -l)" = 2
  moat delete --force "$ID"
  expect "$(status_of "$ID-second")" = created
  moat delete --force "$ID-second"
}

@test "later changes of the bundle's configuration do not reach a made container" {
  script 'echo first'
  create
  script 'echo second'
  moat start "$ID"
  wait_status stopped
  expect "$(cat "$OUT")" = first
  moat delete "$ID"
}

@test "a program that is missing is reported by create" {
  args /no/such/program
  run ! moat create --bundle "$BUNDLE" "$ID"
  expect_match "$output" "/no/such/program"
  expect_match "$output" "no such file or directory"
  run ! moat state "$ID"

  args nosuchprogram
  run ! moat create --bundle "$BUNDLE" "$ID"
  expect_match "$output" 'executable file not found in $PATH'
  run ! moat state "$ID"
}

@test "a program that cannot be executed is reported by create as a lack of permission" {
  echo data >"$BUNDLE/rootfs/data"
  for program in /data /etc; do
    args $program
    run ! moat create --bundle "$BUNDLE" "$ID"
    expect_match "$output" "permission denied"
    run ! moat state "$ID"
  done
}
