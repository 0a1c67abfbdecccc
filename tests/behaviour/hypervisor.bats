# SPDX-License-Identifier: Apache-2.0
# The virtual machine itself: VMMs that go wrong at every step, root file systems on disks, the vm
# section of config.json.

load helpers

# A VMM that does what the standard input says, in place of QEMU. $watch is the descriptor of its
# control channel, $console the one of its console.
use_vmm() {
  only_vm "there is no VMM"
  cat - >"$BATS_TEST_TMPDIR/steps"
  cat >"$BATS_TEST_TMPDIR/vmm" <<EOF
#!/bin/bash
for word in "\$@"; do
  case \$word in
    socket,id=watch,fd=*) watch=\${word##*fd=} ;;
    socket,id=console,fd=*) console=\${word##*fd=} ;;
  esac
done
. "$BATS_TEST_TMPDIR/steps"
EOF
  chmod +x "$BATS_TEST_TMPDIR/vmm"
  echo "{\"vm\": {\"hypervisor\": \"$BATS_TEST_TMPDIR/vmm\"}}" >"$BATS_TEST_TMPDIR/moat.json"
}

readonly GREETING='{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": 7}}, "capabilities": []}}'

# Each failure is one error that says what happened and what was printed last, and leaves nothing.
expect_failure() {
  args true
  run -1 moat --config "$BATS_TEST_TMPDIR/moat.json" run --bundle "$BUNDLE" "$ID" </dev/null
  local piece
  for piece in "$@"; do
    expect_match "$output" "$piece"
  done
  expect "${#lines[@]}" -le 2
  expect "$(moat list --quiet)" = ''
}

@test "a VMM that does not exist is named" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  only_vm "there is no VMM"
  echo '{"vm": {"hypervisor": "/nonexistent/vmm"}}' >"$BATS_TEST_TMPDIR/moat.json"
  expect_failure "start qemu: execute '/nonexistent/vmm': No such file or directory"
}

@test "a VMM that refuses to start is told in its own words" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<<'echo "vmm: no such machine" >&2; exit 3'
  expect_failure 'qemu ended with status 3' 'last console lines: vmm: no such machine'
}

@test "a VMM's end is told before that of who served it" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  [ -x /usr/lib/qemu/virtiofsd ] || [ -x /usr/libexec/virtiofsd ] || skip "no virtiofsd here (./dev setup)"
  use_vmm <<<'echo "vmm: no such machine" >&2; exit 3'
  MOAT_SHARE=virtiofs expect_failure 'qemu ended with status 3' 'vmm: no such machine'
}

@test "a VMM that is too old is told" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<<'echo "{\"QMP\": {\"version\": {\"qemu\": {\"minor\": 2, \"major\": 4}}}}" >&$watch; sleep 1000'
  expect_failure 'qemu 4.2 is too old: 5.0 or newer is needed' 'the console is empty'
}

@test "a VMM whose control channel carries garbage is told" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<<'printf "\001\002 hello\n" >&$watch; sleep 1000'
  expect_failure 'control channel: qmp:1:'
}

@test "a VMM that closes its control channel is told" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<<'eval "exec $watch>&-"; sleep 1000'
  expect_failure 'control channel: qemu closed the connection'
}

@test "a VMM that dies after its greeting is told" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  # Of a pid namespace's first process: a fault, where a signal of its own would do nothing.
  use_vmm <<<"echo '$GREETING' >&\$watch; sleep 0.3; exec perl -e 'unpack \"p\", pack \"J\", 1'"
  expect_failure 'qemu was killed by signal 11 (SEGV)'
}

@test "a guest that panics is told with its last words" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<EOF
echo '$GREETING' >&\$watch
{ echo '[ 0.1] BUG: what it began with'; seq 100; echo 'Kernel panic - not syncing'; } >&\$console
echo '{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-panic"}}' >&\$watch
sleep 0.2
EOF
  expect_failure "the guest's kernel panicked" \
    "the guest's kernel said: BUG: what it began with | Kernel panic - not syncing; last console lines: "
}

@test "a console full of noise is bounded in message and on disk" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<<'head -c 20M /dev/urandom >&$console; printf "\nthe end\n" >&$console; exit 1'
  expect_failure 'qemu ended with status 1' 'the end'
  expect "${#output}" -lt 2000
}

@test "a VMM that says nothing at all is given up" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  use_vmm <<<'sleep 1000'
  expect_failure 'does not answer on its control channel' 'the console is empty'
}

@test "a VMM killed under a running container ends it" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  only_vm "there is no VMM"
  detached_sleep
  kill -9 "$(pgrep -f "qemu-system.*-name $ID ")"
  wait_status stopped
  moat delete "$ID"
}

# --- disks ----------------------------------------------------------------------------------------

# The bundle's root file system as an image instead of a directory.
use_ext4() {
  only_vm "a root is a directory"
  command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4 here (e2fsprogs)"
  mkfs.ext4 -q -d "$BUNDLE/rootfs" "$BUNDLE/root.img" 32M
  config '.root.path = "root.img"'
}

@test "an image is the container's root, and keeps what is written" {
  use_ext4
  config '.root.readonly = false'
  script 'echo kept >/written; sync; grep " / " /proc/mounts'
  run -0 foreground
  expect_match "$output" '/dev/vda / ext4 rw'
  args cat /written
  run -0 foreground
  expect "$output" = kept
}

@test "an image that is only read is not changed" {
  use_ext4
  chmod 0400 "$BUNDLE/root.img"
  config '.root.readonly = true'
  local before
  before=$(sha256sum "$BUNDLE/root.img")
  script 'touch /x 2>/dev/null || echo refused'
  run -0 foreground
  expect "$output" = refused
  expect "$(sha256sum "$BUNDLE/root.img")" = "$before"
}

@test "an image that two virtual machines write to is refused to the second" {
  use_ext4
  config '.root.readonly = false'
  detached_sleep
  run -1 moat run --bundle "$BUNDLE" "$ID-2" </dev/null
  expect_match "$output" 'lock'
  moat delete --force "$ID"
}

@test "a file that is no image is refused" {
  only_vm "a root is a directory"
  echo hello >"$BUNDLE/root.img"
  config '.root.path = "root.img"'
  run -1 foreground
  expect_match "$output" 'none of these file systems'
}

# --- the vm section -------------------------------------------------------------------------------

@test "the vm section sizes the machine and adds to the kernel's command line" {
  not_with builtin cloud-hypervisor firecracker "QEMU's process, by ones that stand in for it"
  only_vm "there is no machine"
  config --arg k "$MOAT_GUEST/kernel" \
    '.vm = {kernel: {path: $k, parameters: ["moat.test=1"]}, hwConfig: {memory: 201326592}}'
  script 'cat /proc/cmdline; grep MemTotal /proc/meminfo'
  run -0 foreground
  expect_match "${lines[0]}" 'moat.test=1'
  read -r _ total _ <<<"${lines[1]}"
  expect "$total" -lt 200000
  expect "$total" -gt 100000
}
