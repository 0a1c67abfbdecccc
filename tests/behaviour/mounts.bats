# SPDX-License-Identifier: Apache-2.0
# What the options of a mount mean (config.md#mounts), and where its source may come from.

load helpers

# mountinfo PATH: the container prints flags and propagation of what is mounted there.
mountinfo() {
  printf 'sed -n "s#^[^ ]* [^ ]* [^ ]* [^ ]* %s \\(.*\\) - .*#%s: \\1#p" /proc/self/mountinfo\n' "$1" "$1"
}

# A directory of the host's with a mount in it: $VOLUME and $VOLUME/sub.
nested_volume() {
  VOLUME=$BATS_TEST_TMPDIR/volume
  mkdir -p "$VOLUME"
  mount -t tmpfs volume "$VOLUME"
  mkdir "$VOLUME/sub"
  mount -t tmpfs sub "$VOLUME/sub"
}

drop_volume() {
  umount -R "$VOLUME"
}

# needs_mapped_mounts DIRECTORY: its file system's mounts can be mapped (mount_setattr(2)): not an overlay's,
# and a tmpfs's from Linux 6.3 on.
needs_mapped_mounts() {
  local kind
  kind=$(stat --file-system --format %T "$1")
  [ "$kind" != overlayfs ] || skip "mounts of an overlay cannot be mapped"
  [ "$kind" != tmpfs ] || is_kernel 6.3 || skip "mounts of a tmpfs cannot be mapped before Linux 6.3"
}

# user_namespace: the container's root is 100000 on the host.
user_namespace() {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BUNDLE"
  chown 100000:100000 "$BUNDLE/rootfs"
}

# mapping UID-IN-FILES UID-ON-HOST: members of the last mount.
mapping() {
  config --argjson c "$1" --argjson h "$2" '[{containerID: $c, hostID: $h, size: 1}] as $m
    | .mounts[-1].uidMappings = $m | .mounts[-1].gidMappings = $m'
}

@test "words about times and links become the mount's flags" {
  mount_at /a tmpfs tmpfs noatime nodiratime
  mount_at /b tmpfs tmpfs noatime strictatime
  mount_at /c tmpfs tmpfs relatime nosymfollow
  script "$(mountinfo /a; mountinfo /b; mountinfo /c); ln -s /bin/true /c/link; /c/link || echo not followed"
  run -0 foreground
  expect_match "$output" "/a: rw,noatime,nodiratime"
  [[ "${lines[1]}" == "/b: rw" || "${lines[1]}" == "/b: rw "* ]] # strict is what is not shown
  expect_match "$output" "/c: rw,relatime,nosymfollow"
  expect_match "$output" "not followed"
}

@test "a flag of the file system is not one of the mount" {
  mount_at /a tmpfs tmpfs sync dirsync silent loud nomand norelatime defaults
  script "grep ' /a ' /proc/self/mountinfo"
  run -0 foreground
  expect_match "$output" "tmpfs rw,sync,dirsync"
}

@test "the last of two words counts" {
  mount_at /a tmpfs tmpfs ro rw noexec exec suid nosuid
  script "$(mountinfo /a)"
  run -0 foreground
  expect_match "$output" "/a: rw,nosuid"
  [[ "$output" != *noexec* ]]
}

@test "words with an r reach the mounts below, those without do not" {
  only_native "a shared directory is one mount in the guest"
  nested_volume
  mount_at /plain none "$VOLUME" rbind ro nosuid
  mount_at /deep none "$VOLUME" rbind rro rnosuid rnodev rnoexec rnoatime
  mount_at /undone none "$VOLUME" rbind rro rrw rnoexec rexec
  script "touch /plain/x; touch /plain/sub/x && echo sub; touch /deep/sub/x; touch /undone/sub/x && echo undone
    $(mountinfo /deep; mountinfo /deep/sub)"
  run -0 foreground
  drop_volume
  expect_match "$output" "/plain/x: Read-only"
  expect_match "$output" "sub"
  expect_match "$output" "/deep/sub/x: Read-only"
  expect_match "$output" "undone"
  expect_match "$output" "/deep: ro,nosuid,nodev,noexec,noatime"
  expect_match "$output" "/deep/sub: ro,nosuid,nodev,noexec,noatime"
}

