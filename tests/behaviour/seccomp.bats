#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# linux.seccomp: what a profile says is what system calls get.

load helpers

# --- programs of these tests' own ---------------------------------------------------------------

# `call NUMBER …` in the container makes a system call and says what came of it.
add_call() {
  needs_compiler
  compile call
  cp "$BATS_FILE_TMPDIR/call" "$BUNDLE/rootfs/bin/call"
}

# A number that no kernel has, and one that every kernel has and nobody needs: acct.
FUTURE=900
case "$(uname -m)" in
  x86_64) ACCT=163 PERSONALITY=135 ARCH=SCMP_ARCH_X86_64 ;;
  *) ACCT=89 PERSONALITY=92 ARCH=SCMP_ARCH_AARCH64 ;;
esac

# profile JQ-FILTER: linux.seccomp.
profile() {
  config ".linux.seccomp = $1"
}

# One rule for acct in a profile that allows the rest: ACTION [MORE OF THE RULE].
acct_gets() {
  profile "{defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [{names: [\"acct\"], action: \"$1\"${2:+, $2}}]}"
}

# --- actions ------------------------------------------------------------------------------------

@test "a call gets the error that its rule names" {
  add_call
  args call $ACCT 0
  acct_gets SCMP_ACT_ERRNO
  run -1 foreground
  expect "$output" = "Operation not permitted"
  acct_gets SCMP_ACT_ERRNO "errnoRet: 95"
  run -1 foreground
  expect "$output" = "Operation not supported"
  acct_gets SCMP_ACT_ERRNO "errnoRet: 0"
  run -0 foreground
  expect "$output" = 0
}

@test "actions that kill do so by SIGSYS" {
  add_call
  args call $ACCT 0
  for action in SCMP_ACT_KILL SCMP_ACT_KILL_THREAD SCMP_ACT_KILL_PROCESS SCMP_ACT_TRAP; do
    acct_gets $action
    run -159 foreground
  done
}

@test "a call to be traced fails where no tracer is" {
  add_call
  args call $ACCT 0
  acct_gets SCMP_ACT_TRACE "errnoRet: 7"
  run -1 foreground
  expect "$output" = "Function not implemented"
}

@test "a call to be logged is made" {
  add_call
  args call $PERSONALITY 0xffffffff
  profile '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["personality"], action: "SCMP_ACT_LOG"}]}'
  run -0 foreground
  expect "$output" = 0
}

