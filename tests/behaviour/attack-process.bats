# SPDX-License-Identifier: Apache-2.0
# Hostile containers against the process that enters them, and hostile images against the one that
# is made: ways out that other runtimes once had (docs/threat-model.md).

load helpers

# A file of the host's that a container must never see.
host_file() {
  HOST=$BATS_TEST_TMPDIR/host
  mkdir -p "$HOST"
  echo out-of-the-container >"$HOST/secret"
}

@test "a program called /proc/self/exe does not get at the runtime's own (CVE-2019-5736)" {
  local before
  before=$(sha256sum <"$MOAT")
  printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/self"
  chmod 755 "$BUNDLE/rootfs/self"
  ln -s /proc/self/exe "$BUNDLE/rootfs/link"
  local program
  for program in /self /proc/self/exe /link; do
    args $program --version
    run foreground
    moat delete --force "$ID" 2>/dev/null || true
  done
  # And what runs there cannot be opened for writing while it does.
  script 'while :; do for p in /proc/[0-9]*; do
    [ $p = /proc/1 ] || (exec 9<$p/exe && sleep 0.02 && echo overwritten >/proc/self/fd/9); done 2>/dev/null; done'
  detached
  for _ in 1 2 3 4; do
    run moat exec "$ID" /self </dev/null
    run moat exec "$ID" /proc/self/exe spec </dev/null
    run moat exec "$ID" /link --version </dev/null
  done
  moat delete --force "$ID"
  expect "$(sha256sum <"$MOAT")" = "$before"
}

@test "exec does not start in, or from, a directory that a descriptor of the caller's names (CVE-2024-21626)" {
  host_file
  detached_sleep
  exec 7<"$HOST" 8</
  local n
  for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    run moat exec --cwd "/proc/self/fd/$n" "$ID" sh -c "cat secret ./$HOST/secret; cd ..; pwd" </dev/null
    [[ "$output" != *out-of-the-container* ]]
    run moat exec "$ID" "/proc/self/fd/$n/bin/sh" -c 'echo ran' </dev/null
    [[ "$output" != *ran* ]]
    run moat exec "$ID" "/proc/self/fd/$n/$HOST/../../bin/sh" -c 'echo ran' </dev/null
    [[ "$output" != *ran* ]]
  done
  exec 7<&- 8<&-
  moat delete --force "$ID"
}

@test "a link of the container's that leads to a descriptor is no working directory (CVE-2024-21626)" {
  host_file
  ln -s /proc/self/fd/7 "$BUNDLE/rootfs/seven"
  ln -s /proc/self/cwd "$BUNDLE/rootfs/here"
  exec 7<"$HOST"
  local dir
  for dir in /seven /here /seven/../.. /proc/1/cwd /proc/self/root/../..; do
    config --arg d "$dir" '.process.cwd = $d'
    script "cat secret $HOST/secret; cd ..; ls"
    run foreground
    [[ "$output" != *out-of-the-container* ]]
    [ ! -e "$HOST/made" ]
  done
  exec 7<&-
}

@test "descriptors, root and directory of an entering process are not to be had (CVE-2016-9962)" {
  host_file
  # Root in there, but without ptrace.
  script "echo up; while :; do for p in /proc/[0-9]*; do [ \$p = /proc/1 ] || [ \$p = /proc/\$\$ ] || \
    cat \$p/root$HOST/secret \$p/cwd$HOST/secret \$p/fd/*$HOST/secret \$p/fd/*/secret; done 2>/dev/null; done"
  detached
  eventually 20 file_contains "$OUT" up
  exec 7<"$HOST" 8</
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    moat exec "$ID" true </dev/null
  done
  exec 7<&- 8<&-
  expect "$(cat "$OUT")" = up
  moat delete --force "$ID"
}

@test "a created container's first process cannot be looked into before it is its own" {
  args sleep 1000
  create
  run moat exec "$ID" sh -c 'ls /proc/1/fd/ && cat /proc/1/environ /proc/1/maps && readlink /proc/1/exe' </dev/null
  [ "$status" -ne 0 ]
  [[ "$output" != *moat* ]]
  moat delete --force "$ID"
}