@test "bind shows one mount, rbind all of a tree" {
  only_native "a shared directory is one mount in the guest"
  nested_volume
  touch "$VOLUME/sub/file"
  mount_at /one none "$VOLUME" bind
  mount_at /all none "$VOLUME" rbind
  script 'ls /one/sub /all/sub'
  run -0 foreground
  drop_volume
  expect "$(echo "$output" | xargs)" = "/all/sub: file /one/sub:"
}

@test "propagation is as the words say" {
  only_native "the host's mounts do not reach a guest"
  nested_volume
  mount --make-rshared "$VOLUME"
  config '.linux.rootfsPropagation = "rslave"'
  mount_at /slave none "$VOLUME" rbind rslave
  mount_at /private none "$VOLUME" rbind rprivate
  mount_at /unbindable none "$VOLUME" bind unbindable
  mount_at /mixed none "$VOLUME" rbind rprivate shared
  script "$(mountinfo /slave; mountinfo /slave/sub; mountinfo /private; mountinfo /unbindable
    mountinfo /mixed; mountinfo /mixed/sub); echo up
    until [ -e /slave/late/file ]; do sleep 0.05; done; ls /private/late; echo end"
  detached
  eventually 10 file_contains "$OUT" up
  mkdir "$VOLUME/late"
  mount -t tmpfs late "$VOLUME/late"
  touch "$VOLUME/late/file"
  eventually 10 file_contains "$OUT" end
  run cat "$OUT"
  wait_status stopped
  moat delete "$ID"
  drop_volume
  expect_match "$output" "/slave: rw,relatime master:"
  expect_match "$output" "/slave/sub: rw,relatime master:"
  expect_match "$output" "/unbindable: rw,relatime unbindable"
  expect_match "$output" "/mixed: rw,relatime shared:"
  [[ "$output" == *"/private: rw,relatime"$'\n'* && "$output" == *"/mixed/sub: rw,relatime"$'\n'* ]]
  expect "$(tail -n 1 <<<"$output")" = end
}

@test "tmpcopyup starts a tmpfs with what it covers" {
  local dir=$BUNDLE/rootfs/seed
  mkdir -p "$dir/sub/deep"
  chmod 1750 "$dir"
  chmod 755 "$dir/sub"
  chown 12:34 "$dir/sub"
  echo text >"$dir/file"
  chmod 4755 "$dir/file"
  ln "$dir/file" "$dir/sub/second"
  ln -s ../../etc/passwd "$dir/link"
  mkfifo "$dir/sub/pipe"
  truncate -s 8M "$dir/sparse"
  echo end >>"$dir/sparse"
  touch -d @1000000000 "$dir/sub/deep/old"
  touch -h -d @1000000000 "$dir/sub/deep"
  mount_at /seed tmpfs tmpfs tmpcopyup size=1m nosuid
  script 'stat -c "%n %a %u %g" /seed /seed/sub; stat -c "%a %h" /seed/file; cat /seed/sub/second
    readlink /seed/link; [ -p /seed/sub/pipe ] && echo pipe; tail -c 4 /seed/sparse
    stat -c "%n %Y" /seed/sub/deep /seed/sub/deep/old; echo changed >/seed/file; rm /seed/link'
  run -0 foreground
  expect "$output" = "/seed 1750 0 0
/seed/sub 755 12 34
4755 2
text
../../etc/passwd
pipe
end
/seed/sub/deep 1000000000
/seed/sub/deep/old 1000000000"
  # The image's own stay as they are.
  expect "$(cat "$dir/file")" = text
  [ -L "$dir/link" ]
}