@test "the default's error is as configured" {
  add_call
  args call $ACCT 0
  # Everything that a program and the runtime around it use.
  profile "{defaultAction: \"SCMP_ACT_ERRNO\", defaultErrnoRet: 22, architectures: [\"$ARCH\"],
    syscalls: [{names: $(all_calls_but acct), action: \"SCMP_ACT_ALLOW\"}]}"
  run -1 foreground
  expect "$output" = "Invalid argument"
}

# The names that a program's start needs, and newer ones than acct.
all_calls_but() {
  json_array execve execveat brk mmap munmap mprotect arch_prctl set_tid_address set_robust_list rseq \
    prlimit64 getrandom readlink readlinkat fstat newfstatat write writev read exit exit_group prctl capset \
    capget setresuid setresgid setgroups close close_range getcwd chdir fchdir openat openat2 stat access \
    faccessat faccessat2 umask fcntl rt_sigaction rt_sigprocmask sendmsg recvmsg ioctl lseek pread64 fchown \
    setsid keyctl sigaltstack statx futex getpid gettid tgkill
}

# --- calls of the future ------------------------------------------------------------------------

@test "a call that is newer than the profile does not exist" {
  add_call
  profile "{defaultAction: \"SCMP_ACT_ERRNO\", architectures: [\"$ARCH\"],
    syscalls: [{names: $(all_calls_but acct), action: \"SCMP_ACT_ALLOW\"}]}"
  args call $FUTURE
  run -1 foreground
  expect "$output" = "Function not implemented"
  args call $ACCT 0
  run -1 foreground
  expect "$output" = "Operation not permitted"
}

@test "a profile may name calls that nobody knows yet" {
  profile '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["call_of_the_future"], action: "SCMP_ACT_KILL"}]}'
  args true
  run -0 foreground
}

# --- arguments ----------------------------------------------------------------------------------

@test "comparisons with different arguments must all hold" {
  add_call
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95, args: [{index: 0, value: 1, op: "SCMP_CMP_EQ"}, {index: 1, value: 5, op: "SCMP_CMP_GT"}]'
  args call $ACCT 1 6
  run -1 foreground
  expect "$output" = "Operation not supported"
  args call $ACCT 1 5
  run -1 foreground
  expect "$output" != "Operation not supported"
}

@test "an argument that is named twice makes two rules" {
  add_call
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95, args: [{index: 0, value: 1, op: "SCMP_CMP_EQ"}, {index: 0, value: 2, op: "SCMP_CMP_EQ"}]'
  for value in 1 2; do
    args call $ACCT $value
    run -1 foreground
    expect "$output" = "Operation not supported"
  done
  args call $ACCT 3
  run -1 foreground
  expect "$output" != "Operation not supported"
}

@test "a mask is put on an argument before it is compared" {
  add_call
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95, args: [{index: 0, value: 240, valueTwo: 16, op: "SCMP_CMP_MASKED_EQ"}]'
  args call $ACCT 0x1f
  run -1 foreground
  expect "$output" = "Operation not supported"
  args call $ACCT 0x2f
  run -1 foreground
  expect "$output" != "Operation not supported"
}

# --- flags and what is wrong --------------------------------------------------------------------

@test "every flag of the specification is taken" {
  args grep Seccomp: /proc/self/status
  for flags in '[]' '["SECCOMP_FILTER_FLAG_TSYNC"]' '["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]' \
    '["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]'; do
    profile "{defaultAction: \"SCMP_ACT_ALLOW\", flags: $flags}"
    run -0 foreground
    expect_match "$output" "Seccomp:	2"
  done
}

@test "what a filter cannot be is refused with its place" {
  args true
  profile '{defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_NO"]}'
  run -1 foreground
  expect_match "$output" 'linux.seccomp.flags[0]'
  profile '{defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_PDP11"]}'
  run -1 foreground
  expect_match "$output" 'linux.seccomp.architectures[0]'
  acct_gets SCMP_ACT_NOTIFY
  run -1 foreground
  expect_match "$output" 'listenerPath'
  acct_gets SCMP_ACT_KILL 'errnoRet: 1'
  run -1 foreground
  expect_match "$output" 'linux.seccomp.syscalls[0].errnoRet'
  profile '{defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/run/agent.sock"}'
  run -1 foreground
  expect_match "$output" "SCMP_ACT_NOTIFY cannot be used as default action"
  profile '{defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/agent.sock",
    syscalls: [{names: ["read", "write"], action: "SCMP_ACT_NOTIFY"}]}'
  run -1 foreground
  expect_match "$output" "SCMP_ACT_NOTIFY cannot be used for the write syscall"
}

@test "a filter may forbid whatever starting a program does not need" {
  add_call
  config '.process.noNewPrivileges = true'
  profile '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["prctl", "close_range", "getcwd", "chdir", "openat", "openat2",
    "sendmsg", "recvmsg", "socket", "stat", "newfstatat", "access", "faccessat2", "setresuid", "capset"],
    action: "SCMP_ACT_KILL_PROCESS"}]}'
  args call $PERSONALITY 0xffffffff
  run -0 foreground
  expect "$output" = 0
  create
  moat start "$ID"
  wait_status stopped
  moat delete "$ID"
}

# --- the cache ----------------------------------------------------------------------------------

cached() {
  find "$ROOT/@cache/seccomp" -type f
}

