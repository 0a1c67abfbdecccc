# SPDX-License-Identifier: Apache-2.0
# Containers of a user without rights: somebody who is nobody, with a copy of the programs and of the
# guest that may be searched, and a state root of the own.

load helpers

setup_file() {
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  install -d "$BATS_FILE_TMPDIR/programs"
  install -m 755 "$(readlink -f "$MOAT")" "$BATS_FILE_TMPDIR/programs/moat"
  if is_vm; then
    install -m 755 "$(dirname "$(readlink -f "$MOAT")")/moat-shim" "$BATS_FILE_TMPDIR/programs/moat-shim"
    cp -rL "${MOAT_GUEST:-$(dirname "$MOAT")/../guest}" "$BATS_FILE_TMPDIR/guest"
    chmod -R go+rX "$BATS_FILE_TMPDIR/guest"
  fi
}

nobody() {
  setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/ USER=nobody \
    MOAT_GUEST="$BATS_FILE_TMPDIR/guest" "$@" 3>&-
}

as_nobody() {
  nobody "$BATS_FILE_TMPDIR/programs/moat" --root "$BATS_TEST_TMPDIR/nobody" "$@"
}

# rootless_bundle [for-root]: what spec makes for a user, or for root. The first machine of a state
# root would say which accelerator it found.
rootless_bundle() {
  rm "$BUNDLE/config.json"
  chown -R 65534:65534 "$BUNDLE"
  open_way
  install -d -o 65534 -g 65534 -m 700 "$BATS_TEST_TMPDIR/nobody"
  if [ "${1-}" = for-root ]; then
    as_nobody spec --bundle "$BUNDLE"
  else
    as_nobody spec --rootless --bundle "$BUNDLE"
  fi
  config '.process.terminal = false | .root.readonly = false'
  chmod 644 "$BUNDLE/config.json"
  if is_vm; then
    install -d -o 65534 -g 65534 -m 700 "$BATS_TEST_TMPDIR/nobody/@cache"
    tr -d '\n' </proc/sys/kernel/random/boot_id >"$BATS_TEST_TMPDIR/nobody/@cache/kvm-denied"
  fi
}

run_nobodys() {
  as_nobody run --bundle "$BUNDLE" "$@" "$ID" </dev/null
}

create_nobodys() {
  as_nobody create --bundle "$BUNDLE" --pid-file "$BATS_TEST_TMPDIR/nobody/pid" "$@" "$ID" \
    </dev/null >"$OUT" 2>"$ERR"
}

# is_nobodys STATUS [ID]
is_nobodys() {
  [ "$(as_nobody state "${2-$ID}" | jq -r .status)" = "$1" ]
}

expect_nobody_has_nothing() {
  expect "$(find "$BATS_TEST_TMPDIR/nobody" -mindepth 1 -name "$ID*")" = ""
}

teardown() {
  if [ -z "$BATS_TEST_COMPLETED" ] && [ -d "$BATS_TEST_TMPDIR/nobody" ]; then
    as_nobody list -q | xargs -r -n 1 "$BATS_FILE_TMPDIR/programs/moat" --root "$BATS_TEST_TMPDIR/nobody" delete --force
  fi
  expect_nothing_left || {
    clean_up
    return 1
  }
}

@test "a user without rights runs a container" {
  rootless_bundle
  script 'id -u; tr -s " " </proc/self/uid_map; touch /made; stat -c %u:%g /made; exit 3'
  run -3 run_nobodys
  if is_vm; then
    expect "$output" = $'0\n 0 0 1\n0:0'
  else
    expect "$output" = $'0\n 0 65534 1\n0:0'
  fi
  ! shares_files || expect "$(stat -c %u:%g "$BUNDLE/rootfs/made")" = 65534:65534
  expect_nobody_has_nothing
}

@test "a user without rights has all commands" {
  rootless_bundle
  args sleep 1000
  create_nobodys
  is_nobodys created
  as_nobody start "$ID"
  run -0 as_nobody exec "$ID" sh -c 'id -u; touch /dev/shm/x; echo typed | cat'
  expect "$output" = $'0\ntyped'
  run ! as_nobody exec --user 5 "$ID" id
  expect_match "$output" "unmapped uid 5"
  run -0 as_nobody list -q
  expect "$output" = "$ID"
  run -0 as_nobody ps "$ID"
  expect_match "$output" "sleep 1000"
  as_nobody kill "$ID" KILL
  eventually 10 is_nobodys stopped
  as_nobody delete "$ID"
  expect_nobody_has_nothing
}