@test "tmpcopyup keeps extended attributes and device nodes" {
  only_native "shared files have no such attributes"
  local dir=$BUNDLE/rootfs/seed
  mkdir "$dir"
  cp /bin/busybox "$dir/program"
  setcap cap_net_raw=ep "$dir/program"
  mknod "$dir/null" c 1 3
  mount_at /seed tmpfs tmpfs tmpcopyup
  script 'echo up; sleep 1000'
  detached
  eventually 10 file_contains "$OUT" up
  run getcap "/proc/$(cat "$PID_FILE")/root/seed/program"
  expect_match "$output" cap_net_raw
  expect "$(stat -c %t,%T "/proc/$(cat "$PID_FILE")/root/seed/null")" = 1,3
  moat delete --force "$ID"
}

@test "tmpcopyup of more than the tmpfs may hold is refused" {
  mkdir "$BUNDLE/rootfs/seed"
  head -c 2000000 /dev/urandom >"$BUNDLE/rootfs/seed/large"
  mount_at /seed tmpfs tmpfs tmpcopyup size=1m
  args true
  run ! foreground
  expect_match "$output" "tmpcopyup of '/seed'"
  expect_match "$output" "No space left on device"
}

@test "tmpcopyup does not follow what an image has put there" {
  mkdir "$BATS_TEST_TMPDIR/host" "$BUNDLE/rootfs/seed"
  echo secret >"$BATS_TEST_TMPDIR/host/secret"
  ln -s "$BATS_TEST_TMPDIR/host" "$BUNDLE/rootfs/seed/dir"
  ln -s "$BATS_TEST_TMPDIR/host/secret" "$BUNDLE/rootfs/seed/file"
  ln -s "../../../../../../../../..$BATS_TEST_TMPDIR/host" "$BUNDLE/rootfs/other"
  mount_at /seed tmpfs tmpfs tmpcopyup
  mount_at /other tmpfs tmpfs tmpcopyup
  script 'for f in /seed/dir /seed/file; do [ -L $f ] && echo link; done; cat /seed/file /seed/dir/secret /other/secret'
  run ! foreground
  expect "$(grep -c link <<<"$output")" = 2
  [[ "$output" != *secret$'\n'* && "$output" != *secret ]]
}

@test "tmpcopyup is refused for anything else" {
  mount_at /data none /etc bind ro tmpcopyup
  args true
  run ! foreground
  expect_match "$output" "tmpcopyup"
}

@test "a link to nowhere as destination is made to lead somewhere, in the container" {
  # As images of systemd's have it.
  echo "nameserver 192.0.2.1" >"$BATS_TEST_TMPDIR/resolv.conf"
  ln -s ../run/systemd/resolve/stub.conf "$BUNDLE/rootfs/etc/resolv.conf"
  ln -s /not/there "$BUNDLE/rootfs/data"
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo inside >"$BATS_TEST_TMPDIR/volume/file"
  mount_at /etc/resolv.conf none "$BATS_TEST_TMPDIR/resolv.conf" bind ro
  mount_at /data/sub none "$BATS_TEST_TMPDIR/volume" bind ro
  script 'cat /etc/resolv.conf /run/systemd/resolve/stub.conf /not/there/sub/file'
  run -0 foreground
  expect "$(grep -c 192.0.2.1 <<<"$output")" = 2
  expect_match "$output" inside
  [ ! -e /not/there ]
}

@test "a link as destination is followed inside the root" {
  mkdir "$BUNDLE/rootfs/real" "$BATS_TEST_TMPDIR/volume"
  ln -s /real "$BUNDLE/rootfs/link"
  echo inside >"$BATS_TEST_TMPDIR/volume/file"
  mount_at /link none "$BATS_TEST_TMPDIR/volume" bind ro
  args cat /real/file
  run -0 foreground
  expect "$output" = inside
}