@test "a filter that was built once is found again" {
  only_native "the guest keeps nothing"
  args grep Seccomp: /proc/self/status
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 11'
  rm -rf "$ROOT/@cache/seccomp"
  run -0 foreground
  expect "$(cached | wc -l)" = 1
  local before
  before=$(stat -c '%i %y %a' "$(cached)")
  run -0 foreground
  expect_match "$output" "Seccomp:	2"
  expect "$(stat -c '%i %y %a' "$(cached)")" = "$before"
  expect "${before##* }" = 600
  expect "$(stat -c %a "$ROOT/@cache/seccomp")" = 700
}

@test "profiles that differ in one number do not share a filter" {
  only_native "the guest keeps nothing"
  add_call
  args call $ACCT 0
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95'
  run -1 foreground
  expect "$output" = "Operation not supported"
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 22'
  run -1 foreground
  expect "$output" = "Invalid argument"
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95'
  run -1 foreground
  expect "$output" = "Operation not supported"
}

# spoil HOW FILE
spoil() {
  case $1 in
    cut) truncate -s -8 "$2" ;;
    empty) truncate -s 0 "$2" ;;
    damaged) dd if=/dev/zero of="$2" bs=1 count=16 seek=$(($(stat -c %s "$2") - 16)) conv=notrunc status=none ;;
    foreign) chown 1000 "$2" ;;
    open) chmod 666 "$2" ;;
    link) mv "$2" "$BATS_TEST_TMPDIR/aside" && ln -s "$BATS_TEST_TMPDIR/aside" "$2" ;;
  esac
}

@test "a cached filter that was damaged or given away is made anew" {
  only_native "the guest keeps nothing"
  add_call
  args call $ACCT 0
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95'
  rm -rf "$ROOT/@cache/seccomp"
  run -1 foreground
  local file before
  file=$(cached)
  before=$(sha256sum "$file")
  for how in cut empty damaged foreign open link; do
    spoil $how "$file"
    run -1 foreground
    expect "$output" = "Operation not supported"
    expect "$(sha256sum "$file")" = "$before"
    expect "$(stat -c '%F %u %a' "$file")" = "regular file 0 600"
  done
}

@test "a cache that others could write is left alone" {
  only_native "the guest keeps nothing"
  add_call
  args call $ACCT 0
  acct_gets SCMP_ACT_ERRNO 'errnoRet: 95'
  rm -rf "$ROOT/@cache/seccomp"
  mkdir -m 777 "$ROOT/@cache/seccomp"
  run -1 foreground
  expect "$output" = "Operation not supported"
  expect "$(cached)" = ""
  rm -rf "$ROOT/@cache/seccomp"
}

# --- an agent that answers ----------------------------------------------------------------------

# Starts the agent on $AGENT; what it is told becomes lines of $STATES.
start_agent() {
  needs_compiler
  compile seccomp-agent
  AGENT=$BATS_TEST_TMPDIR/agent.sock
  STATES=$BATS_TEST_TMPDIR/states
  "$BATS_FILE_TMPDIR/seccomp-agent" "$AGENT" "$STATES" 3>&- &
  AGENT_PID=$!
  eventually 5 test -S "$AGENT"
}

stop_agent() {
  kill "$AGENT_PID"
  wait "$AGENT_PID" || true
}

# notify NAME…: these calls are the agent's.
notify() {
  config --arg path "${AGENT-$BATS_TEST_TMPDIR/nobody.sock}" --argjson names "$(json_array "$@")" \
    '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $path, listenerMetadata: "from a \"test\"",
      syscalls: [{names: $names, action: "SCMP_ACT_NOTIFY"}]}'
}

