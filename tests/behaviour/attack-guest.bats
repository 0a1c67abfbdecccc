# SPDX-License-Identifier: Apache-2.0
# Who is root in a guest, against the host and against the agent; and what whoever breaks out of the
# virtual machine monitor has in his hands (docs/threat-model.md).

load helpers

obstacle() {
  is_vm || echo "natively there is no guest"
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

setup_outside() {
  OUTSIDE=$BATS_TEST_TMPDIR/outside
  WAY_OUT=../../../../../../../../../../..$OUTSIDE
  mkdir "$OUTSIDE"
  echo untouched >"$OUTSIDE/file"
}

expect_untouched() {
  expect "$(ls -A "$OUTSIDE")" = file
  expect "$(cat "$OUTSIDE/file")" = untouched
}

# Root of the guest, as far as a container can be.
all_rights() {
  config '.process.capabilities |= with_entries(select(.key != "ambient" and .key != "inheritable")
      | .value += ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_DAC_READ_SEARCH", "CAP_SYS_RAWIO", "CAP_NET_ADMIN"])
    | .process.noNewPrivileges = false | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | del(.linux.seccomp)'
}

# status_of_process PID NAME: a line of proc_pid_status(5).
status_of_process() {
  awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"
}

@test "the virtual machine monitor has files to serve, and nothing else of the host" {
  not_with builtin cloud-hypervisor firecracker "its own jail is looked into on the test host"
  local shim vmm namespace
  detached_sleep
  shim=$(cat "$PID_FILE")
  vmm=$(vmm)
  expect "$(status_of_process "$vmm" NoNewPrivs)" = 1
  expect "$(status_of_process "$vmm" Seccomp)" = 2
  # CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, MKNOD, SETFCAP: confine.c.
  for set in CapPrm CapEff CapBnd; do
    expect "$(status_of_process "$vmm" $set)" = 000000008800001f
  done
  for set in CapInh CapAmb; do
    expect "$(status_of_process "$vmm" $set)" = 0000000000000000
  done
  for namespace in mnt net ipc uts; do
    expect "$(readlink "/proc/$vmm/ns/$namespace")" != "$(readlink "/proc/self/ns/$namespace")"
  done
  # Not even the container's: what its packets need are descriptors.
  expect "$(readlink "/proc/$vmm/ns/net")" != "$(readlink "/proc/$shim/ns/net")"
  expect "$(awk -F: 'NR > 2 { print $1 }' "/proc/$vmm/net/dev" | xargs)" = lo
  expect "$(awk 'NR > 1' "/proc/$vmm/net/unix")" = ""
  expect "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$vmm/limits")" = "0 0"
  moat delete --force "$ID"
}

# What whoever takes it over can name: no file, socket or setting of the host's, and no process.
@test "the virtual machine monitor sees programs and its container's files, and no process" {
  not_with builtin cloud-hypervisor firecracker "its own jail is looked into on the test host"
  local vmm root name kernel
  setup_outside
  detached_sleep
  vmm=$(vmm)
  root=/proc/$vmm/root
  for name in "$OUTSIDE" "$ROOT/$ID/state.json" /etc/passwd /proc/sys /proc/1 /proc/self/root /sys/kernel /dev/mem /root; do
    [ ! -e "$root$name" ] || { echo "it sees $name" && return 1; }
  done
  kernel=$(tr '\0' '\n' <"/proc/$vmm/cmdline" | grep -A 1 -x -e -kernel | tail -n 1)
  for name in /usr /bin/sh "$kernel"; do
    [ -e "$root$name" ] || { echo "it does not see $name" && return 1; }
  done
  run ! touch "$root/usr/$ID" "$root/$ID" "$root$kernel"
  expect "$(grep -c 'Read-only file system' <<<"$output")" = 3
  expect "$(awk '$1 == "NSpid:" { print $NF }' "/proc/$vmm/status")" = 1
  moat delete --force "$ID"
}

@test "without a jail the virtual machine monitor sees the host's files" {
  not_with builtin cloud-hypervisor firecracker "its own jail is looked into on the test host"
  local vmm
  setup_outside
  moat_json '{"vm": {"jail": false, "template": "off"}}'
  detached_sleep
  vmm=$(vmm)
  expect "$(cat "/proc/$vmm/root$OUTSIDE/file")" = untouched
  moat delete --force "$ID"
}

@test "a virtual machine monitor that serves no files has no rights, and a user of its own" {
  not_with builtin cloud-hypervisor firecracker "its own jail is looked into on the test host"
  local shim vmm set
  export MOAT_SHARE=none
  detached_sleep
  shim=$(cat "$PID_FILE")
  vmm=$(vmm)
  for set in Uid Gid; do
    expect "$(status_of_process "$vmm" $set)" = $((0x70000000 + shim))
  done
  expect "$(awk '$1 == "Groups:" { print NF }' "/proc/$vmm/status")" = 1
  expect "$(xargs <"/proc/$vmm/uid_map")" = "$((0x70000000 + shim)) $((0x70000000 + shim)) 1"
  for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    expect "$(status_of_process "$vmm" $set)" = 0000000000000000
  done
  # Its end is the machine's all the same, although it has no right over another user.
  kill -KILL "$shim"
  eventually 10 [ ! -e "/proc/$vmm" ]
  moat delete --force "$ID"
}