@test "crun's words: a link as source is bound or copied, one as destination covered" {
  only_native "the host resolves what is shared with a guest"
  echo other >"$BATS_TEST_TMPDIR/file"
  ln -s /etc/passwd "$BATS_TEST_TMPDIR/link"
  ln -s /bin/busybox "$BUNDLE/rootfs/there"
  mount_at /bound none "$BATS_TEST_TMPDIR/link" bind src-nofollow
  mount_at /copied none "$BATS_TEST_TMPDIR/link" bind copy-symlink
  mount_at /plain none "$BATS_TEST_TMPDIR/file" bind copy-symlink
  mount_at /there none "$BATS_TEST_TMPDIR/link" bind src-nofollow dest-nofollow
  script 'readlink /copied; cat /plain; grep -c " /bound " /proc/self/mountinfo; readlink /there'
  run -0 foreground
  expect "$output" = "/etc/passwd
other
1
/etc/passwd"
}

@test "a directory is not bound on a file, nor a file on a directory" {
  mkdir "$BATS_TEST_TMPDIR/volume"
  touch "$BATS_TEST_TMPDIR/file" "$BUNDLE/rootfs/file"
  mount_at /file none "$BATS_TEST_TMPDIR/volume" bind ro
  args true
  run ! foreground
  expect_match "$output" "'/file' is not a directory"
  config '.mounts[-1].source = $s | .mounts[-1].destination = "/etc"' --arg s "$BATS_TEST_TMPDIR/file"
  run ! foreground
  expect_match "$output" "/etc"
}

@test "a file on the way to a mount point is named" {
  mount_at /etc/passwd/dir tmpfs tmpfs
  args true
  run ! foreground
  expect_match "$output" "/etc/passwd/dir"
}

@test "nothing is mounted on the root itself" {
  for at in / /etc/..; do
    mount_at $at tmpfs tmpfs
    args true
    run ! foreground
    expect_match "$output" "on the top of rootfs"
    config 'del(.mounts[-1])'
  done
}

@test "a source of 64 KiB is refused, not cut off (CVE-2021-43784)" {
  config '.mounts += [{destination: "/data", source: ("/" + ("x" * 65536)), options: ["bind"]}]'
  args true
  run ! foreground
  expect_match "$output" "name too long"
}

@test "an earlier mount can be the source of a later one" {
  only_native "a guest has no path of the host's"
  mount_at /first tmpfs tmpfs mode=711
  mount_at /second none "$BUNDLE/rootfs/first" bind
  script 'touch /first/file; ls /second; stat -c %a /second'
  run -0 foreground
  expect "$output" = "file
711"
}

@test "remount gives other flags to what is there" {
  mount_at /a tmpfs tmpfs size=1m
  mount_at /a none none remount bind ro noexec
  script "$(mountinfo /a)"
  run -0 foreground
  expect_match "$output" "/a: ro,noexec"
}

@test "options of a file system are ignored with a warning where something is bound" {
  mkdir "$BATS_TEST_TMPDIR/data"
  mount_at /data none "$BATS_TEST_TMPDIR/data" bind ro mode=755
  args ls -d /data
  run -0 foreground
  expect_match "$output" /data
  # The guest's engine has no caller to warn.
  [ "$MOAT_ISOLATION" = vm ] || expect_match "$output" "mounts[7].options: 'mode=755': ignored"
}

@test "an option that a file system does not know is told in its own words" {
  mount_at /data tmpfs tmpfs nonsense=1
  args true
  run ! foreground
  expect_match "$output" "nonsense"
}

@test "overlays are mounted, with options of any length" {
  only_native "directories of the host are not an overlay's in a guest"
  local lower="" i dir
  for i in 1 2 3 4 5 6 7 8; do
    dir=$BATS_TEST_TMPDIR/lower-with-a-long-name-$i
    mkdir "$dir"
    touch "$dir/file-$i"
    lower=$lower:$dir
  done
  mount_at /data overlay overlay "lowerdir=${lower#:}"
  script 'ls /data | wc -l'
  run -0 foreground
  expect "$output" = 8
}