@test "a user without rights has a terminal" {
  rootless_bundle
  config '.process.terminal = true'
  script 'tty; echo typed >/dev/tty; exit 4'
  run -4 timeout 60 script -qec "setpriv --reuid 65534 --regid 65534 --clear-groups \
    env HOME=/ MOAT_GUEST='$BATS_FILE_TMPDIR/guest' '$BATS_FILE_TMPDIR/programs/moat' \
    --root '$BATS_TEST_TMPDIR/nobody' run --bundle '$BUNDLE' '$ID'" /dev/null
  expect_match "$output" /dev/pts/
  expect_match "$output" typed
}

@test "a user's volume has the files that the user sees" {
  only_shared "what is bound is a copy"
  rootless_bundle
  mkdir -m 700 "$BATS_TEST_TMPDIR/volume"
  echo outside >"$BATS_TEST_TMPDIR/volume/file"
  chown -R 65534:65534 "$BATS_TEST_TMPDIR/volume"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind
  script 'cat /mnt/file; echo inside >/mnt/new; stat -c %u /mnt/file'
  run -0 run_nobodys
  expect "$output" = $'outside\n0'
  expect "$(cat "$BATS_TEST_TMPDIR/volume/new")" = inside
  expect "$(stat -c %u:%g "$BATS_TEST_TMPDIR/volume/new")" = 65534:65534
}

@test "what the user may not see, a container of the user's may not either" {
  only_shared "what is bound is a copy"
  rootless_bundle
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo secret >"$BATS_TEST_TMPDIR/volume/file"
  chmod 600 "$BATS_TEST_TMPDIR/volume/file"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind
  config '.process.capabilities[] += ["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER"]'
  script 'cat /mnt/file 2>&1; touch /mnt/new 2>&1; chown 0 /mnt/file 2>&1; true'
  run -0 run_nobodys
  [[ "$output" != *secret* ]]
  expect "$(ls "$BATS_TEST_TMPDIR/volume")" = file
}

@test "a bundle for root is one for a machine of a user's, too" {
  only_vm "natively a user needs a user namespace, which that bundle does not have"
  rootless_bundle for-root
  script 'id -u; tr -s " " </proc/self/uid_map; touch /made; exit 5'
  run -5 run_nobodys
  expect "$output" = $'0\n 0 0 4294967295'
  ! shares_files || expect "$(stat -c %u:%g "$BUNDLE/rootfs/made")" = 65534:65534
}

@test "a user's machine and all that serves it have no right on the host" {
  only_vm "there is no machine"
  rootless_bundle
  args sleep 1000
  create_nobodys
  shim=$(as_nobody state "$ID" | jq .pid)
  expect "$(readlink "/proc/$shim/ns/user")" != "$(readlink /proc/self/ns/user)"
  for pid in "$shim" $(cat "/proc/$shim/task/$shim/children"); do
    expect "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" = "65534 65534 65534 65534"
    expect "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" = 1
  done
  expect "$(awk '/^CapEff:/ { print $2 }' "/proc/$shim/status")" = 0000000000000000
  as_nobody delete --force "$ID"
  expect_nobody_has_nothing
}

@test "a user's pod is one machine" {
  only_vm "there is no machine"
  rootless_bundle
  config --arg id "$ID" '.annotations = {"io.kubernetes.cri-o.SandboxID": $id}'
  args sleep 1000
  create_nobodys
  as_nobody start "$ID"
  mkdir -m 700 "$BATS_TEST_TMPDIR/volume"
  echo volume >"$BATS_TEST_TMPDIR/volume/file"
  chown -R 65534:65534 "$BATS_TEST_TMPDIR/volume"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind ro
  script 'cat /proc/sys/kernel/random/boot_id /mnt/file'
  run -0 as_nobody run --bundle "$BUNDLE" "$ID-member" </dev/null
  expect "$output" = "$(as_nobody exec "$ID" cat /proc/sys/kernel/random/boot_id)"$'\nvolume'
  args sleep 1000
  as_nobody create --bundle "$BUNDLE" "$ID-killed" </dev/null >"$OUT" 2>"$ERR"
  as_nobody delete --force "$ID-killed"
  as_nobody delete --force "$ID"
  expect_nobody_has_nothing
}

@test "a user's machine serves its files by virtiofs, too" {
  not_with firecracker "it shares no files"
  only_vm "there is no machine"
  [ -x /usr/lib/qemu/virtiofsd ] || [ -x /usr/libexec/virtiofsd ] || skip "there is no virtiofsd"
  rootless_bundle
  script 'grep " / " /proc/self/mounts | cut -d " " -f 3; touch /made'
  MOAT_SHARE=virtiofs run -0 run_nobodys
  expect "$output" = virtiofs
  expect "$(stat -c %u:%g "$BUNDLE/rootfs/made")" = 65534:65534
}

