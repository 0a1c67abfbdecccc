# SPDX-License-Identifier: Apache-2.0
# kill -9 of each process of a command at each of its system calls: whatever state then says is true,
# delete --force leaves nothing, and a command that outlives its killed child cleans up by itself.
# There are some thousands of calls: MOAT_KILL_STRIDE=1 tries all of them, instead of one in 41.
# Shims are killed like moat itself. Their virtual machines are fake ones (tests/lib/fake-vmm.c), which
# begin in no time; with MOAT_KILL_REAL_VM=1 they are real, and a point takes seconds.

load helpers
load ../lib/fake-guest

obstacle() {
  missing cc
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  cc -std=gnu17 -O1 -o "$BATS_FILE_TMPDIR/kill-at" "$BATS_TEST_DIRNAME/../lib/kill-at.c" -lseccomp
  if is_vm; then
    export KILL_AT_FOLLOW=moat-shim
    [ -n "${MOAT_KILL_REAL_VM-}" ] || use_fake_guest "$BATS_FILE_TMPDIR/fake"
  fi
}

# Of a fake machine nothing has to be found out.
try_once() {
  :
}

# A command under a tracer may take this long.
KILL_LIMIT=${MOAT_KILL_REAL_VM:+60}
KILL_LIMIT=${KILL_LIMIT:-20}

# kill_at N COMMAND…: $status is the command's, $where who was killed in which call.
kill_at() {
  local n=$1
  shift
  status=0
  timeout "$KILL_LIMIT" "$BATS_FILE_TMPDIR/kill-at" "$n" "$BATS_TEST_TMPDIR/where" \
    "$MOAT" --root "$ROOT" "$@" </dev/null >"$OUT" 2>"$ERR" 3>&- || status=$?
  where=$(cat "$BATS_TEST_TMPDIR/where")
}

# everywhere PREPARE CHECK COMMAND…: the command, after PREPARE, killed at one call after the other.
everywhere() {
  local prepare=$1 check=$2 n points=0 failures=0
  shift 2
  for ((n = 1; ; n += ${MOAT_KILL_STRIDE:-41})); do
    "$prepare" || return
    kill_at "$n" "$@"
    if ! "$check" >"$BATS_TEST_TMPDIR/said" 2>&1; then
      echo "killed at call $n ($where), status $status: $(cat "$ERR" "$BATS_TEST_TMPDIR/said")"
      clean_up
      ((++failures < 20)) || break
    fi
    [[ $where != none* ]] || break
    points=$((points + 1))
  done
  echo "$1: $points points, ${where#none } calls"
  ((failures == 0 && points > 0))
}

# --- what has to be true ------------------------------------------------------------------------

prepare_nothing() {
  :
}

prepare_created() {
  create
}

prepare_running() {
  detached
}

prepare_stopped() {
  detached && moat kill "$ID" KILL && wait_status stopped
}

# A command that was not killed itself must have ended, and in time. Who is killed at execve(2) may as
# well have been the program already, whose status it is then; and so is a shim's.
expect_an_end() {
  expect "$status" != 124 || return
  ! is_vm || return 0
  [[ $where == main* || $where == "child execve"* ]] || expect "$status" != 137
}

# look: sets `what` to the status that state tells, "none" for no such container. Fails, and says so, if it is not true.
look() {
  local known pid
  if ! known=$(moat state "$ID" 2>&1); then
    what=none
    expect_match "$known" "does not exist"
    return
  fi
  what=$(jq -r .status <<<"$known") pid=$(jq .pid <<<"$known")
  case "$what" in
    created | running | paused) kill -0 "$pid" ;;
    *) expect "$pid" = 0 ;;
  esac
}

# expect_known STATUS…: state tells one of these, and it is true. A process can die between the answer and
# our look at it: then the next answer knows.
expect_known() {
  local what
  look 2>/dev/null || look || return
  if [[ " $* " != *" $what "* ]]; then
    echo "it is '$what', not one of: $*"
    return 1
  fi
}

expect_removal() {
  moat delete --force "$ID" || return
  expect_nothing_left
}

# Failed without being killed: it must have cleaned up itself.
has_failed_by_itself() {
  [[ $where == child* ]] && ((status != 0))
}

after_create() {
  expect_an_end || return
  if has_failed_by_itself; then
    expect_known none && expect_nothing_left
    return
  fi
  case "$where" in
    none*) expect "$status" = 0 && expect_known created ;;
    *) expect_known none creating created stopped ;;
  esac && expect_removal
}

after_run() {
  expect_an_end || return
  if has_failed_by_itself; then
    expect_known none && expect_nothing_left
    return
  fi
  expect_known none creating created running stopped && expect_removal
}

after_start() {
  expect_an_end && expect_known created running stopped && expect_removal
}

after_exec() {
  expect_an_end && expect_known running && moat exec "$ID" true </dev/null
}

after_delete() {
  expect_an_end || return
  [[ $where != none* ]] || expect_known none || return
  expect_known none stopped && expect_removal
}

after_forced_delete() {
  expect_an_end || return
  [[ $where != none* ]] || expect_known none || return
  expect_known none running stopped && expect_removal
}

after_kill() {
  expect_an_end && expect_known running stopped && expect_removal
}

after_pause() {
  expect_an_end && expect_known running paused && expect_removal
}

after_update() {
  expect_an_end && expect_known running && expect_removal
}

@test "create, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_nothing after_create create --bundle "$BUNDLE" --pid-file "$PID_FILE" "$ID"
}

@test "create in a user namespace, killed at each of its calls" {
  args sleep 1000
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings'
  everywhere prepare_nothing after_create create --bundle "$BUNDLE" --pid-file "$PID_FILE" "$ID"
}

@test "run, killed at each of its calls" {
  args true
  ! is_vm || FAKE_EXIT=0 tell_fake_guest
  everywhere prepare_nothing after_run run --bundle "$BUNDLE" "$ID"
}

@test "start, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_created after_start start "$ID"
}

@test "exec, killed at each of its calls" {
  detached_sleep
  everywhere prepare_nothing after_exec exec "$ID" true
  moat delete --force "$ID"
}

@test "delete, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_stopped after_delete delete "$ID"
}

@test "delete --force, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_running after_forced_delete delete --force "$ID"
}

@test "kill, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_running after_kill kill "$ID" KILL
}

@test "pause, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_running after_pause pause "$ID"
}

@test "update, killed at each of its calls" {
  args sleep 1000
  everywhere prepare_running after_update update --pids-limit 100 "$ID"
}