@test "a block device is mounted that the container may not use" {
  only_native "the guest has no device of the host's"
  local device
  truncate -s 8M "$BATS_TEST_TMPDIR/image"
  mkfs.ext4 -q "$BATS_TEST_TMPDIR/image"
  device=$(losetup --find --show "$BATS_TEST_TMPDIR/image") || skip "there is no loop device"
  mount_at /data ext4 "$device" noatime
  script "mknod /tmp/node b $(stat -c '0x%t 0x%T' "$device"); dd if=/tmp/node of=/dev/null bs=512 count=1 2>/dev/null || echo denied
    touch /data/file && ls /data | xargs; $(mountinfo /data)"
  config '.process.capabilities[] += ["CAP_MKNOD"]'
  run foreground
  losetup --detach "$device"
  expect "$status" = 0
  expect_match "$output" denied
  expect_match "$output" "file lost+found"
  expect_match "$output" "/data: rw,noatime"
}

@test "the ids of a bind are mapped" {
  only_native "a guest's ids are its own"
  local kind
  needs_mapped_mounts "$BATS_TEST_TMPDIR"
  mkdir "$BATS_TEST_TMPDIR/volume"
  touch "$BATS_TEST_TMPDIR/volume/file"
  chown 5:5 "$BATS_TEST_TMPDIR/volume/file"
  for kind in ro idmap ridmap; do
    mount_at "/$kind" none "$BATS_TEST_TMPDIR/volume" bind $kind
    mapping 5 1000
  done
  mount_at /crun none "$BATS_TEST_TMPDIR/volume" bind "idmap=uids=5-7-1#0-9-1;gids=5-8-1#0-9-1"
  mount_at /plain none "$BATS_TEST_TMPDIR/volume" bind
  script 'stat -c "%n %u:%g" /*/file; touch /crun/new 2>/dev/null || echo refused'
  run -0 foreground
  expect "$output" = "/crun/file 7:8
/idmap/file 1000:1000
/plain/file 5:5
/ridmap/file 1000:1000
/ro/file 1000:1000
refused"
}

@test "ridmap maps the mounts below too, idmap does not" {
  only_native "a guest's ids are its own"
  needs_mapped_mounts /dev/shm # as the volume will be
  nested_volume
  touch "$VOLUME/sub/file"
  mount_at /one none "$VOLUME" rbind idmap
  mapping 0 1000
  mount_at /all none "$VOLUME" rbind ridmap
  mapping 0 1000
  script 'stat -c "%n %u" /*/sub/file'
  run -0 foreground
  drop_volume
  expect "$output" = "/all/sub/file 1000
/one/sub/file 0"
}

@test "an id mapping that cannot be is refused with its reason" {
  only_native "a guest's ids are its own"
  mkdir "$BATS_TEST_TMPDIR/volume"
  args true
  mount_at /data none "$BATS_TEST_TMPDIR/volume" bind idmap
  run ! foreground
  expect_match "$output" "uidMappings"
  config '.mounts[-1].source = "/proc/self"'
  mapping 0 1000
  run ! foreground
  expect_match "$output" "map ids of '/proc/self'"
  config 'del(.mounts[-1].gidMappings)'
  run ! foreground
  expect_match "$output" "gidMappings"
  config '.mounts[-1] = {destination: "/data", type: "tmpfs", source: "tmpfs", options: ["idmap"]}'
  mapping 0 1000
  run ! foreground
  expect_match "$output" "only supported for bind-mounts"
}