@test "root of a user namespace, as in podman unshare, runs a container" {
  rootless_bundle
  script 'id -u; tr -s " " </proc/self/uid_map; exit 3'
  config '.linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}]
    | .linux.gidMappings = .linux.uidMappings'
  run -3 nobody unshare --user --map-root-user "$BATS_FILE_TMPDIR/programs/moat" \
    --root "$BATS_TEST_TMPDIR/nobody" run --bundle "$BUNDLE" "$ID" </dev/null
  expect "$output" = $'0\n 0 0 1'
}

@test "additional groups are refused where they cannot be set" {
  only_native "the guest's kernel has all groups"
  rootless_bundle
  config '.process.user.additionalGids = [0]'
  args id
  run -1 run_nobodys
  expect_match "$output" "cannot set any additional groups in a rootless container"
}

@test "a user's container without a cgroup of its own may look at the host's" {
  only_native "the guest's cgroups are the container's own"
  rootless_bundle
  config '.linux.namespaces |= map(select(.type != "cgroup"))'
  script 'grep -c "/sys/fs/cgroup" /proc/self/mounts && for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do
    ! mkdir "$dir/made" 2>/dev/null || echo "made in $dir"; done'
  run -0 run_nobodys
  [[ "$output" != *made* ]]
}

# --- cgroups that a user was given ----------------------------------------------------------------

