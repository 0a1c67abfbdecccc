# SPDX-License-Identifier: Apache-2.0
# What the container's process is: who, where, with which rights and limits.

load helpers

status_line() {
  awk -v name="$1:" '$1 == name { print $2 }' <<<"$output"
}

@test "the process has the asked user, group and additional groups" {
  config '.process.user = {uid: 1000, gid: 1001, additionalGids: [5, 6]}'
  script 'id -u; id -g; id -G'
  run -0 foreground
  expect "${lines[0]}" = 1000
  expect "${lines[1]}" = 1001
  expect "${lines[2]}" = "1001 5 6"
}

@test "additional groups of the caller do not reach the container" {
  args grep Groups /proc/self/status
  run -0 foreground
  expect "$(tr -d '[:space:]' <<<"${output#Groups:}")" = ""
}

@test "the umask is 0022 unless asked otherwise" {
  script umask
  run -0 foreground
  expect "$output" = 0022
  config '.process.user.umask = 63'
  run -0 foreground
  expect "$output" = 0077
}

@test "capabilities are the configured ones and no more" {
  config '.process.capabilities = {bounding: ["CAP_CHOWN", "CAP_KILL"], permitted: ["CAP_CHOWN", "CAP_KILL"],
          effective: ["CAP_CHOWN"]}'
  args cat /proc/self/status
  run -0 foreground
  expect "$(status_line CapBnd)" = 0000000000000021
  expect "$(status_line CapPrm)" = 0000000000000021
  expect "$(status_line CapEff)" = 0000000000000021 # root's execve(2) raises them
  expect "$(status_line CapInh)" = 0000000000000000
  expect "$(status_line CapAmb)" = 0000000000000000
}

@test "ambient capabilities survive for a user who is not root" {
  config '.process.user = {uid: 1000, gid: 1000}
    | .process.capabilities = (["bounding", "permitted", "effective", "inheritable", "ambient"]
        | map({key: ., value: ["CAP_KILL"]}) | from_entries)'
  args cat /proc/self/status
  run -0 foreground
  expect "$(status_line CapBnd)" = 0000000000000020
  expect "$(status_line CapEff)" = 0000000000000020
  expect "$(status_line CapAmb)" = 0000000000000020
}

@test "a user who is not root has no capabilities in effect" {
  config '.process.user = {uid: 1000, gid: 1000}'
  args cat /proc/self/status
  run -0 foreground
  expect "$(status_line CapEff)" = 0000000000000000
  expect "$(status_line CapPrm)" = 0000000000000000
}

@test "noNewPrivileges is as configured" {
  args cat /proc/self/status
  for wanted in true false; do
    config ".process.noNewPrivileges = $wanted"
    run -0 foreground
    expect "$(status_line NoNewPrivs)" = "$([ $wanted = true ] && echo 1 || echo 0)"
  done
}

@test "seccomp refuses a system call with the configured error" {
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95}]}'
  script 'mkdir /tmp/dir; grep Seccomp: /proc/self/status; touch /tmp/file && echo touched'
  run -0 foreground
  expect_match "$output" "Operation not supported"
  expect_match "$output" "Seccomp:	2"
  expect_match "$output" touched
}

@test "seccomp refuses with EPERM when no error is configured" {
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
  script 'mkdir /tmp/dir'
  run -1 foreground
  expect_match "$output" "Operation not permitted"
}

@test "seccomp holds for exec too" {
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95}]}'
  detached_sleep
  run -1 moat exec "$ID" mkdir /tmp/dir </dev/null
  expect_match "$output" "Operation not supported"
  moat delete --force "$ID"
}

@test "resource limits of the process are set" {
  config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200},
                              {type: "RLIMIT_CORE", soft: 0, hard: 0}]'
  script 'ulimit -Sn; ulimit -Hn; ulimit -Hc'
  run -0 foreground
  expect "${lines[0]}" = 100
  expect "${lines[1]}" = 200
  expect "${lines[2]}" = 0
}

@test "the environment is the configured one and nothing of the caller's" {
  config '.process.env = ["PATH=/bin", "ONE=1", "TWO=a=b c"]'
  export MOAT_TEST_SECRET=leaked
  args env
  run -0 foreground
  expect_match "$output" "ONE=1"
  expect_match "$output" "TWO=a=b c"
  [[ "$output" != *leaked* && "$output" != *BATS* ]]
}

@test "HOME comes from the container's passwd when it is not configured" {
  config '.process.env = ["PATH=/bin"] | .process.user = {uid: 1000, gid: 1000}'
  script 'echo $HOME'
  run -0 foreground
  expect "$output" = /home/guest
}

@test "the program is searched in the container's PATH" {
  mkdir "$BUNDLE/rootfs/opt"
  cp "$BUNDLE/rootfs/bin/busybox" "$BUNDLE/rootfs/opt/echo"
  config '.process.env = ["PATH=/nowhere:/opt"]'
  args echo found
  run -0 foreground
  expect "$output" = found
}

@test "a working directory that is missing is made" {
  config '.process.cwd = "/made/by/moat"'
  args pwd
  run -0 foreground
  expect "$output" = /made/by/moat
}

@test "no descriptor of the caller's reaches the container" {
  script 'ls /proc/self/fd'
  exec 7</etc/passwd
  run -0 foreground
  # 3 is ls's own, on the directory it lists.
  expect "$(xargs <<<"$output")" = "0 1 2 3"
  exec 7<&-
}

@test "the process is number 1 and leads its own session" {
  script 'echo $$; awk "{ print \$6 }" /proc/self/stat'
  run -0 foreground
  expect "${lines[0]}" = 1
  expect "${lines[1]}" = 1
}

@test "the working directory cannot lead out of the container" {
  for number in 3 4 5 6 7 8 9 10; do
    config --arg cwd "/proc/self/fd/$number" '.process.cwd = $cwd'
    script 'ls /; pwd -P'
    run foreground
    if [ "$status" = 0 ]; then
      expect_match "$output" busybox
      return 1
    fi
  done
}