@test "in a user namespace files can keep their numbers" {
  only_native "the host's files keep their owners in a guest"
  needs_mapped_mounts "$BATS_TEST_TMPDIR"
  user_namespace
  mkdir "$BATS_TEST_TMPDIR/volume"
  touch "$BATS_TEST_TMPDIR/volume/file"
  chown 12:34 "$BATS_TEST_TMPDIR/volume/file"
  chmod 777 "$BATS_TEST_TMPDIR/volume"
  mount_at /plain none "$BATS_TEST_TMPDIR/volume" bind
  mount_at /mapped none "$BATS_TEST_TMPDIR/volume" bind idmap
  mount_at /relative none "$BATS_TEST_TMPDIR/volume" bind "idmap=uids=@12-56-1;gids=@34-78-1"
  script 'stat -c "%n %u:%g" /*/file; touch /mapped/new'
  run -0 foreground
  expect "$output" = "/mapped/file 12:34
/plain/file 65534:65534
/relative/file 56:78"
  expect "$(stat -c %u "$BATS_TEST_TMPDIR/volume/new")" = 0
}

@test "in a user namespace a source may be where only the host's root gets" {
  only_native "the shared directory is the host's business"
  user_namespace
  mkdir -p "$BATS_TEST_TMPDIR/private/volume"
  echo inside >"$BATS_TEST_TMPDIR/private/volume/file"
  chmod 700 "$BATS_TEST_TMPDIR/private"
  mount_at /data none "$BATS_TEST_TMPDIR/private/volume" rbind ro rro
  mount_at /first tmpfs tmpfs
  mount_at /second none "$BUNDLE/rootfs/first" bind
  script 'cat /data/file; touch /data/new; touch /first/both; ls /second'
  run -0 foreground
  expect_match "$output" inside
  expect_match "$output" "Read-only"
  expect_match "$output" both
}

@test "in a user namespace all file systems of the kernel are there" {
  only_native "the guest's are its own"
  user_namespace
  script 'ls /sys/class/net; ls -d /dev/mqueue /dev/pts/ptmx; ls /sys/fs/cgroup | wc -l; cat /proc/self/comm'
  run -0 foreground
  expect "${lines[0]}" = lo
  expect_match "$output" /dev/pts/ptmx
  expect "$(tail -n 1 <<<"$output")" = cat
}

@test "in a user namespace that shares the host's others, the host's file systems stand in" {
  only_native "the guest's are its own"
  user_namespace
  config '.linux.namespaces |= map(select(.type | IN("mount", "user"))) | del(.hostname)
    | .mounts |= map(select(.type | IN("cgroup", "mqueue") | not)) | del(.linux.maskedPaths, .linux.readonlyPaths)'
  script 'ls -d /sys/class; cat /proc/self/comm; for f in /sys/fs/cgroup/*/x /sys/x; do touch $f && echo written; done'
  run foreground
  expect "$(head -n 2 <<<"$output")" = "/sys/class
cat"
  [[ "$output" != *written* ]]
}

# run_in_user_namespace COMMAND…: the caller is root of one, and of a mount namespace in which what
# the host's root has decided about mounts is locked.
run_in_user_namespace() {
  local go=$BATS_TEST_TMPDIR/go pid status=0
  unshare --user --mount --pid --fork sh -c "until [ -e '$go' ]; do sleep 0.05; done
    mount -t proc proc /proc && exec \"\$@\"" sh "$@" </dev/null 3>&- &
  pid=$!
  until [ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ]; do
    sleep 0.05
  done
  echo "0 0 65536" >"/proc/$pid/uid_map"
  echo "0 0 65536" >"/proc/$pid/gid_map"
  touch "$go"
  wait "$pid" || status=$?
  rm "$go"
  return "$status"
}

