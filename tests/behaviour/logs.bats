# SPDX-License-Identifier: Apache-2.0
# logs: what moat, its shim, the machine and its guest have said; console: a shell of the guest.

load helpers

# with_settings FILTER: moat.json for the commands of this test.
with_settings() {
  jq -n "$1" >"$BATS_TEST_TMPDIR/moat.json"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
}

messages() {
  moat logs --format json "$@" "$ID" | jq -r .msg
}

has_message() {
  messages | grep -qF -- "$1"
}

@test "commands and their failures are kept with the container, in the order of time" {
  detached_sleep
  run -1 --separate-stderr moat start "$ID"
  moat kill "$ID" 0
  moat pause "$ID"
  moat resume "$ID"
  expect "$(messages --source runtime | cut -d: -f1)" = \
    "$(printf '%s\n' created started "start '$ID'" 'sent signal 0' paused resumed)"
  moat logs --source runtime --format json "$ID" >"$OUT"
  expect "$(jq -r .level "$OUT" | sort | uniq -c | xargs)" = "1 error 5 info"
  expect "$(jq -r .source "$OUT" | uniq)" = runtime
  expect "$(jq -r .time "$OUT" | sort)" = "$(jq -r .time "$OUT")"
  run -0 moat logs "$ID"
  expect_match "$output" "runtime info    started"
  moat delete --force "$ID"
  run -1 --separate-stderr moat logs "$ID"
  expect "$stderr" = "moat: logs '$ID': container does not exist"
}

@test "a log that is followed ends with the container" {
  detached_sleep
  moat logs --follow "$ID" >"$OUT" 2>&1 &
  eventually 20 file_contains "$OUT" started
  moat kill "$ID" KILL
  expect_end 0 $!
  moat delete --force "$ID"
}

@test "a virtual machine's shim, its agent and its console have their own words" {
  only_vm "natively there is nobody else"
  local member=$ID-member
  with_settings '{vm: {kernel_parameters: ["agent.log=debug", "loglevel=7"]}}'
  config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
  detached_sleep
  eventually 20 has_message "the guest's agent answers"
  expect_match "$(messages --source shim)" "virtual machine: $(driver), process "
  expect_match "$(messages --source console)" "Linux version"
  [ "$(messages --source agent | wc -l)" -gt 0 ]
  expect "$(messages --source console | grep -c '"level"')" = 0
  # A member's log has the machine in it, and not what was said of its sandbox's container.
  config --arg id "$ID" '.annotations = {"io.kubernetes.cri-o.SandboxID": $id}'
  ID=$member detached
  expect_match "$(ID=$member messages --source console)" "Linux version"
  expect "$(ID=$member messages --source runtime | grep -c ^started)" = 1
  moat delete --force "$member"
  moat delete --force "$ID"
}

@test "what a virtual machine's monitor says before it gives up is kept" {
  only_vm "natively there is none"
  not_with builtin "it takes no parameters"
  with_settings '{vm: {hypervisor_parameters: ["-no-such-option"]}}'
  run -1 create
  # A container that could not be made is gone, with its log; the reason is in the error.
  expect_match "$(cat "$ERR")" "-no-such-option"
  expect "$(ls "$ROOT" | grep -c "$ID")" = 0
}

@test "the debug console is a shell of the guest" {
  only_vm "natively there is no guest"
  local guest=$MOAT_GUEST
  # The image of the tests with a shell in it, so that the agent is not alone there any more.
  mkdir -p "$BATS_TEST_TMPDIR/extra/bin"
  cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/extra/bin/sh"
  (cd "$BATS_TEST_TMPDIR/extra" && busybox cpio -i -d <"$guest/$(jq -r .initrd "$guest/guest.json")" &&
    rm -f agent-alone && find . | busybox cpio -o -H newc) >"$BATS_TEST_TMPDIR/initrd" 2>/dev/null
  jq -n --arg initrd "$BATS_TEST_TMPDIR/initrd" '{vm: {initrd: $initrd,
    kernel_parameters: ["agent.debug_console", "agent.debug_console_vport=1026"]}}' >"$BATS_TEST_TMPDIR/moat.json"
  MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json detached_sleep
  # shellcheck disable=SC2016 # the guest expands it
  printf 'echo "this is $((40 + 2)) $$"\nread name </proc/1/comm; echo "first: $name"\nexit\n' |
    moat console "$ID" >"$OUT"
  expect_match "$(cat "$OUT")" "this is 42 "
  expect_match "$(cat "$OUT")" "first: "
  moat delete --force "$ID"
}

@test "a guest without a debug console says how it gets one" {
  detached_sleep
  run -1 --separate-stderr moat console "$ID"
  if is_vm; then
    expect_match "$stderr" "connect to port 1026: refused"
    expect_match "$stderr" "hint: give the guest a debug console"
  else
    expect "$stderr" = "moat: console '$ID': a native container has no guest with a console"
  fi
  moat delete --force "$ID"
}
