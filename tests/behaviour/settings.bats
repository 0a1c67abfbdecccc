# SPDX-License-Identifier: Apache-2.0
# moat.json: what is said once for all containers.

load helpers

# moat with the file alone, since the suite chooses the isolation by the environment.
configured() {
  env -u MOAT_ISOLATION "$MOAT" --root "$ROOT" --config "$BATS_TEST_TMPDIR/moat.json" "$@" 3>&-
}

write_config() {
  cat >"$BATS_TEST_TMPDIR/moat.json"
}

# Which isolation a container that is made so gets.
isolation_of_next() {
  args sleep 1000
  configured create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR"
  jq -r .isolation "$ROOT/$ID/state.json"
  moat delete --force "$ID"
}

other_isolation() {
  if is_vm; then echo native; else echo vm; fi
}

@test "the file chooses the isolation" {
  write_config <<<"{ /* for all */ \"isolation\": \"$MOAT_ISOLATION\" }"
  run -0 isolation_of_next
  expect "$output" = "$MOAT_ISOLATION"
}

@test "an annotation chooses it only if the file allows that" {
  config --arg i "$(other_isolation)" '.annotations["io.moat.isolation"] = $i'
  write_config <<<"{ \"isolation\": \"$MOAT_ISOLATION\" }"
  run -0 isolation_of_next
  expect "$output" = "$MOAT_ISOLATION"
  config --arg i "$MOAT_ISOLATION" '.annotations["io.moat.isolation"] = $i'
  write_config <<<"{ \"isolation\": \"$(other_isolation)\", \"allow_annotations\": [\"io.moat.isolation\"] }"
  run -0 isolation_of_next
  expect "$output" = "$MOAT_ISOLATION"
}

@test "the command line and the environment go before the file" {
  args true
  write_config <<<"{ \"isolation\": \"$(other_isolation)\" }"
  run -0 configured --isolation "$MOAT_ISOLATION" run --keep --bundle "$BUNDLE" "$ID" </dev/null
  expect "$(jq -r .isolation "$ROOT/$ID/state.json")" = "$MOAT_ISOLATION"
  moat delete "$ID"
  MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json moat run --keep --bundle "$BUNDLE" "$ID" </dev/null
  expect "$(jq -r .isolation "$ROOT/$ID/state.json")" = "$MOAT_ISOLATION"
  moat delete "$ID"
}

@test "a file that is wrong stops no command that cleans up" {
  detached_sleep
  write_config <<<'{ "isolation": "chroot" }'
  args true
  run -1 configured run --bundle "$BUNDLE" "$ID-2" </dev/null
  expect_match "$output" "moat.json:1: isolation"
  run -0 --separate-stderr configured state "$ID"
  expect "$stderr" = ""
  run -0 configured delete --force "$ID"
}

@test "the size of a virtual machine" {
  only_vm "there is none"
  script 'nproc; grep MemTotal /proc/meminfo'
  write_config <<<'{ "isolation": "vm", "vm": { "memory_mib": 400, "vcpus": 2 } }'
  run -0 configured run --bundle "$BUNDLE" "$ID" </dev/null
  expect "${lines[0]}" = "$(vcpus_of 2)"
  local kib
  kib=$(awk '{ print $2 }' <<<"${lines[1]}")
  [ "$kib" -gt 320000 ] && [ "$kib" -lt 420000 ]
  # A limit of the container says more.
  config '.linux.resources.memory = {limit: 67108864}'
  run -0 configured run --bundle "$BUNDLE" "$ID" </dev/null
  kib=$(awk '{ print $2 }' <<<"${lines[1]}")
  [ "$kib" -lt 200000 ]
}

@test "a virtual machine's parts that are not there" {
  only_vm "there is none"
  args true
  write_config <<<'{ "isolation": "vm", "vm": { "hypervisor": "/nowhere/qemu" } }'
  MOAT_HYPERVISOR='' run -1 configured run --bundle "$BUNDLE" "$ID" </dev/null
  expect_match "$output" "/nowhere/qemu"
  write_config <<<'{ "isolation": "vm", "vm": { "kernel": "/nowhere/kernel" } }'
  run -1 configured run --bundle "$BUNDLE" "$ID" </dev/null
  expect_match "$output" "open guest kernel '/nowhere/kernel': No such file or directory"
  write_config <<<'{ "isolation": "vm", "vm": { "image": "/nowhere/guest" } }'
  MOAT_GUEST='' run -1 configured run --bundle "$BUNDLE" "$ID" </dev/null
  expect_match "$output" "/nowhere/guest"
}
