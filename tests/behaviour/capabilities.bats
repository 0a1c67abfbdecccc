# SPDX-License-Identifier: Apache-2.0
# The five sets of capabilities, for users who are root and who are not.

load helpers

# Of a process that was executed: what its sets are called in proc(5).
readonly SETS='grep -E "^Cap(Inh|Prm|Eff|Bnd|Amb)" /proc/self/status'

set_of() {
  awk -v name="$1:" '$1 == name { print $2 }' <<<"$output"
}

all_sets() {
  config --argjson names "$(json_array "$@")" '.process.capabilities =
    (["bounding", "permitted", "effective", "inheritable", "ambient"] | map({key: ., value: $names}) | from_entries)'
}

@test "inheritable capabilities are the configured ones" {
  config '.process.capabilities = {bounding: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"], effective: ["CAP_CHOWN"],
    inheritable: ["CAP_CHOWN"]}'
  script "$SETS"
  run -0 foreground
  expect "$(set_of CapInh)" = 0000000000000001
  expect "$(set_of CapAmb)" = 0000000000000000
}

@test "an ambient capability that is not inheritable is left out, and told to who asks for such words" {
  config '.process.user = {uid: 1000, gid: 1000} | .process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"],
    permitted: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"], inheritable: ["CAP_CHOWN"],
    ambient: ["CAP_KILL", "CAP_CHOWN"]}'
  script "$SETS"
  run -0 foreground
  expect "$(set_of CapAmb)" = 0000000000000001
  expect "$(set_of CapEff)" = 0000000000000001
  run ! grep ambient <<<"$output"
  # In a virtual machine it is the guest's to tell.
  is_vm || run -0 moat --log-level info run --bundle "$BUNDLE" "$ID" </dev/null
  is_vm || expect_match "$output" "capabilities.ambient: 'cap_kill' is not both permitted and inheritable"
}

@test "an unknown capability is warned of and left out" {
  config '.process.capabilities = {bounding: ["CAP_KILL", "CAP_NO_SUCH"], permitted: ["CAP_KILL", "CAP_NO_SUCH"],
    effective: ["CAP_KILL"]}'
  script "$SETS"
  run -0 foreground
  expect "$(set_of CapBnd)" = 0000000000000020
  is_vm || expect_match "$output" "unknown capability 'CAP_NO_SUCH' ignored"
}

@test "effective capabilities beyond the permitted ones are an error that says so" {
  config '.process.capabilities = {bounding: ["CAP_KILL"], permitted: [], effective: ["CAP_KILL"]}'
  args true
  run ! foreground
  expect_match "$output" "effective: not a subset of permitted"
}

@test "empty sets leave nothing, not even to root" {
  config '.process.capabilities = {}'
  script "$SETS"
  run -0 foreground
  for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    expect "$(set_of $set)" = 0000000000000000
  done
}

@test "exec has the container's capabilities, and what --cap adds is not inherited" {
  config '.process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"]}'
  detached_sleep
  run -0 moat exec "$ID" sh -c "$SETS" </dev/null
  expect "$(set_of CapBnd)" = 0000000000000020
  run -0 moat exec --cap CAP_CHOWN "$ID" sh -c "$SETS" </dev/null
  expect "$(set_of CapBnd)" = 0000000000000021
  expect "$(set_of CapPrm)" = 0000000000000021
  expect "$(set_of CapInh)" = 0000000000000000
  expect "$(set_of CapAmb)" = 0000000000000000
  moat delete --force "$ID"
}

@test "exec --cap makes ambient what the container has as inheritable" {
  all_sets CAP_KILL
  detached_sleep
  run -0 moat exec --user 1000 --cap CAP_KILL --cap CAP_CHOWN "$ID" sh -c "$SETS" </dev/null
  expect "$(set_of CapInh)" = 0000000000000020
  expect "$(set_of CapAmb)" = 0000000000000020
  expect "$(set_of CapBnd)" = 0000000000000021
  moat delete --force "$ID"
}

@test "exec with a document without capabilities has the container's" {
  config '.process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"]}'
  detached_sleep
  jq -n --arg sets "$SETS" '{args: ["sh", "-c", $sets], cwd: "/", user: {uid: 0, gid: 0}, env: ["PATH=/bin"]}' \
    >"$BATS_TEST_TMPDIR/process.json"
  run -0 moat exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" </dev/null
  expect "$(set_of CapBnd)" = 0000000000000020
  moat delete --force "$ID"
}
