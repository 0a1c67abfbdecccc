# SPDX-License-Identifier: Apache-2.0
# Virtual machines with KVM, whose agent is reached by AF_VSOCK.

# bats file_tags=kvm-host

load helpers
load ../behaviour/member

export MOAT_ISOLATION=vm

@test "a verdict of this boot is believed" {
  write_verdict "$(boot_id)" "not this time"
  args true
  run ! env MOAT_ACCEL=kvm "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" 3>&-
  expect_match "$output" "accelerator 'kvm': not this time"
}

@test "run finds KVM fit, passes the streams and returns the exit code" {
  write_verdict 00000000-0000-0000-0000-000000000000 "of another boot"
  expect_streams
  expect "$(cat "$ROOT/@cache/kvm-verdict")" = "$(boot_id)"$'\n'fit
}

# bats test_tags=brief
@test "a running container is reached by vsock, entered, killed and deleted" {
  script 'echo up; exec sleep 1000'
  detached
  eventually 30 file_contains "$OUT" up
  expect_match "$(jq -r .agentAddress "$ROOT/$ID/state.json")" vsock://
  expect_match "$(pgrep -af qemu-system-)" "-accel kvm"

  make_data
  run -7 --separate-stderr moat exec "$ID" sh -c 'cat /proc/1/comm; exit 7' </dev/null
  expect "$output" = sleep
  moat exec "$ID" cat <"$BATS_TEST_TMPDIR/data" >"$OUT"
  expect_data "$OUT"

  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

# The mount reaches virtiofsd's namespace, which this host's kernel does in its own way.
# bats test_tags=brief
@test "a pod's members have roots of their own by virtiofsd" {
  export MOAT_SHARE=virtiofs
  args sleep 1000
  detached
  member_bundle sh -c 'cat /mine /proc/sys/kernel/random/boot_id; echo inside >/written'
  echo "the member's" >"$MEMBER_BUNDLE/rootfs/mine"
  run -0 moat run --bundle "$MEMBER_BUNDLE" "$MEMBER" </dev/null
  expect "${lines[0]}" = "the member's"
  expect "${lines[1]}" = "$(moat exec "$ID" cat /proc/sys/kernel/random/boot_id </dev/null)"
  expect "$(cat "$MEMBER_BUNDLE/rootfs/written")" = inside
  moat delete --force "$ID"
}

@test "the distribution's kernel runs with KVM, PCI and virtiofs" {
  MOAT_GUEST=$(dirname "$(dirname "$MOAT")")/guest
  [ -e "$MOAT_GUEST/guest.json" ] || skip "no guest image in '$MOAT_GUEST': MOAT is not a build's"
  export MOAT_GUEST
  script 'uname -r; cat; echo inside >/written; exit 42'
  run -42 --separate-stderr moat run --bundle "$BUNDLE" "$ID" <<<typed
  expect "${lines[0]}" = "$(jq -r .release "$MOAT_GUEST/guest.json")"
  expect "${lines[1]}" = typed
  expect "$(cat "$BUNDLE/rootfs/written")" = inside
}