# A process of the runtime's or the container's has no listener open.
expect_no_listener() {
  local fd
  for fd in /proc/"$1"/fd/*; do
    expect "$(readlink "$fd")" != "anon_inode:seccomp notify"
  done
}

@test "an agent makes the call that the process may not make" {
  only_native "a listener in the guest cannot reach an agent on the host"
  start_agent
  notify mkdir mkdirat
  config '.process.user = {uid: 1000, gid: 1000} | del(.process.capabilities) | .annotations = {"org.example": "a"}'
  script 'mkdir /made && ls -d /made; mkdir /proc/no'
  run -1 foreground
  expect "${lines[0]}" = /made
  expect "$(stat -c %u "$BUNDLE/rootfs/made")" = 0
  expect "$(wc -l <"$STATES")" = 1
  jq -e --arg id "$ID" --arg bundle "$BUNDLE" '.ociVersion == .state.ociVersion and .fds == ["seccompFd"]
    and .metadata == "from a \"test\"" and .state.id == $id and .state.status == "creating" and .pid == .state.pid
    and .pid > 1 and .state.bundle == $bundle and .state.annotations["org.example"] == "a"' "$STATES"
  stop_agent
}

@test "an agent answers for exec too, by a listener of its own" {
  only_native "a listener in the guest cannot reach an agent on the host"
  start_agent
  notify mkdir mkdirat
  detached_sleep
  local init
  init=$(cat "$PID_FILE")
  run -0 moat exec --user 1000:1000 "$ID" mkdir /made </dev/null
  [ -d "$BUNDLE/rootfs/made" ]
  expect "$(wc -l <"$STATES")" = 2
  tail -n 1 "$STATES" | jq -e --argjson init "$init" '.state.status == "running" and .state.pid == $init and .pid != $init'
  expect_no_listener "$init"
  moat delete --force "$ID"
  stop_agent
}

@test "a container that waits for its start holds no listener" {
  only_native "a listener in the guest cannot reach an agent on the host"
  start_agent
  notify mkdir mkdirat
  for privileges in true false; do
    config ".process.noNewPrivileges = $privileges"
    args mkdir "/made-$privileges"
    create
    expect_no_listener "$(cat "$PID_FILE")"
    moat start "$ID"
    wait_status stopped
    [ -d "$BUNDLE/rootfs/made-$privileges" ]
    moat delete "$ID"
  done
  stop_agent
}

@test "an agent may be asked about everything but write" {
  only_native "a listener in the guest cannot reach an agent on the host"
  start_agent
  notify read close close_range execve sendmsg recvmsg sendto fcntl prctl openat newfstatat fstat getcwd mkdir mkdirat \
    setresuid setresgid setgroups capset umask exit_group
  for privileges in true false; do
    config ".process.noNewPrivileges = $privileges"
    script "mkdir /made-$privileges"
    run -0 foreground
    [ -d "$BUNDLE/rootfs/made-$privileges" ]
  done
  stop_agent
}

# Rootless runtimes, and hosts with Yama's strictest mode.
@test "an agent gets the listener although the runtime may not reach into processes" {
  only_native "a listener in the guest cannot reach an agent on the host"
  command -v setpriv >/dev/null || skip "needs setpriv"
  start_agent
  notify mkdir mkdirat
  args mkdir /made
  run -0 setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" \
    </dev/null 3>&-
  [ -d "$BUNDLE/rootfs/made" ]
  # Sending it would be a call that waits for the agent.
  notify mkdir mkdirat sendmsg
  run -1 setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" \
    </dev/null 3>&-
  expect_match "$output" "take seccomp listener from process"
  expect_match "$output" "Operation not permitted"
  stop_agent
}

@test "a container whose agent is not there is not made" {
  only_native "a listener in the guest cannot reach an agent on the host"
  notify mkdir
  args true
  run -1 foreground
  expect_match "$output" "linux.seccomp.listenerPath: connect to '$BATS_TEST_TMPDIR/nobody.sock': No such file or directory"
}

@test "an agent's path without calls for it is ignored" {
  config --arg path "$BATS_TEST_TMPDIR/nobody.sock" \
    '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $path}'
  args true
  run -0 foreground
}

@test "an agent cannot serve a virtual machine, and that is said" {
  only_vm "natively it can"
  notify mkdir
  args true
  run -1 foreground
  expect_match "$output" listenerPath
}
