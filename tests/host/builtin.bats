# SPDX-License-Identifier: Apache-2.0
# Virtual machines of the built-in VMM.

# bats file_tags=kvm-host

load helpers

load ../behaviour/checkpoint

export MOAT_ISOLATION=vm MOAT_HYPERVISOR=builtin MOAT_SHARE=none

# The processes of a container's virtual machine, on the host.
vmm() {
  pgrep --parent "$(jq -r .pid "$ROOT/$ID/state.json")"
}

# bats test_tags=brief
@test "run passes the streams and returns the exit code" {
  write_verdict "$(boot_id)" fit # as kvm.bats finds out
  expect_streams
}

@test "a running container's machine is one process without rights, and ends with it" {
  write_verdict "$(boot_id)" fit
  script 'echo up; exec sleep 1000'
  detached
  eventually 30 file_contains "$OUT" up
  expect_match "$(jq -r .agentAddress "$ROOT/$ID/state.json")" hvsock://
  local pid
  pid=$(vmm)
  expect "$(readlink "/proc/$pid/exe")" = "$(readlink "/proc/$(jq -r .pid "$ROOT/$ID/state.json")/exe")"
  expect_match "$(cat "/proc/$pid/status")" "CapPrm:	0000000000000000"
  expect "$(ls -A "/proc/$pid/root")" = ""

  run -7 --separate-stderr moat exec "$ID" sh -c 'cat /proc/1/comm; exit 7' </dev/null
  expect "$output" = sleep
  moat pause "$ID"
  moat resume "$ID"
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
  [ ! -e "/proc/$pid" ]
}

@test "a counter goes on from a checkpoint where it was" {
  write_verdict "$(boot_id)" fit
  script 'i=0; while :; do i=$((i + 1)); echo $i >>/tmp/count; usleep 20000; done'
  detached
  eventually 30 counted_beyond 10

  save --leave-running
  local before
  before=$(count)
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"

  load_saved
  expect "$(status_of "$ID")" = running
  eventually 30 counted_beyond "$before"
  run -7 --separate-stderr moat exec "$ID" sh -c 'echo within; exit 7' </dev/null
  expect "$output" = within
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

@test "a container starts from a template, and what it writes stays its own" {
  write_verdict "$(boot_id)" fit
  local config=$BATS_TEST_TMPDIR/moat.json turn
  echo "{\"vm\": {\"template_dir\": \"$BATS_TEST_TMPDIR/store\"}}" >"$config"
  moat --config "$config" template create
  script 'cat /sys/block/vda/size; df -k / | tail -n 1; cat; echo written >/mine; exit 42'
  for turn in 1 2; do
    run -42 --separate-stderr moat --config "$config" --log "$BATS_TEST_TMPDIR/log.$turn" --debug \
      run --bundle "$BUNDLE" "$ID" <<<typed
    expect "${lines[-1]}" = typed
    ((lines[0] < 1 << 31)) # sectors: not those of the blank disk
    file_contains "$BATS_TEST_TMPDIR/log.$turn" "goes on from template"
    run ! grep level=warning "$BATS_TEST_TMPDIR/log.$turn"
  done
  expect "$(moat --config "$config" template list --format json | jq -r '.[].status')" = ready
}
