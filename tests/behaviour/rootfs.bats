# SPDX-License-Identifier: Apache-2.0
# The container's root: what becomes "/", how, and what of the host is to be seen of it.

load helpers

# Flags and propagation of "/", as the container sees them.
root_mount() {
  echo 'sed -n "s#^[^ ]* [^ ]* [^ ]* [^ ]* / \\(.*\\) - .*#root: \\1#p" /proc/self/mountinfo'
}

propagation() {
  config --arg p "$1" '.linux.rootfsPropagation = $p'
}

@test "the propagation of / is as asked" {
  local name wanted
  script "$(root_mount)"
  for name in private= rprivate= slave= unbindable=unbindable runbindable=unbindable shared=shared: rshared=shared:; do
    wanted=${name#*=}
    propagation "${name%=*}"
    run -0 foreground
    expect_match "$output|" "root: rw,relatime${wanted:+ }$wanted"
    [ -n "$wanted" ] || [[ "$output" != *shared:* && "$output" != *unbindable* ]]
  done
}

@test "an unknown propagation is refused" {
  propagation public
  args true
  run ! foreground
  expect_match "$output" rootfsPropagation
}

# A volume whose mount is shared with the test's namespace, here the host's.
volume_of_the_host() {
  only_native "the host's mounts do not reach a guest"
  mkdir "$BATS_TEST_TMPDIR/volume"
  mount -t tmpfs volume "$BATS_TEST_TMPDIR/volume"
  mount --make-shared "$BATS_TEST_TMPDIR/volume"
  mkdir "$BATS_TEST_TMPDIR/volume/late" "$BATS_TEST_TMPDIR/volume/inside"
  mount_at /volume none "$BATS_TEST_TMPDIR/volume" rbind "$@"
  config '.process.capabilities[] += ["CAP_SYS_ADMIN"]'
}

mount_late() {
  detached
  eventually 10 file_contains "$OUT" up
  mount -t tmpfs late "$BATS_TEST_TMPDIR/volume/late"
  touch "$BATS_TEST_TMPDIR/volume/late/file"
}

# The container's mount on the host's side.
reaches_the_host() {
  grep -q "$BATS_TEST_TMPDIR/volume/inside" /proc/self/mountinfo
}

end_volume() {
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
  umount -R "$BATS_TEST_TMPDIR/volume"
}

container_of_a_volume() {
  script 'mount -t tmpfs inside /volume/inside; echo up; while :; do ls /volume/late; sleep 0.1; done'
}

@test "with slave the host's later mounts come in, and none goes out" {
  volume_of_the_host rslave
  propagation rslave
  container_of_a_volume
  mount_late
  eventually 10 file_contains "$OUT" file
  run ! reaches_the_host
  end_volume
}

@test "with private nothing comes in or goes out" {
  volume_of_the_host
  propagation rprivate
  container_of_a_volume
  mount_late
  sleep 0.5
  run ! file_contains "$OUT" file
  run ! reaches_the_host
  end_volume
}

@test "with shared a volume's mounts come in and go out, and the root's do not" {
  volume_of_the_host rshared
  propagation rshared
  script 'mount -t tmpfs inside /volume/inside; mount -t tmpfs t /tmp; echo up
    while :; do ls /volume/late; sleep 0.1; done'
  mount_late
  eventually 10 file_contains "$OUT" file
  reaches_the_host
  run ! grep -q "$BUNDLE" /proc/self/mountinfo
  end_volume
}

@test "a host whose mounts are all shared sees nothing of a container" {
  only_native "the host's mounts do not reach a guest"
  local before name
  before=$(wc -l </proc/self/mountinfo)
  mount --make-rshared /
  for name in private slave shared rshared unbindable; do
    propagation $name
    script 'mount -t tmpfs t /tmp; cat /proc/self/comm'
    run -0 foreground
    expect "$(wc -l </proc/self/mountinfo)" = "$before"
  done
  mount --make-rprivate /
}

@test "a read-only root is read-only, also where it is a mount of its own" {
  config '.root.readonly = true'
  script "$(root_mount); touch /file || echo refused"
  run -0 foreground
  expect_match "$output" "root: ro"
  expect_match "$output" refused
  [ ! -e "$BUNDLE/rootfs/file" ]
}

@test "without pivot_root the container runs, and the host is out of sight" {
  only_native "the guest decides that by itself"
  script 'ls / | xargs; ls /proc/1/root | xargs; mkdir -p /x/y'
  run -0 foreground --no-pivot
  expect "${lines[0]}" = "bin dev etc proc root run sys tmp var"
  [ -d "$BUNDLE/rootfs/x/y" ]
}

@test "a path to the root may have links in it, and a relative one starts at the bundle" {
  mkdir "$BUNDLE/deep"
  mv "$BUNDLE/rootfs" "$BUNDLE/deep/real"
  ln -s deep "$BUNDLE/link"
  config '.root.path = "link/real"'
  args ls /
  run -0 foreground
  expect_match "$output" proc
}

@test "a root that is missing, or no directory, is named" {
  config '.root.path = "not/there"'
  args true
  run ! foreground
  expect_match "$output" "not/there"
  touch "$BUNDLE/file"
  config '.root.path = "file"'
  run ! foreground
  expect_match "$output" "file"
}

@test "a root that is a mount point keeps what is mounted in it" {
  only_native "a shared directory is one mount in the guest"
  mount --bind "$BUNDLE/rootfs" "$BUNDLE/rootfs"
  mount -t tmpfs inner "$BUNDLE/rootfs/var"
  touch "$BUNDLE/rootfs/var/file"
  args ls /var
  run -0 foreground
  umount "$BUNDLE/rootfs/var" "$BUNDLE/rootfs"
  expect "$output" = file
}

@test "an overlay is a root like any other" {
  only_native "the host mounts what is shared"
  mkdir "$BUNDLE/merged" "$BATS_TEST_TMPDIR/layers"
  mount -t tmpfs layers "$BATS_TEST_TMPDIR/layers"
  mkdir "$BATS_TEST_TMPDIR/layers/"{upper,work}
  mount -t overlay overlay -o "lowerdir=$BUNDLE/rootfs,upperdir=$BATS_TEST_TMPDIR/layers/upper,workdir=$BATS_TEST_TMPDIR/layers/work" "$BUNDLE/merged"
  config '.root.path = "merged"'
  mount_at /etc tmpfs tmpfs tmpcopyup
  script 'touch /new; cat /etc/passwd >/dev/null && echo copied'
  run -0 foreground
  [ -e "$BATS_TEST_TMPDIR/layers/upper/new" ]
  umount "$BUNDLE/merged" "$BATS_TEST_TMPDIR/layers"
  expect "$output" = copied
}

@test "the caller may be in a chroot whose / is no mount point" {
  only_native "a virtual machine wants more of a host than a chroot has here"
  local host=$BATS_TEST_TMPDIR/host dir
  mkdir -p "$host/state" "$host/volume"
  for dir in bin sbin lib lib64 usr etc proc sys dev tmp; do
    [ -e "/$dir" ] || continue
    mkdir "$host/$dir"
    mount --rbind "/$dir" "$host/$dir"
  done
  mkdir "$host/program" && mount --rbind "$(dirname "$(readlink -f "$MOAT")")" "$host/program"
  mv "$BUNDLE" "$host/bundle"
  echo inside >"$host/volume/file"
  BUNDLE=$host/bundle
  mount_at /volume none /volume bind ro
  script 'cat /volume/file; ls / | xargs; cd ..; cd ..; ls | xargs'
  run -0 chroot "$host" "/program/$(basename "$(readlink -f "$MOAT")")" --root /state run --bundle /bundle "$ID" </dev/null
  for dir in "$host"/{bin,sbin,lib,lib64,usr,etc,proc,sys,dev,tmp,program}; do
    ! mountpoint -q "$dir" || umount -R -l "$dir"
  done
  expect "$output" = "inside
bin dev etc proc root run sys tmp var volume
bin dev etc proc root run sys tmp var volume"
}

@test "without a mount namespace the container has its root and mounts, and the host none of them" {
  only_native "a guest always has mounts of its own"
  is_kernel 6.15 || skip "before Linux 6.15 they have to be somewhere"
  local before
  config '.linux.namespaces |= map(select(.type != "mount")) | del(.linux.maskedPaths, .linux.readonlyPaths)'
  config '.root.readonly = true'
  mount_at /scratch tmpfs tmpfs ro
  before=$(wc -l </proc/self/mountinfo)
  script 'ls / | xargs; cat /proc/self/comm; echo x >/dev/null; for f in /file /scratch/file /sys/file; do touch $f || echo refused; done; sleep 1000'
  detached
  eventually 10 file_contains "$OUT" refused
  expect "$(wc -l </proc/self/mountinfo)" = "$before"
  run moat exec "$ID" sh -c 'ls / | xargs; cat /proc/self/comm' </dev/null
  expect "$output" = "bin dev etc proc root run scratch sys tmp var
cat"
  run cat "$OUT"
  expect "${lines[0]}" = "bin dev etc proc root run scratch sys tmp var"
  expect "$(grep -c refused "$OUT")" = 3
  moat delete --force "$ID"
}

@test "a container can run containers" {
  only_native "the nested runtime is the host's program"
  # Its root is the host's; what is written goes to a tmpfs.
  mkdir "$BATS_TEST_TMPDIR/inner"
  cp -a "$BUNDLE/rootfs" "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/inner"
  jq '.process.args = ["sh", "-c", "ls / | xargs"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/inner/config.json"
  config '.root.path = "/" | del(.process.capabilities, .linux.maskedPaths, .linux.readonlyPaths)
    | (.mounts[] | select(.type == "cgroup" or .type == "sysfs") | .options) -= ["ro"]'
  args "$MOAT" --isolation native --root /dev/shm/state run --bundle "$BATS_TEST_TMPDIR/inner" inner
  run -0 foreground
  expect "$output" = "bin dev etc proc root run sys tmp var"
}
