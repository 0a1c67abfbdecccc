# SPDX-License-Identifier: Apache-2.0
# The container's file system: root, mounts, hidden and protected paths, devices.

load helpers

@test "a read-only root refuses writing, and its tmpfs mounts do not" {
  config '.root.readonly = true'
  mount_at /scratch tmpfs tmpfs nosuid size=1m
  script 'touch /file; touch /scratch/file && echo scratch works'
  run -0 foreground
  expect_match "$output" "Read-only file system"
  expect_match "$output" "scratch works"
  [ ! -e "$BUNDLE/rootfs/file" ]
}

@test "what the container writes into its root is in the bundle" {
  only_shared "a disk is the guest's"
  script 'echo inside >/written; chmod 640 /written; ln -s written /link; mkdir /dir'
  run -0 foreground
  expect "$(cat "$BUNDLE/rootfs/written")" = inside
  expect "$(stat -c %a "$BUNDLE/rootfs/written")" = 640
  expect "$(readlink "$BUNDLE/rootfs/link")" = written
  [ -d "$BUNDLE/rootfs/dir" ]
}

@test "masked paths are empty" {
  mkdir "$BUNDLE/rootfs/hidden"
  echo secret >"$BUNDLE/rootfs/hidden/file"
  echo secret >"$BUNDLE/rootfs/hidden-file"
  config '.linux.maskedPaths = ["/hidden", "/hidden-file", "/not/there"]'
  script 'ls -A /hidden; cat /hidden-file; touch /hidden/new || echo refused'
  run -0 foreground
  [[ "$output" != *secret* && "$output" != *file$'\n'* ]]
  expect_match "$output" refused
  expect "$(cat "$BUNDLE/rootfs/hidden-file")" = secret
}

@test "read-only paths can be read and not written" {
  mkdir "$BUNDLE/rootfs/protected"
  echo data >"$BUNDLE/rootfs/protected/file"
  config '.linux.readonlyPaths = ["/protected", "/proc/sys", "/not/there"]'
  script 'cat /protected/file; echo >/protected/file; echo 1 >/proc/sys/kernel/panic'
  run foreground
  expect_match "$output" data
  expect "$(grep -c "Read-only file system" <<<"$output")" = 2
}

@test "a tmpfs has the mode of the directory it covers, and anybody's where there was none" {
  mkdir -m 750 "$BUNDLE/rootfs/covered"
  mount_at /covered tmpfs tmpfs
  mount_at /new tmpfs tmpfs
  script 'stat -c %a /covered /new'
  run -0 foreground
  expect "${lines[0]}" = 750
  expect "${lines[1]}" = 1777
}

@test "a tmpfs has the asked size and mode" {
  mount_at /scratch tmpfs tmpfs nosuid noexec size=1m mode=1777
  script 'stat -c %a /scratch; grep " /scratch " /proc/mounts; head -c 2000000 /dev/zero >/scratch/file || echo full'
  run -0 foreground
  expect "${lines[0]}" = 1777
  expect_match "$output" noexec
  expect_match "$output" full
}

@test "a directory is bound for reading and writing" {
  only_shared "what is bound is a copy"
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo outside >"$BATS_TEST_TMPDIR/volume/file"
  mount_at /data none "$BATS_TEST_TMPDIR/volume" rbind rw
  script 'cat /data/file; echo inside >/data/new'
  run -0 foreground
  expect "$output" = outside
  expect "$(cat "$BATS_TEST_TMPDIR/volume/new")" = inside
}

@test "a directory is bound read-only" {
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo outside >"$BATS_TEST_TMPDIR/volume/file"
  mount_at /data none "$BATS_TEST_TMPDIR/volume" bind ro
  script 'cat /data/file; touch /data/new'
  run ! foreground
  expect_match "$output" outside
  expect_match "$output" "Read-only file system"
  [ ! -e "$BATS_TEST_TMPDIR/volume/new" ]
}