@test "a shim has no rights once its container is there" {
  local shim
  detached_sleep
  shim=$(cat "$PID_FILE")
  for set in CapInh CapPrm CapEff CapAmb; do
    expect "$(status_of_process "$shim" $set)" = 0000000000000000
  done
  expect "$(status_of_process "$shim" NoNewPrivs)" = 1
  # Its root is no way to the host's files.
  run ! ls "/proc/$shim/root$BATS_TEST_TMPDIR"
  moat delete --force "$ID"
}

@test "links that a guest makes in the shared directory lead it nowhere" {
  only_shared "there is no share"
  setup_outside
  mkdir "$BATS_TEST_TMPDIR/volume"
  mount_at /volume none "$BATS_TEST_TMPDIR/volume" bind
  all_rights
  script "for at in / /volume; do cd \$at
      ln -s $WAY_OUT out; ln -s $OUTSIDE/file far; ln -s /proc/1/root/$WAY_OUT proc
      cat out/file far proc/file ../../../../..$OUTSIDE/file; echo written >far; echo written >out/file; touch out/made
      mkdir out/dir; ln out/file hard; mknod out/node c 1 3; rename out/file moved
    done 2>/dev/null; echo tried"
  run -0 foreground
  expect "$output" = tried
  expect_untouched
  # They are links on the host too, and nothing that somebody followed.
  expect "$(readlink "$BATS_TEST_TMPDIR/volume/out")" = "$WAY_OUT"
}

@test "a device node that a guest makes opens nothing" {
  all_rights
  # A disk's number, and one that is allowed, so that it is not the making that fails.
  script 'mknod /dev/disk b 8 0; mknod /dev/none c 1 3; head -c 1 /dev/disk 2>&1; echo x >/dev/none && echo allowed'
  run foreground
  expect_match "$output" "not permitted"
  expect_match "$output" allowed
}

@test "a container does not reach the agent's channel" {
  local cid
  needs_compiler
  compile vsock-dial
  cp "$BATS_FILE_TMPDIR/vsock-dial" "$BUNDLE/rootfs/dial"
  all_rights
  args sleep 1000
  moat create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&-
  run -0 moat exec "$ID" sh -c 'for dev in /sys/class/virtio-ports/*/dev; do
      IFS=: read major minor <$dev || continue
      rm -f /dev/node; mknod /dev/node c $major $minor && echo made
      (exec 9<>/dev/node) && echo "opened ${dev%/dev}"
    done 2>/dev/null; echo tried' </dev/null
  expect_match "$output" tried
  [[ "$output" != *opened* ]]
  cid=$(jq -r '.agentAddress | capture("^vsock://(?<cid>[0-9]+)").cid' "$ROOT/$ID/state.json")
  [ -n "$cid" ] || [ "$(driver)" != qemu ] || expect_match "$output" made
  # By the loopback address and by the machine's own: what the agent serves, logs and shell too.
  run -0 moat exec "$ID" /dial 1 "${cid:-3}" </dev/null
  expect_match "$output" dialled
  [[ "$output" != *answers* ]]
  moat delete --force "$ID"
}

@test "a guest that mounts its share anew has no other files, and no more rights to volumes" {
  only_shared "there is no share"
  setup_outside
  mount_at /volume none "$OUTSIDE" bind ro
  mkdir "$BUNDLE/rootfs/again"
  all_rights
  # The whole share once more, from above the container's root; and what is read-only, made writable.
  script 'exec 2>/dev/null
    tag=$(awk "\$2 == \"/\" { print \$1 }" /proc/mounts)
    for options in version=9p2000.L version=9p2000.L,aname=/ version=9p2000.L,aname=../../../../..; do
      mount -t 9p -o trans=virtio,$options $tag /again && find /again -maxdepth 6 && umount /again
    done
    mount -t virtiofs $tag /again && find /again -maxdepth 6
    mount -o remount,rw /volume && echo remounted
    mount -o remount,bind,rw /volume && echo remounted
    mount --bind /volume /again && mount -o remount,bind,rw /again
    for at in /volume /again; do
      echo written >$at/file && echo wrote; touch $at/made && echo made; rm -f $at/file && echo removed; mknod $at/disk b 8 0
    done
    cat /volume/file'
  run -0 foreground
  expect_match "$output" remounted # to the guest's kernel they can be written now
  expect "${lines[-1]}" = untouched
  # Of the share there is no more than this container.
  output=$(grep -v "^/again/$ID/rootfs" <<<"$output")
  [[ "$output" != *wrote* && "$output" != *made* && "$output" != *removed* && "$output" != *passwd* ]]
  expect_untouched
}
