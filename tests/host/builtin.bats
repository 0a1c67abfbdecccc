# SPDX-License-Identifier: Apache-2.0
# Virtual machines of the built-in VMM.

# bats file_tags=kvm-host

load helpers

load ../behaviour/checkpoint

export MOAT_ISOLATION=vm MOAT_HYPERVISOR=builtin MOAT_SHARE=none

# The processes of a container's virtual machine, on the host.
machine_processes() {
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
  pid=$(machine_processes)
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

@test "whoever leaves the choice to moat gets it where it can do all, and else QEMU" {
  write_verdict "$(boot_id)" fit
  export MOAT_HYPERVISOR=auto
  script 'exec sleep 1000'
  detached
  [ -S "$ROOT/$ID/vm/builtin.sock" ]
  moat delete --force "$ID"
  unset MOAT_SHARE
  detached
  [ -S "$ROOT/$ID/vm/builtin.sock" ]
  moat delete --force "$ID"
  export MOAT_SHARE=9p
  detached
  [ -S "$ROOT/$ID/vm/qmp.sock" ]
  moat delete --force "$ID"
}

# A pod's member, whose root is a disk that is plugged in.
member() {
  local bundle=$BATS_TEST_TMPDIR/$1
  mkdir -p "$bundle"
  cp -r "$BUNDLE/rootfs" "$bundle/rootfs"
  jq --arg id "$ID" --arg script "$2" '.annotations = {"io.kubernetes.cri-o.ContainerType": "container",
    "io.kubernetes.cri-o.SandboxID": $id} | .process.args = ["sh", "-c", $script]' \
    "$BUNDLE/config.json" >"$bundle/config.json"
  moat run --bundle "$bundle" "$ID-$1" </dev/null
}

@test "the containers of a pod share its machine, each on a disk of its own" {
  write_verdict "$(boot_id)" fit
  config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
  script 'exec sleep 1000'
  detached
  local i
  for i in 1 2; do # the second one in the place of the first
    run member "m$i" 'echo mine >/written; cat /written; grep -c " / ext4 rw" /proc/mounts; cat /proc/sys/kernel/random/boot_id'
    expect "$status ${lines[0]} ${lines[1]}" = "0 mine 1"
    expect "${lines[2]}" = "$(moat exec "$ID" cat /proc/sys/kernel/random/boot_id)"
    rm -r "$BATS_TEST_TMPDIR/m$i"
  done
  expect "$(moat exec "$ID" cat /sys/class/block/vdb/size)" = 0
  moat delete --force "$ID"
}

# bats test_tags=brief
@test "a container's root is shared, by the VMM itself" {
  unset MOAT_SHARE
  write_verdict "$(boot_id)" fit
  script 'set -e
    echo hello >/made; ln /made /linked; ln -s /nowhere /pointing; mkfifo /pipe; mkdir -m 2750 /dir
    echo more >>/linked; mv /made /moved; chmod 4751 /moved
    dd if=/dev/zero of=/large bs=1M count=5 2>/dev/null; truncate -s 3M /large; sync
    for i in 1 2 3 4 5 6 7 8 9; do echo $i >/dir/$i; done; rm /dir/5; ls /dir | wc -l
    cd /dir; cat ../moved; [ ! -e /pointing ]; stat -c %h /moved; up=/..; ls $up/../../../.. | grep -c moved
    echo up; exec sleep 1000'
  detached
  eventually 60 file_contains "$OUT" up
  expect "$(<"$OUT")" = $'8\nhello\nmore\n2\n1\nup'
  expect "$(stat -c '%u:%g %a %h %s' "$BUNDLE/rootfs/moved")" = "0:0 4751 2 11"
  expect "$(stat -c %F "$BUNDLE/rootfs/pipe")" = fifo
  expect "$(readlink "$BUNDLE/rootfs/pointing")" = /nowhere
  expect "$(stat -c '%s %a' "$BUNDLE/rootfs/large")" = "3145728 644"
  expect "$(stat -c %a "$BUNDLE/rootfs/dir")" = 2750

  # What the host writes is seen, as soon as what the guest was told is no longer valid.
  echo host >"$BUNDLE/rootfs/moved"
  eventually 20 sh -c "'$MOAT' --root '$ROOT' exec '$ID' cat /moved </dev/null | grep -qx host"

  # The thread that serves files has rights, and nobody else.
  local pid
  pid=$(machine_processes)
  expect "$(pgrep --parent "$(jq -r .pid "$ROOT/$ID/state.json")" | wc -l)" = 1
  expect_match "$(cat "/proc/$pid/status")" "CapEff:	0000000000000000"
  expect "$(grep -h CapEff /proc/"$pid"/task/*/status | grep -vc 0000000000000000)" = 1
  expect "$(grep -h Seccomp: /proc/"$pid"/task/*/status | sort -u)" = "Seccomp:	2"
  expect "$(ls -A "/proc/$pid/root")" = ""
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
  [ ! -e "/proc/$pid" ]
}

@test "a counter goes on from a checkpoint where it was" {
  write_verdict "$(boot_id)" fit
  loud_counter

  save --leave-running
  local before
  before=$(count)
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"

  before=$(tail -n 1 "$OUT")
  load_saved
  expect "$(status_of "$ID")" = running
  eventually 30 counted_beyond "$before"
  eventually 30 said_beyond "$before"
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