@test "what exec writes to /proc does not go where the container mounted something (CVE-2019-16884)" {
  config '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
  script 'mount -t tmpfs none /proc; mkdir -p /proc/self/fd /proc/thread-self /proc/sys; touch /proc/self/oom_score_adj
    ln -s /tmp /proc/self/cwd; echo up; exec sleep 1000'
  detached
  eventually 20 file_contains "$OUT" up
  jq -n '{args: ["sh", "-c", "cat /proc/self/oom_score_adj; umount /proc; cat /proc/self/oom_score_adj"], cwd: "/",
    user: {uid: 0, gid: 0}, env: ["PATH=/bin"], oomScoreAdj: 456,
    capabilities: {bounding: ["CAP_SYS_ADMIN"], permitted: ["CAP_SYS_ADMIN"], effective: ["CAP_SYS_ADMIN"]}}' \
    >"$BATS_TEST_TMPDIR/process.json"
  run -0 moat exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null
  expect "$output" = 456 # and nothing from the file that is in its place
  moat delete --force "$ID"
}

@test "exec does not follow the container's links for what it looks up" {
  only_shared "the link is made from outside"
  host_file
  echo 'root:x:0:0:root:/from/the/host:/bin/sh' >"$HOST/passwd"
  config '.process.env = ["PATH=/bin"]'
  detached_sleep
  ln -sf "/proc/1/root/../../../../..$HOST/passwd" "$BUNDLE/rootfs/etc/passwd"
  eventually 10 moat exec "$ID" test -L /etc/passwd # a guest may go by what it has looked up before
  run -0 moat exec "$ID" sh -c 'echo "$HOME"' </dev/null
  expect "$output" = /
  moat delete --force "$ID"
}

@test "exec gives no rights of its own to a container that has fewer" {
  config '.process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"],
      inheritable: [], ambient: []} | .process.noNewPrivileges = true'
  detached_sleep
  run -0 moat exec "$ID" grep -E 'CapInh|CapBnd|CapAmb|NoNewPrivs|Groups' /proc/self/status </dev/null
  expect "$(awk '{ print $2 }' <<<"$output" | xargs)" = "0000000000000000 0000000000000020 0000000000000000 1"
  moat delete --force "$ID"
}

@test "names of users, capabilities and variables are not guessed" {
  detached_sleep
  local user
  for user in "" : 0: :0 1: a root 1:b 4294967295 4294967296 -1 1:-1 "1 " " 1" 0x1 1:2:3 +1; do
    run ! moat exec --user "$user" "$ID" id </dev/null
    [[ "$output" != *uid=* ]]
  done
  run ! moat exec --cap 5 "$ID" true </dev/null
  run ! moat exec --cap chown "$ID" true </dev/null
  run ! moat exec --env =x "$ID" true </dev/null
  run ! moat exec --additional-gids users "$ID" true </dev/null
  run ! moat exec --cwd relative "$ID" true </dev/null
  moat delete --force "$ID"
}

@test "a process that enters is in no group of the caller's, and has none of its terminal" {
  detached_sleep
  run -0 moat exec "$ID" sh -c 'grep Groups /proc/self/status; ps -o pid,tty | grep -c pts; id -G; tty' </dev/null || true
  expect "$(awk '/Groups/ { print $2 }' <<<"$output")" = ""
  moat delete --force "$ID"
}

# The next process of this process namespace has that pid, or one soon after.
next_pid() {
  echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
}

@test "a pid that is another's by now is not killed in the container's stead" {
  [ -w /proc/sys/kernel/ns_last_pid ] || skip "this kernel lets nobody choose a pid"
  local pid victim="" i
  args true
  detached
  wait_status stopped
  pid=$(cat "$PID_FILE")
  for ((i = 0; i < 200; i++)); do
    next_pid "$pid"
    sleep 1000 3>&- &
    victim=$!
    [ "$victim" != "$pid" ] || break
    kill -KILL "$victim"
    wait "$victim" || true
  done
  expect "$victim" = "$pid"
  expect "$(status_of "$ID")" = stopped
  local command
  for command in "kill $ID KILL" "kill --all $ID KILL" "exec $ID true" "pause $ID" "delete --force $ID"; do
    # shellcheck disable=SC2086 # words
    run moat $command </dev/null
    kill -0 "$victim"
    expect "$(awk '{ print $3 }' "/proc/$victim/stat")" = S
  done
  kill -KILL "$victim"
  wait "$victim" || true
}
