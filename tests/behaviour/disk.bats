# SPDX-License-Identifier: Apache-2.0
# vm.share "none": a container's root file system is a disk of its own, files that are bound are copied into the guest,
# and nothing is shared with the host.

load helpers
load member

export MOAT_SHARE=none

obstacle() {
  is_vm || echo "natively there is no guest to share files with"
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

@test "the root is a disk with the directory's files, owners and modes, and what is written stays there" {
  echo given >"$BUNDLE/rootfs/given"
  chown 12:34 "$BUNDLE/rootfs/given"
  chmod 4754 "$BUNDLE/rootfs/given"
  ln "$BUNDLE/rootfs/given" "$BUNDLE/rootfs/twice"
  chmod 711 "$BUNDLE/rootfs"
  script 'stat -c "%u %g %a %h %s" /given; stat -c "%a" /; cat /twice; echo new >/made; cat /made
    grep -c "^/dev/[^ ]* / ext4 rw" /proc/mounts; ls -d /lost+found || true'
  run -0 foreground
  expect "$(sed 6q <<<"$output")" = "12 34 4754 2 6
711
given
new
1
ls: /lost+found: No such file or directory"
  [ ! -e "$BUNDLE/rootfs/made" ]
}

@test "a read-only root has its mount points, and is read-only" {
  config '.root.readonly = true'
  mount_at /fresh/place tmpfs tmpfs
  script 'touch /fresh/place/file && echo ok; touch /file || echo refused'
  run -0 foreground
  expect_match "$output" ok
  expect_match "$output" refused
}

@test "a tmpfs has the mode of the disk's directory that it covers, and anybody's where there was none" {
  mkdir -m 750 "$BUNDLE/rootfs/covered"
  mount_at /covered tmpfs tmpfs
  mount_at /new tmpfs tmpfs
  args stat -c %a /covered /new
  run -0 foreground
  expect "${lines[0]}" = 750
  expect "${lines[1]}" = 1777
}

@test "files and read-only directories are copies: what is in them, owners, modes and links" {
  mkdir -p "$BATS_TEST_TMPDIR/secrets/deep"
  echo hidden >"$BATS_TEST_TMPDIR/secrets/deep/key"
  chown -R 7:8 "$BATS_TEST_TMPDIR/secrets"
  chmod 2755 "$BATS_TEST_TMPDIR/secrets/deep"
  chmod 604 "$BATS_TEST_TMPDIR/secrets/deep/key"
  ln -s deep/key "$BATS_TEST_TMPDIR/secrets/link"
  echo 127.0.0.1 me >"$BATS_TEST_TMPDIR/hosts"
  : >"$BATS_TEST_TMPDIR/empty"
  head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/large"
  mount_at /secrets bind "$BATS_TEST_TMPDIR/secrets" rbind ro
  mount_at /etc/hosts bind "$BATS_TEST_TMPDIR/hosts" bind
  mount_at /etc/empty bind "$BATS_TEST_TMPDIR/empty" bind
  mount_at /large bind "$BATS_TEST_TMPDIR/large" bind ro
  script 'cat /secrets/link /etc/hosts; stat -c "%u %g %a" /secrets /secrets/deep /secrets/deep/key
    stat -c %s /etc/empty; md5sum </large; echo x >>/etc/hosts; echo x >/secrets/new || echo refused'
  run -0 foreground
  expect_match "$output" "hidden
127.0.0.1 me
7 8 755
7 8 2755
7 8 604
0
$(md5sum <"$BATS_TEST_TMPDIR/large")"
  expect_match "$output" refused
  expect "$(cat "$BATS_TEST_TMPDIR/hosts")" = "127.0.0.1 me"
}

@test "what cannot be a copy is refused with its place and a cure" {
  mkdir "$BATS_TEST_TMPDIR/volume"
  args true
  mount_at /data bind "$BATS_TEST_TMPDIR/volume" rbind
  run -1 foreground
  expect_match "$output" "mounts[$(jq '.mounts | length - 1' "$BUNDLE/config.json")].source: '$BATS_TEST_TMPDIR/volume' is a directory that can be written to"
  expect_match "$output" "hint: mount it with 'ro', or set vm.share to '9p'"
  config '.mounts[-1].options = ["rbind", "ro"]'
  truncate -s 17M "$BATS_TEST_TMPDIR/volume/file"
  run -1 foreground
  expect_match "$output" "more than 16 MiB or 4096 files to be copied into the virtual machine"
  rm "$BATS_TEST_TMPDIR/volume/file"
  (cd "$BATS_TEST_TMPDIR/volume" && seq 4097 | xargs touch)
  run -1 foreground
  expect_match "$output" "more than 16 MiB or 4096 files"
}

@test "the disk is as large as moat.json says, takes only the room that is used, and goes with the container" {
  printf '{"vm": {"disk_mib": 96, "disk_dir": "%s"}}' "$BATS_TEST_TMPDIR/disks" >"$BATS_TEST_TMPDIR/moat.json"
  mkdir "$BATS_TEST_TMPDIR/disks"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  script 'dd if=/dev/zero of=/file bs=1M 2>/dev/null || echo full; sleep 1000'
  detached
  local disks=("$BATS_TEST_TMPDIR"/disks/*)
  expect "${#disks[@]}" = 1
  expect "$(stat -c %s "${disks[0]}")" = $((96 << 20))
  eventually 60 file_contains "$OUT" full
  moat delete --force "$ID"
  expect "$(ls "$BATS_TEST_TMPDIR/disks")" = ""

  args true
  head -c 200M /dev/urandom >"$BUNDLE/rootfs/large"
  run -1 foreground
  expect_match "$output" "disk: mke2fs: "
  expect "$(ls "$BATS_TEST_TMPDIR/disks")" = ""
  rm "$BUNDLE/rootfs/large"
}

@test "an annotation asks for it, Kata's too, where moat.json allows that" {
  not_with firecracker "it shares no files, whoever asks"
  unset MOAT_SHARE
  script 'grep -c "^/dev/[^ ]* / ext4" /proc/mounts || true'
  config '.annotations["io.katacontainers.config.hypervisor.shared_fs"] = "none"'
  run -0 foreground
  expect "${lines[-1]}" = 0
  echo '{"allow_annotations": ["io.katacontainers.config.hypervisor.shared_fs"]}' >"$BATS_TEST_TMPDIR/moat.json"
  MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json run -0 foreground
  expect "${lines[-1]}" = 1
}

@test "exec works, and a pod's member has a disk and copies of its own" {
  config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"' # whose machine has room for disks
  detached_sleep
  expect "$(moat exec "$ID" sh -c 'echo kept >/kept; cat /kept')" = kept
  echo member >"$BATS_TEST_TMPDIR/file"
  mount_at /file bind "$BATS_TEST_TMPDIR/file" bind ro
  member_bundle sh -c 'cat /file; echo here >/here; cat /here; ls /kept 2>&1 || true; echo done'
  local i
  for i in 1 2; do
    run -0 moat run --bundle "$MEMBER_BUNDLE" "$MEMBER" </dev/null
    expect_match "$output" "member
here
ls: /kept: No such file or directory
done"
  done
  run ! moat exec "$ID" ls /here
  expect "$(moat exec "$ID" cat /kept)" = kept
  moat delete --force "$ID"
}

@test "whoever is killed while the disk is made leaves what delete removes" {
  mkdir "$BATS_TEST_TMPDIR/disks"
  printf '{"vm": {"disk_dir": "%s"}}' "$BATS_TEST_TMPDIR/disks" >"$BATS_TEST_TMPDIR/moat.json"
  head -c 300M /dev/urandom >"$BUNDLE/rootfs/large"
  args true
  MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json create 3>&- &
  local moat=$! shim
  eventually 30 compgen -G "$BATS_TEST_TMPDIR/disks/*"
  shim=$(jq .pid "$ROOT/$ID/state.json")
  kill -KILL "$moat" "$shim"
  wait "$moat" || true
  moat delete --force "$ID"
  expect "$(ls "$BATS_TEST_TMPDIR/disks")" = ""
  rm "$BUNDLE/rootfs/large"
}

@test "who makes the disk sees the root, and no other file of the host's" {
  local maker
  stopped_maker() {
    maker=$(pgrep -x mke2fs) && kill -STOP "$maker"
  }
  head -c 300M /dev/urandom >"$BUNDLE/rootfs/large"
  args true
  create 3>&- &
  eventually 30 stopped_maker
  [ -e "/proc/$maker/root$BUNDLE/rootfs/large" ]
  [ ! -e "/proc/$maker/root/etc/passwd" ]
  run ! touch "/proc/$maker/root$BUNDLE/rootfs/made"
  kill -CONT "$maker"
  wait $!
  rm "$BUNDLE/rootfs/large"
  moat delete --force "$ID"
}
