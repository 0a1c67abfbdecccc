# SPDX-License-Identifier: Apache-2.0
# moat-agentctl against the agent of a running container's virtual machine.

load helpers

agentctl() {
  "$(dirname "$MOAT")/moat-agentctl" --root "$ROOT" "$ID" "$@"
}

@test "the agent of a container is found by its name" {
  only_vm "there is no agent natively"
  detached_sleep
  expect "$(agentctl Check | jq -r .status)" = SERVING
  expect "$(agentctl GetGuestDetails | jq -r .agent_details.init_daemon)" = true
  expect "$(agentctl ListProcesses "{\"container_id\": \"$ID\", \"format\": \"json\"}" |
    jq -r .process_list | base64 -d | jq length)" = 1
  run agentctl SignalProcess '{"container_id": "other"}'
  expect "$status" = 1
  expect_match "$output" "agent: SignalProcess: INVALID_ARGUMENT: container 'other' does not exist"
  moat delete --force "$ID"
}

@test "a process that was started by hand has its output read by hand" {
  only_vm "there is no agent natively"
  detached_sleep
  jq '.process | .args = ["echo", "by hand"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
  agentctl ExecProcess "$(jq -nc --arg id "$ID" --arg p "@$BATS_TEST_TMPDIR/process.json" \
    '{container_id: $id, exec_id: "e", oci_json: $p}')"
  expect "$(agentctl ReadStdout "{\"container_id\": \"$ID\", \"exec_id\": \"e\", \"len\": 100}" |
    jq -r .data | base64 -d)" = "by hand"
  expect "$(agentctl WaitProcess "{\"container_id\": \"$ID\", \"exec_id\": \"e\"}" | jq .status)" = 0
  moat delete --force "$ID"
}

@test "what is appended to the image is the agent's to run and to read" {
  only_vm "there is no agent natively"
  local guest=${MOAT_GUEST:-$(dirname "$(dirname "$MOAT")")/guest} extra=$BATS_TEST_TMPDIR/extra
  [ -e "$guest/guest.json" ] || skip "no guest image in '$guest'"
  mkdir -p "$extra/bin" "$extra/usr/sbin" "$extra/etc"
  cp /bin/busybox "$extra/bin/sh"
  printf '#!/bin/sh\necho "*filter"\n' >"$extra/usr/sbin/iptables-save"
  chmod +x "$extra/usr/sbin/iptables-save"
  echo 'hotplug_timeout = 1 # second' >"$extra/etc/agent.toml"
  cp -r "$guest" "$BATS_TEST_TMPDIR/guest"
  export MOAT_GUEST=$BATS_TEST_TMPDIR/guest
  (cd "$extra" && find . | busybox cpio -o -H newc) >>"$MOAT_GUEST/$(jq -r .initrd "$MOAT_GUEST/guest.json")"

  config --arg k "$(readlink -f "$MOAT_GUEST/$(jq -r .kernel "$MOAT_GUEST/guest.json")")" \
    '.vm = {kernel: {path: $k, parameters: ["agent.config_file=/etc/agent.toml"]}}'
  detached_sleep
  expect "$(agentctl GetIPTables | jq -r .data | base64 -d)" = "*filter"
  run agentctl SetIPTables '{"is_ipv6": true}'
  expect_match "$output" "UNIMPLEMENTED: the guest's image has no 'ip6tables-restore'"
  run agentctl AddSwapPath '{"path": "/dev/none"}'
  expect_match "$output" "device '/dev/none': it did not appear in 1000 ms"
  moat delete --force "$ID"
}
