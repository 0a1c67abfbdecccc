# SPDX-License-Identifier: Apache-2.0
# Ways out of a container that other runtimes once had: docs/threat-model.md lists them.

load helpers

@test "the runtime's own program cannot be written from a container (CVE-2019-5736)" {
  before=$(sha256sum <"$MOAT")
  # Its own programs are not what the loop is to hit: over 9p nothing else protects them.
  config '.root.readonly = true'
  # Whoever enters the container is met by a loop that tries to write to what it executes.
  script 'echo up; while :; do for p in /proc/[0-9]*; do
    [ $p = /proc/1 ] || (exec 9<$p/exe && echo overwritten >/proc/self/fd/9); done 2>/dev/null; done'
  detached
  eventually 30 file_contains "$OUT" up
  for _ in 1 2 3 4 5 6 7 8; do
    moat exec "$ID" true </dev/null
  done
  printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/self"
  chmod 755 "$BUNDLE/rootfs/self"
  run moat exec "$ID" /self </dev/null
  moat delete --force "$ID"
  expect "$(sha256sum <"$MOAT")" = "$before"
}

@test "a descriptor of the caller's is no way out (CVE-2024-21626)" {
  exec 7</
  config '.process.cwd = "/proc/self/fd/7"'
  script 'ls; pwd'
  run ! foreground
  config '.process.cwd = "/"'
  args /proc/self/fd/7/bin/sh -c 'echo out'
  run ! foreground
  [[ "$output" != *$'\n'out && "$output" != out ]]
  exec 7<&-
}

@test "devices are not made behind a link that an image has for /dev" {
  mkdir "$BATS_TEST_TMPDIR/host"
  rm -r "$BUNDLE/rootfs/dev"
  ln -s "$BATS_TEST_TMPDIR/host" "$BUNDLE/rootfs/dev"
  config 'del(.mounts[] | select(.destination | startswith("/dev")))'
  args true
  run foreground
  expect "$(ls -A "$BATS_TEST_TMPDIR/host")" = ""
}

@test "a mount point is not made behind a link that leads out of the root" {
  mkdir "$BATS_TEST_TMPDIR/host"
  ln -s "../../../../../../../../../..$BATS_TEST_TMPDIR/host" "$BUNDLE/rootfs/mnt"
  mount_at /mnt/new/dir tmpfs tmpfs
  args true
  run foreground
  expect "$(ls -A "$BATS_TEST_TMPDIR/host")" = ""
}

@test "a masked file shows nothing of what an image put in place of /dev/null (CVE-2025-31133)" {
  echo secret >"$BUNDLE/rootfs/etc/target"
  echo hidden >"$BUNDLE/rootfs/etc/hidden"
  ln -s /etc/target "$BUNDLE/rootfs/dev/null"
  config 'del(.mounts[] | select(.destination == "/dev")) | .linux.maskedPaths = ["/etc/hidden"]'
  script 'head -c 99 /etc/hidden; echo written >/etc/hidden; head -c 99 /etc/target'
  run foreground
  [[ "$output" != *hidden$'\n'* && "$output" != *written* ]]
}

@test "/proc is not mounted behind a link" {
  rm -r "$BUNDLE/rootfs/proc"
  mkdir "$BUNDLE/rootfs/elsewhere"
  ln -s elsewhere "$BUNDLE/rootfs/proc"
  args ls /elsewhere
  run ! foreground
}

@test "nothing is mounted inside /proc, by a link neither, but what stands in for a file of numbers" {
  mkdir "$BATS_TEST_TMPDIR/fake"
  echo stand-in >"$BATS_TEST_TMPDIR/uptime"
  ln -s /proc/self "$BUNDLE/rootfs/link"
  local at
  for at in /proc/self /link/attr; do
    cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/config.json"
    mount_at $at tmpfs tmpfs
    args true
    run ! foreground
    expect_match "$output" "cannot be mounted because it is inside /proc"
    mv "$BATS_TEST_TMPDIR/config.json" "$BUNDLE/config.json"
  done
  [ "$MOAT_ISOLATION" = native ] || return 0 # a file of the guest's numbers is the guest's own
  mount_at /proc/uptime none "$BATS_TEST_TMPDIR/uptime" bind
  args cat /proc/uptime
  run -0 foreground
  expect "$output" = stand-in
}

@test "what the runtime writes to /proc does not go where a mount sends it (CVE-2025-52881)" {
  mkdir -p "$BATS_TEST_TMPDIR/fake/kernel"
  echo untouched >"$BATS_TEST_TMPDIR/fake/kernel/msgmax"
  mount_at /proc/sys none "$BATS_TEST_TMPDIR/fake" bind
  config '.linux.sysctl = {"kernel.msgmax": "1234"} | .linux.readonlyPaths = []'
  args true
  run foreground
  expect "$(cat "$BATS_TEST_TMPDIR/fake/kernel/msgmax")" = untouched
}

@test "exec gives no inheritable capabilities (CVE-2022-29162)" {
  detached_sleep
  run -0 moat exec --cap CAP_NET_RAW "$ID" grep -E 'CapInh|CapEff' /proc/self/status </dev/null
  expect_match "${lines[0]}" 0000000000000000
  [[ "${lines[1]}" != *0000000000000000* ]]
  moat delete --force "$ID"
}

@test "exec does not guess what a broken user means" {
  detached_sleep
  for user in 1: a 1:b 4294967296 -1 1:-1 "1 "; do
    run ! moat exec --user "$user" "$ID" id </dev/null
    [[ "$output" != *uid=* ]]
  done
  moat delete --force "$ID"
}

# Whatever else comes of it.
@test "exec takes no user that cannot be read for root (CVE-2026-30892)" {
  config '.process.user = {uid: 5, gid: 5}'
  detached_sleep
  for user in "" 1: a 1:b 4294967296 18446744073709551616 -1 1:-1 "1 "; do
    run moat exec --user "$user" "$ID" id </dev/null
    [[ "$output" != *uid=0* ]]
  done
  moat delete --force "$ID"
}

@test "a program killed by its filter does not become another" {
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS"}]}'
  script 'mkdir /tmp/dir; echo "status $?"; ls -d /tmp/dir'
  run foreground
  expect_match "$output" "status 159" # SIGSYS
}

@test "an unknown filter action is refused, not left out" {
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NO"}]}'
  args true
  run ! foreground
  expect_match "$output" seccomp
}

@test "sysctls outside of the container's namespaces are refused" {
  config '.linux.sysctl = {"kernel.panic": "1"}'
  args true
  run ! foreground
  expect_match "$output" kernel.panic
}
