# SPDX-License-Identifier: Apache-2.0
# Pods of Kubernetes with moat beneath an engine of its Container Runtime Interface: containerd, or
# with MOAT_CRI_ENGINE=crio CRI-O. The images are made here, the network is a bridge of the suite's.

load helpers
load cri

BOOT_ID=/proc/sys/kernel/random/boot_id

setup_file() {
  is_possible || return 0
  setup_cri
}

teardown_file() {
  teardown_cri
}

teardown() {
  [ -z "$OBSTACLE" ] || return 0
  if [ -z "$BATS_TEST_COMPLETED" ]; then
    echo "last output: ${output-}"
    grep level=error "$WORK/engine.log" | tail -n 10
  fi
  remove_pods
  if ! eventually 20 is_clean; then
    echo "left behind: $(records) $(leftovers)"
    return 1
  fi
}

vmms() {
  pgrep -c '^qemu-system-' || true
}

log_contains() {
  grep -qF -- "$2" "$WORK/logs/$1.log"
}

@test "a pod of two containers runs on one kernel, and in one virtual machine" {
  local one two
  run_pod
  run_member one sleep 1000
  one=$MEMBER
  run_member two sleep 1001
  two=$MEMBER
  expect "$(in_member "$one" cat $BOOT_ID)" = "$(in_member "$two" cat $BOOT_ID)"
  if [ "$MOAT_ISOLATION" = vm ]; then
    expect "$(in_member "$one" cat $BOOT_ID)" != "$(cat $BOOT_ID)"
    expect "$(vmms)" = 1
  fi
  expect "$(in_member "$one" hostname)" = podded
  expect "$(in_member "$one" readlink /proc/self/ns/ipc)" = "$(in_member "$two" readlink /proc/self/ns/ipc)"
  expect "$(in_member "$one" readlink /proc/self/ns/pid)" != "$(in_member "$two" readlink /proc/self/ns/pid)"
}

@test "containers of a pod meet on localhost" {
  run_pod
  run_member web sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
  run_member other sleep 1000
  is_served() { [ "$(in_member "$MEMBER" wget -q -O - http://127.0.0.1/)" = page ]; }
  eventually 20 is_served
}

@test "exec gives output, errors and exit codes" {
  run_pod
  run_member one sleep 1000
  run -0 in_member "$MEMBER" sh -c 'cat /proc/1/comm; echo apart >&2'
  expect_match "$output" sleep
  expect_match "$output" apart
  run ! in_member "$MEMBER" sh -c 'exit 7'
  expect_match "$output" "7"
  run ! in_member "$MEMBER" /no/such/program
  expect_match "$output" "no such file"
}

@test "a container's output is in its log, its exit code in its status" {
  run_pod
  run_member one sh -c 'echo out; echo err >&2; exit 3'
  eventually 20 member_has_state "$MEMBER" CONTAINER_EXITED
  log_contains one "stdout F out"
  log_contains one "stderr F err"
  expect "$(member_says "$MEMBER" exitCode)" = 3
  expect "$(member_says "$MEMBER" reason)" = Error
}

@test "a container that does not listen is killed after its time, and can be removed" {
  run_pod
  run_member one sleep 1000
  cri stop --timeout 1 "$MEMBER"
  expect "$(member_says "$MEMBER" state)" = CONTAINER_EXITED
  expect "$(member_says "$MEMBER" exitCode)" = 137
  cri rm "$MEMBER"
  run_member one echo again
  eventually 20 log_contains one again
}

@test "limits reach a container, change, and its use is told" {
  local limit='cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes'
  run_pod
  MEMBER_FILTER='.linux.resources.memory_limit_in_bytes = 100663296' run_member one sleep 1000
  expect "$(in_member "$MEMBER" sh -c "$limit")" = 100663296
  cri update --memory 67108864 "$MEMBER"
  expect "$(in_member "$MEMBER" sh -c "$limit")" = 67108864
  run -0 cri stats --output json "$MEMBER"
  [ "$(jq -r '.stats[0].memory.workingSetBytes.value' <<<"$output")" -gt 0 ]
}

@test "a pod's virtual machine has the size that the pod is announced with" {
  [ "$MOAT_ISOLATION" = vm ] || skip "vm only: natively a pod has no size"
  [ "$CRI_ENGINE" = containerd ] || skip "CRI-O announces no sizes"
  pod_config '.linux.resources = {memory_limit_in_bytes: 402653184, cpu_period: 100000, cpu_quota: 200000}'
  run_pod
  run_member one sleep 1000
  [ "$(in_member "$MEMBER" awk '/MemTotal/ { print $2 }' /proc/meminfo)" -gt $((384 * 1024)) ]
  expect "$(in_member "$MEMBER" nproc)" = 2
}

@test "the installed drop-in names both runtime handlers" {
  local handler
  for handler in moat moat-native; do
    pod_config ".metadata.uid = \"$handler\""
    POD=$(cri runp --runtime "$handler" "$POD_CONFIG")
    run_member one sleep 1000
    expect "$(in_member "$MEMBER" cat /proc/1/comm)" = sleep
    remove_pods
  done
}

@test "attach, exec with a terminal, and ports pass through streams" {
  can_stream || skip "no crictl here, and the tests' own client cannot stream"
  run_pod
  run_member web sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
  # shellcheck disable=SC2046 # words
  run -0 tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' -- $(cri_words) exec --interactive --tty \
    "$MEMBER" sh -c 'tty; echo up; read line; echo "got $line"'
  expect_match "$output" /dev/pts/
  run -0 bash -c "echo typed | $(cri_words) exec --interactive $MEMBER cat"
  expect_match "$output" typed
  cri port-forward "$POD" 8099:80 >"$BATS_TEST_TMPDIR/forward" 2>&1 &
  local forwarder=$!
  is_forwarded() { [ "$(fetch http://127.0.0.1:8099/)" = page ]; }
  eventually 30 is_forwarded
  kill $forwarder
}