@test "a single file is bound" {
  echo "nameserver 192.0.2.1" >"$BATS_TEST_TMPDIR/resolv.conf"
  mount_at /etc/resolv.conf none "$BATS_TEST_TMPDIR/resolv.conf" bind ro
  script 'cat /etc/resolv.conf; echo >>/etc/resolv.conf'
  run ! foreground
  expect_match "$output" 192.0.2.1
  expect_match "$output" "Read-only file system"
}

@test "a bind source is relative to the bundle" {
  mkdir "$BUNDLE/volume"
  echo beside >"$BUNDLE/volume/file"
  mount_at /data none volume bind ro
  args cat /data/file
  run -0 foreground
  expect "$output" = beside
}

@test "mounts happen in the configured order" {
  mkdir -p "$BATS_TEST_TMPDIR/below/inner" "$BATS_TEST_TMPDIR/above"
  echo above >"$BATS_TEST_TMPDIR/above/file"
  mount_at /data none "$BATS_TEST_TMPDIR/below" bind ro
  mount_at /data/inner none "$BATS_TEST_TMPDIR/above" bind ro
  script 'cat /data/inner/file'
  run -0 foreground
  expect "$output" = above
}

@test "a bind source that is missing is refused with its name" {
  mount_at /data none /no/such/source bind
  run ! foreground
  expect_match "$output" /no/such/source
}

@test "a mount target behind a link stays inside the root" {
  mkdir "$BATS_TEST_TMPDIR/volume" "$BATS_TEST_TMPDIR/outside"
  echo mounted >"$BATS_TEST_TMPDIR/volume/file"
  ln -s "$BATS_TEST_TMPDIR/outside" "$BUNDLE/rootfs/link"
  mount_at /link/data none "$BATS_TEST_TMPDIR/volume" bind
  args cat /link/data/file
  run foreground
  # Resolved inside the root, or refused; never outside.
  expect "$(ls -A "$BATS_TEST_TMPDIR/outside")" = ""
}

@test "the default devices work" {
  script 'for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo "no /dev/$d"; done
    echo x >/dev/null; head -c 4 /dev/zero | od -An -tx1; echo y >/dev/full || echo full
    for l in fd stdin ptmx; do readlink /dev/$l; done'
  run -0 foreground
  [[ "$output" != *"no /dev"* ]]
  expect_match "$output" "00 00 00 00"
  expect_match "$output" full
  expect_match "$output" /proc/self/fd
  expect_match "$output" pts/ptmx
}

@test "other devices are out of reach" {
  config '.process.capabilities[] += ["CAP_MKNOD"]'
  script 'mknod /tmp/disk b 254 0; mknod /tmp/mem c 1 1; head -c 1 /tmp/mem || echo refused'
  run -0 foreground
  expect_match "$output" refused
}

@test "/proc and /sys are mounted" {
  script 'cat /proc/self/comm; ls -d /sys/kernel'
  run -0 foreground
  expect_match "$output" cat
  expect_match "$output" /sys/kernel
}

# Whoever serves them to a guest has to know them; a file system may not have some.
@test "what programs seldom do to files works, or is said not to" {
  needs_compiler
  compile file-calls
  cp "$BATS_FILE_TMPDIR/file-calls" "$BUNDLE/rootfs/bin/file-calls"
  config '.process.capabilities[] += ["CAP_CHOWN", "CAP_FOWNER", "CAP_MKNOD", "CAP_SETFCAP"]'
  script 'mkdir /work && cd /work && file-calls'
  run -0 foreground
  local missing
  missing=$(grep -v ' ok$' <<<"$output" || true)
  echo "# ${missing:-all of them}" | tr '\n' ' ' >&3
  echo >&3
  expect "$(grep -c . <<<"$output")" = 17
  # Natively the file system alone decides. Of the servers QEMU's of 9p lacks some: docs/limitations.md.
  if is_vm && [[ $(driver) = qemu && ${MOAT_SHARE:-9p} = 9p ]]; then
    missing=$(grep -vE '^(xattr|fallocate|punch|exchange) (EOPNOTSUPP|EINVAL)$|^(pipe|socket) ENXIO$' <<<"$missing" || true)
  fi
  expect "$(grep -vE '^(xattr|fallocate|punch|hole) EOPNOTSUPP$' <<<"$missing" || true)" = ""
}
