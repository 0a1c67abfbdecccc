# SPDX-License-Identifier: Apache-2.0
# Which program is executed, and the words for why it cannot be, which podman and Docker look for.

load helpers

# refused WORDS PROGRAM…: by create, at once, and by exec; and nothing is left.
refused() {
  local words=$1
  shift
  args "$@"
  run ! moat create --bundle "$BUNDLE" "$ID" </dev/null
  expect_match "$output" "$words"
  CREATE_TEXT=$output
  run ! moat state "$ID"
  detached_sleep
  run -255 moat exec "$ID" "$@" </dev/null
  expect_match "$output" "$words"
  expect_match "$output" "exec failed"
  EXEC_TEXT=$output
  moat delete --force "$ID"
}

# What callers take for a program that is missing is not in the text of one that may not run.
says_denied_only() {
  [[ "${CREATE_TEXT,,}${EXEC_TEXT,,}" != *"no such file"* && "${CREATE_TEXT,,}${EXEC_TEXT,,}" != *"not found"* ]]
}

says_missing_only() {
  [[ "${CREATE_TEXT,,}${EXEC_TEXT,,}" != *"permission denied"* && "${CREATE_TEXT,,}${EXEC_TEXT,,}" != *"not permitted"* ]]
}

@test "a program that is missing" {
  refused 'exec: "/no/such": stat /no/such: no such file or directory' /no/such
  says_missing_only
}

@test "a program that is in no directory of PATH" {
  refused 'exec: "no-such": executable file not found in $PATH' no-such
  says_missing_only
}

@test "an empty name" {
  refused 'exec: "": executable file not found in $PATH' ""
}

@test "a directory" {
  refused 'exec: "/etc": permission denied' /etc
  says_denied_only
}

@test "a file that is not executable" {
  refused 'exec: "/etc/passwd": permission denied' /etc/passwd
  says_denied_only
}

@test "a path through a file" {
  refused 'exec: "/etc/passwd/x"' /etc/passwd/x
}

@test "a program on a mount that is not for programs" {
  mount_at /mnt tmpfs tmpfs noexec
  config '.process.args = ["sh", "-c", "cp /bin/busybox /mnt/true && chmod 755 /mnt/true && exec sleep 1000"]'
  detached
  eventually 20 moat exec "$ID" test -x /mnt/true </dev/null || true
  run -255 moat exec "$ID" /mnt/true </dev/null
  expect_match "$output" "permission denied"
  moat delete --force "$ID"
}

@test "a script without its interpreter, and a program that is none, are told when they are executed" {
  printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/bin/script"
  printf '\177ELF but not really' >"$BUNDLE/rootfs/bin/broken"
  chmod 755 "$BUNDLE/rootfs/bin/script" "$BUNDLE/rootfs/bin/broken"
  args script
  run ! foreground
  expect_match "$output" "exec /bin/script: no such file or directory"
  args broken
  run ! foreground
  expect_match "$output" "exec /bin/broken: exec format error"
  detached_sleep
  run -255 moat exec "$ID" script </dev/null
  expect_match "$output" "exec /bin/script: no such file or directory"
  run -255 moat exec "$ID" broken </dev/null
  expect_match "$output" "exec /bin/broken: exec format error"
  moat delete --force "$ID"
}

@test "start says why the program could not be executed" {
  only_native "the guest's agent answers before"
  printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/bin/script"
  chmod 755 "$BUNDLE/rootfs/bin/script"
  args script
  create
  run ! moat start "$ID"
  expect_match "$output" "exec /bin/script: no such file or directory"
  wait_status stopped
  moat delete "$ID"
}

@test "a name with a slash starts at the working directory" {
  mkdir "$BUNDLE/rootfs/srv"
  printf '#!/bin/sh\necho here\n' >"$BUNDLE/rootfs/srv/program"
  chmod 755 "$BUNDLE/rootfs/srv/program"
  config '.process.cwd = "/srv"'
  args ./program
  run -0 foreground
  expect "$output" = here
  args ../srv/program
  run -0 foreground
  expect "$output" = here
}

@test "directories of PATH that are not absolute are passed over" {
  mkdir "$BUNDLE/rootfs/srv"
  cp "$BUNDLE/rootfs/bin/busybox" "$BUNDLE/rootfs/srv/only-here"
  config '.process.cwd = "/srv" | .process.env = ["PATH=.::srv:/bin"]'
  args only-here
  run ! foreground
  expect_match "$output" "executable file not found"
}

@test "without PATH the usual directories are searched" {
  config '.process.env = ["A=1"]'
  args true
  run -0 foreground
}

@test "what may not run is passed over for what may, later in PATH" {
  mkdir -p "$BUNDLE/rootfs/first/ls"
  printf 'no program' >"$BUNDLE/rootfs/first/cat"
  config '.process.env = ["PATH=/first:/bin"]'
  args ls /first
  run -0 foreground
  expect_match "$output" cat
}

@test "exit statuses and signals of exec are the program's" {
  detached_sleep
  run -7 moat exec "$ID" sh -c 'exit 7' </dev/null
  run -127 moat exec "$ID" sh -c 'no-such-program 2>/dev/null' </dev/null
  run -137 moat exec "$ID" sh -c 'kill -KILL $$' </dev/null
  moat delete --force "$ID"
}

@test "low limits do not hinder the runtime" {
  config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 4, hard: 5}, {type: "RLIMIT_FSIZE", soft: 4096, hard: 4096},
      {type: "RLIMIT_AS", soft: 8000000, hard: 8000000}, {type: "RLIMIT_NPROC", soft: 4, hard: 4},
      {type: "RLIMIT_CORE", soft: 0, hard: 0}, {type: "RLIMIT_MEMLOCK", soft: 0, hard: 0},
      {type: "RLIMIT_STACK", soft: 1000000, hard: 1000000}]
    | .process.user = {uid: 1000, gid: 1000}
    | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO"}]}'
  script 'ulimit -n; ulimit -v; exec sleep 1000'
  detached
  eventually 20 file_contains "$OUT" 7812
  run -0 moat exec "$ID" sh -c 'ulimit -n; ulimit -Hn' </dev/null
  expect "${lines[0]}" = 4
  expect "${lines[1]}" = 5
  moat delete --force "$ID"
}