@test "flags that are locked stay, and a runtime without mknod binds devices" {
  only_native "virtual machines are not started from user namespaces"
  VOLUME=$BATS_TEST_TMPDIR/volume
  mkdir "$VOLUME"
  mount -t tmpfs -o nosuid volume "$VOLUME"
  mount -o remount,bind,ro,nosuid "$VOLUME"
  mount_at /data none "$VOLUME" bind
  config '(.mounts[] | select(.type == "devpts") | .options) -= ["gid=5"]'
  script "$(mountinfo /data); touch /data/new; echo x >/dev/null && grep -c ' /dev/null ' /proc/self/mountinfo"
  run -0 run_in_user_namespace "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  expect_match "$output" "/data: ro,nosuid"
  expect_match "$output" "Read-only"
  expect "$(tail -n 1 <<<"$output")" = 1
  config '.mounts[-1].options += ["rw"]'
  run ! run_in_user_namespace "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  umount "$VOLUME"
  expect_match "$output" "cannot clear locked flags"
}

@test "a terminal group that a user namespace does not have is left out" {
  only_native "the guest's are its own"
  user_namespace
  config '.linux.gidMappings[0].size = 1'
  script 'ls /dev/pts/ptmx'
  run -0 foreground
  expect "$output" = /dev/pts/ptmx
}

# bats test_tags=kvm-host
@test "cgroups are mounted as the host has them, and the container sees only its own" {
  script 'cat /proc/self/cgroup; find /sys/fs/cgroup -name "*'"$ID"'*"; find /sys/fs/cgroup -name cgroup.procs | head -n 1
    touch /sys/fs/cgroup/new 2>&1'
  run foreground
  expect_match "$output" cgroup.procs
  expect_match "$output" "Read-only"
  expect "$(grep -c "/sys/fs/cgroup.*$ID" <<<"$output")" = 0
}

@test "without a cgroup namespace only the container's own part of a v1 hierarchy is bound" {
  only_native "the guest's cgroups are of version 2"
  [ -d /sys/fs/cgroup/memory ] || skip "there are no v1 hierarchies"
  config '.linux.namespaces |= map(select(.type | IN("cgroup", "mqueue") | not))'
  script 'cat /sys/fs/cgroup/memory/cgroup.procs; ls -d /sys/fs/cgroup/*/'"$ID"
  run foreground
  expect "${lines[0]}" = 1
  expect_match "$output" "No such file"
}

# bats test_tags=kvm-host
@test "a cgroup mount can be written when it is asked for" {
  config '(.mounts[] | select(.type == "cgroup") | .options) -= ["ro"]'
  script 'd=$(find /sys/fs/cgroup -name cgroup.procs | sort | head -n 1); mkdir ${d%/*}/new && rmdir ${d%/*}/new && echo made'
  run -0 foreground
  expect_match "$output" made
}

@test "where SELinux is not, a mount label means nothing" {
  [ ! -e /sys/fs/selinux/enforce ] || skip "SELinux is in force"
  config '.linux.mountLabel = "system_u:object_r:svirt_sandbox_file_t:s0:c715,c811"'
  args true
  run -0 foreground
}

@test "layers of directories are mounted, and the lower ones stay as they are" {
  only_shared "an upper directory of the host's"
  mkdir "$BATS_TEST_TMPDIR"/{lower,upper}
  echo lower >"$BATS_TEST_TMPDIR/lower/file"
  mount -t tmpfs tmpfs "$BATS_TEST_TMPDIR/upper" # not every file system can be an upper layer
  mkdir "$BATS_TEST_TMPDIR"/upper/{files,work}
  mount_at /data overlay overlay "lowerdir=$BATS_TEST_TMPDIR/lower" \
    "upperdir=$BATS_TEST_TMPDIR/upper/files" "workdir=$BATS_TEST_TMPDIR/upper/work" nodev
  script 'cat /data/file; echo upper >/data/file; echo new >/data/new'
  run -0 foreground
  expect "$output" = lower
  expect "$(cat "$BATS_TEST_TMPDIR/lower/file")" = lower
  expect "$(cat "$BATS_TEST_TMPDIR/upper/files/file")" = upper
  expect "$(cat "$BATS_TEST_TMPDIR/upper/files/new")" = new
  umount "$BATS_TEST_TMPDIR/upper"
}