# delegated none|own|parent SCRIPT: in a cgroup of which nobody was given so much, on a host with
# cgroup v2 alone, which a mount namespace has.
delegated() {
  unshare --mount --propagation private bash -c '
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    parent=/sys/fs/cgroup/moat-$ID/user own=/sys/fs/cgroup/moat-$ID/user/own given=()
    mkdir -p "$own"
    for dir in /sys/fs/cgroup "${parent%/*}" "$parent"; do
      echo +pids >"$dir/cgroup.subtree_control"
    done 2>/dev/null
    [ "$1" = none ] || given+=("$own" "$own/cgroup.procs" "$own/cgroup.subtree_control")
    [ "$1" != parent ] || given+=("$parent" "$parent/cgroup.procs" "$parent/cgroup.subtree_control")
    ((!${#given[@]})) || chown 65534 "${given[@]}"
    echo $$ >"$own/cgroup.procs"
    (eval "$2")
    status=$?
    echo $$ >/sys/fs/cgroup/cgroup.procs
    # A VMM ends a little after its shim.
    eventually 10 rmdir "$own" 2>/dev/null && rmdir "$parent" "${parent%/*}" || status=1
    exit $status' delegated "$@"
}

# The cgroup that a container is in, below the test's own.
cgroup_of() {
  sed -n "s,^0::/moat-$ID,,p" "/proc/$(as_nobody state "$ID" | jq .pid)/cgroup"
}

pause_and_resume() {
  as_nobody pause "$ID" && is_nobodys paused && as_nobody resume "$ID"
}

export_functions() {
  export ROOT ID BUNDLE PID_FILE OUT ERR
  export -f eventually as_nobody nobody create_nobodys cgroup_of pause_and_resume is_nobodys expect
}

# bats test_tags=kvm-host
@test "a user's container is beside the cgroup that it was made in, where that was delegated" {
  rootless_bundle
  args sleep 1000
  export_functions
  run -0 delegated parent 'create_nobodys && as_nobody start "$ID" && cgroup_of && pause_and_resume &&
    as_nobody exec "$ID" true && as_nobody delete --force "$ID"'
  expect "$output" = "/user/$ID"
  expect_nobody_has_nothing
}

@test "a user's container is below the cgroup that it was made in, where no more was delegated" {
  rootless_bundle
  args sleep 1000
  export_functions
  run -0 delegated own 'create_nobodys && cgroup_of && as_nobody delete --force "$ID"'
  expect "$output" = "/user/own/$ID"
}

@test "where nothing was delegated, a user's container stays in the cgroup that it was made in" {
  rootless_bundle
  args sleep 1000
  export_functions
  run -0 delegated none 'create_nobodys && as_nobody start "$ID" && cgroup_of &&
    as_nobody exec "$ID" true && as_nobody delete --force "$ID"'
  expect "$output" = /user/own
  expect_nobody_has_nothing
}

# bats test_tags=kvm-host
@test "a user's container has the limits of a delegated cgroup" {
  only_native "the guest has limits of its own"
  rootless_bundle
  script 'cat /sys/fs/cgroup/pids.max'
  config '.linux.resources.pids.limit = 77'
  export_functions
  run delegated parent 'grep -qw pids /sys/fs/cgroup/cgroup.controllers || exit 77
    as_nobody run --bundle "$BUNDLE" "$ID" </dev/null'
  [ "$status" != 77 ] || skip "this host has its pids controller on cgroup v1"
  expect "$status $output" = "0 77"
}

@test "a limit where nothing was delegated is refused, and what would help is said" {
  only_native "the guest has limits of its own"
  rootless_bundle
  args true
  config '.linux.resources.pids.limit = 77'
  export_functions
  run -1 delegated none 'as_nobody run --bundle "$BUNDLE" "$ID" </dev/null'
  expect_match "$output" "cgroup: no rights to make"
  expect_match "$output" "hint: "
}

# --- ids of /etc/subuid ---------------------------------------------------------------------------

# subordinate_ids [LINE]: /etc/subuid and /etc/subgid as this test wants them.
subordinate_ids() {
  command -v newuidmap >/dev/null || skip "there is no newuidmap: the package uidmap"
  # No '\n' without a line: nobody has any.
  printf '%s' "${1:+$1$'\n'}" >"$BATS_TEST_TMPDIR/ids"
  mount --bind "$BATS_TEST_TMPDIR/ids" /etc/subuid
  mount --bind "$BATS_TEST_TMPDIR/ids" /etc/subgid
}

give_back_ids() {
  umount /etc/subuid /etc/subgid
}

map_range() {
  config '.linux.uidMappings = [{containerID: 0, hostID: 65534, size: 1},
      {containerID: 1, hostID: 200000, size: 1000}]
    | .linux.gidMappings = .linux.uidMappings
    | .process.user = {uid: 7, gid: 8, additionalGids: [9]}'
}

@test "ids that a user was given are mapped by newuidmap" {
  rootless_bundle
  subordinate_ids nobody:200000:65536
  map_range
  install -d -m 777 "$BUNDLE/rootfs/open"
  script 'id -u; id -g; id -G; tr -s " " </proc/self/uid_map; touch /open/made'
  run run_nobodys
  give_back_ids
  if is_vm; then
    expect "$status $output" = $'0 7\n8\n8 9\n 0 0 1\n 1 1 1000'
  else
    expect "$status $output" = $'0 7\n8\n8 9\n 0 65534 1\n 1 200000 1000'
  fi
  ! shares_files || expect "$(stat -c %u:%g "$BUNDLE/rootfs/open/made")" = 200006:200007
}

@test "a machine's root may give files to the ids that its user was given" {
  only_shared "a disk's files have any owner"
  only_vm "there is no machine"
  rootless_bundle for-root
  subordinate_ids nobody:200000:1000
  config '.process.capabilities[] += ["CAP_CHOWN"]'
  script 'touch /made && chown 33:44 /made && ! chown 5000 /made 2>/dev/null'
  run run_nobodys
  give_back_ids
  expect "$status $output" = "0 "
  expect "$(stat -c %u:%g "$BUNDLE/rootfs/made")" = 200032:200043
}

@test "ids that a user was not given are refused" {
  rootless_bundle
  subordinate_ids
  map_range
  args true
  run run_nobodys
  give_back_ids
  expect "$status" = 1
  if is_vm; then
    expect_match "$output" "linux.uidMappings: host id 200000 was not given to this user"
    expect_match "$output" "hint: "
  else
    expect_match "$output" "newgidmap"
    expect_match "$output" "not allowed"
  fi
  expect_nobody_has_nothing
}

# --- what a user's session lacks ------------------------------------------------------------------

@test "state has its usual place where the session does not tell it" {
  rootless_bundle
  script 'echo ran'
  install -d /run/user
  mount -t tmpfs tmpfs /run/user
  install -d -o 65534 -g 65534 -m 700 /run/user/65534
  run nobody env -u XDG_RUNTIME_DIR "$BATS_FILE_TMPDIR/programs/moat" run --keep --bundle "$BUNDLE" "$ID" </dev/null
  kept=$(cd /run/user/65534/moat && echo [!@]*)
  nobody env -u XDG_RUNTIME_DIR "$BATS_FILE_TMPDIR/programs/moat" delete "$ID"
  umount /run/user
  expect "$status" = 0
  expect_match "$output" ran
  expect "$kept" = "$ID"
}

@test "a session's directory that is another user's is no place, and the cure is said" {
  run -1 nobody env -u XDG_RUNTIME_DIR "$BATS_FILE_TMPDIR/programs/moat" list
  expect_match "$output" "no place for state"
  expect_match "$output" "--root"
}

@test "a machine whose user may not use KVM says so once" {
  only_vm "there is no machine"
  [ -e /dev/kvm ] || skip "there is no /dev/kvm"
  nobody test ! -w /dev/kvm || skip "everybody may use /dev/kvm here"
  rootless_bundle
  rm -r "$BATS_TEST_TMPDIR/nobody/@cache"
  args true
  run -0 run_nobodys
  expect_match "$output" "open /dev/kvm: Permission denied; is this user in the group kvm?"
  run -0 run_nobodys
  expect "$output" = ""
}
