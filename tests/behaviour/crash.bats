# SPDX-License-Identifier: Apache-2.0
# kill -9 of any process at any moment: what state says is true, and delete --force leaves nothing.

load helpers

shim_pids() {
  pgrep -f '^[^ ]*moat-shim create'
}

virtiofsd_pids() {
  pgrep -f '^[^ ]*virtiofsd'
}

# The built-in one is a shim's child that executes nothing.
vmm_pids() {
  local shims
  case $(driver) in
    qemu) pgrep -f '^[^ ]*qemu-system-' ;;
    builtin) shims=$(pgrep -d , -f '^[^ ]*moat-shim ') && pgrep -P "$shims" -f '^[^ ]*moat-shim ' ;;
    *) pgrep -f "^$MOAT_HYPERVISOR" ;;
  esac
}

has_no_vmm() {
  ! vmm_pids >/dev/null
}

# Whatever is known about a half-made container is true, and it can be removed.
expect_truth_and_removal() {
  local known
  if known=$(moat state "$ID" 2>&1); then
    case "$(jq -r .status <<<"$known")" in
      # Unless it has ended meanwhile.
      created | running) kill -0 "$(jq .pid <<<"$known")" 2>/dev/null || [ "$(status_of "$ID")" = stopped ] ;;
      creating | stopped) ;;
      *)
        echo "not a truth: $known"
        return 1
        ;;
    esac
  else
    expect_match "$known" "does not exist"
  fi
  run -0 moat delete --force "$ID"
  expect_nothing_left
}

# moat create, killed after each of the delays.
kill_create_after() {
  local delay
  args sleep 1000
  for delay in "$@"; do
    "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
    sleep "$delay"
    kill -KILL $! 2>/dev/null || true
    wait $! || true
    expect_truth_and_removal
  done
}

@test "create, killed early, leaves the truth and can be removed" {
  kill_create_after 0 0.001 0.002 0.003 0.004 0.005 0.007 0.01 0.015 0.02 0.03 0.05
}

@test "create, killed while the virtual machine boots, leaves the truth and can be removed" {
  only_vm "nothing boots natively"
  kill_create_after 0.1 0.2 0.4 0.7 1 1.5 2
}

# bats test_tags=kvm-host
@test "run, killed, leaves a container that delete --force removes" {
  script 'echo up; exec sleep 1000'
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 30 file_contains "$OUT" up
  kill -KILL $!
  wait $! || true
  expect_truth_and_removal
}

@test "the container's own process, killed from outside, is a stopped container" {
  only_native "the process outside is the shim, which has a test of its own"
  detached_sleep
  kill -KILL "$(cat "$PID_FILE")"
  wait_status stopped
  moat delete "$ID"
}

# The command in the background, and one of its helpers killed after each of the delays: an end in time,
# one message, nothing left. kill_helper_during PIDS DELAY…: PIDS is what prints the helper's.
kill_helper_during() {
  local pids=$1 delay pid status
  shift
  args sleep 1000
  for delay in "$@"; do
    status=0
    "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
    pid=$!
    eventually 20 "$pids" >/dev/null || true
    sleep "$delay"
    kill -KILL $("$pids") 2>/dev/null || true
    wait $pid || status=$?
    if ((status == 0)); then
      # It came too late.
      expect_truth_and_removal
      continue
    fi
    expect "$status" = 1
    SAID=$(<"$ERR") # the last time that it came in time
    expect "$(grep -c '^moat: create' <<<"$SAID")" = 1
    run ! moat state "$ID"
    expect_match "$output" "does not exist"
    expect_nothing_left
  done
}

@test "the virtual machine monitor, killed in the middle of create, is its error" {
  only_vm "there is no virtual machine natively"
  kill_helper_during vmm_pids 0 0.2 0.6
  expect_match "$SAID" "signal 9"
}

@test "the shim, killed in the middle of create, is its error" {
  only_vm "there is no shim natively"
  kill_helper_during shim_pids 0 0.05 0.5
}

@test "virtiofsd, killed in the middle of create and while the container runs, is its end" {
  only_vm "nothing is shared natively"
  not_with builtin "it serves files itself"
  not_with firecracker "it shares no files"
  [ -x /usr/lib/qemu/virtiofsd ] || [ -x /usr/libexec/virtiofsd ] || skip "no virtiofsd here (./dev setup)"
  export MOAT_SHARE=virtiofs
  kill_helper_during virtiofsd_pids 0 0.3
  script 'echo up; exec sleep 1000'
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 60 file_contains "$OUT" up
  kill -KILL $(virtiofsd_pids)
  expect_end 255 $!
  expect_match "$(cat "$ERR")" "virtiofsd"
  expect_truth_and_removal
}

@test "an exec whose virtual machine or shim is killed ends, and with a status that says so" {
  only_vm "there is no virtual machine natively"
  detached_sleep
  "$MOAT" --root "$ROOT" exec "$ID" sh -c 'echo up; exec sleep 1000' </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 20 file_contains "$OUT" up
  kill -KILL $(pgrep -f '^[^ ]*moat-shim exec')
  expect_end 137 $!
  expect "$(status_of "$ID")" = running
  "$MOAT" --root "$ROOT" exec "$ID" sh -c 'echo up again; exec sleep 1000' </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 20 file_contains "$OUT" "up again"
  kill -KILL $(vmm_pids)
  expect_end 255 $!
  expect_match "$(cat "$ERR")" "its virtual machine ended"
  wait_status stopped
  moat delete "$ID"
}

@test "the virtual machine monitor, killed, ends the container with 255" {
  only_vm "there is no virtual machine natively"
  script 'echo up; exec sleep 1000'
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 30 file_contains "$OUT" up
  kill -KILL $(vmm_pids)
  expect_end 255 $!
  expect_truth_and_removal
}

@test "the virtual machine monitor of a detached container, killed, leaves a stopped container" {
  only_vm "there is no virtual machine natively"
  detached_sleep
  kill -KILL $(vmm_pids)
  wait_status stopped
  run ! moat kill "$ID" TERM
  expect_match "$output" "container not running"
  moat delete "$ID"
}

@test "the shim, killed, takes the virtual machine with it" {
  only_vm "there is no shim natively"
  detached_sleep
  expect "$(vmm_pids | wc -l)" = 1
  kill -KILL "$(cat "$PID_FILE")"
  wait_status stopped
  eventually 5 has_no_vmm
  run -255 moat exec "$ID" true </dev/null
  expect_match "$output" "cannot exec in a stopped container"
  moat delete "$ID"
}

@test "an exec, killed, leaves the container running" {
  detached_sleep
  "$MOAT" --root "$ROOT" exec "$ID" sh -c 'echo up; exec sleep 1000' </dev/null >"$OUT" 2>"$ERR" 3>&- &
  eventually 20 file_contains "$OUT" up
  kill -KILL $!
  wait $! || true
  expect "$(status_of "$ID")" = running
  run -0 moat exec "$ID" echo still there </dev/null
  expect "$output" = "still there"
  moat delete --force "$ID"
}

@test "a state directory without a record is removed by delete --force" {
  mkdir -p "$ROOT/$ID"
  run -0 moat delete --force "$ID"
  [ ! -e "$ROOT/$ID" ]
}

@test "a record that cannot be read is removed by delete --force" {
  mkdir -p "$ROOT/$ID"
  echo '{"version": 1, "id":' >"$ROOT/$ID/state.json"
  run ! moat state "$ID"
  run -0 moat delete --force "$ID"
  [ ! -e "$ROOT/$ID" ]
}
