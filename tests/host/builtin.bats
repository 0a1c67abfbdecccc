# SPDX-License-Identifier: Apache-2.0
# Virtual machines of the built-in VMM.

# bats file_tags=kvm-host

load helpers

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

@test "whoever leaves the choice to moat gets it where nothing is shared, and else QEMU" {
  write_verdict "$(boot_id)" fit
  export MOAT_HYPERVISOR=auto
  script 'exec sleep 1000'
  detached
  [ -S "$ROOT/$ID/vm/builtin.sock" ]
  moat delete --force "$ID"
  unset MOAT_SHARE
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
