# SPDX-License-Identifier: Apache-2.0
# Containers and images that try to have the runtime mount, or make, something outside of their
# root or over something else in it: docs/threat-model.md.

load helpers

setup_outside() {
  OUTSIDE=$BATS_TEST_TMPDIR/outside
  mkdir "$OUTSIDE"
  echo untouched >"$OUTSIDE/file"
}

expect_untouched() {
  expect "$(ls -A "$OUTSIDE")" = file
  expect "$(cat "$OUTSIDE/file")" = untouched
}

# swapper: a container that swaps, as fast as it can, /volume/race between a directory and a link.
start_swapper() {
  cat >"$BUNDLE/rootfs/swap" <<'SCRIPT'
cd /volume
mkdir dir; ln -s "$1" link; mv -T dir race 2>/dev/null || mv dir race
echo up
while :; do
  mv race dir; mv link race; mv race link; mv dir race
done
SCRIPT
  args sh /swap "$1"
  cp -a "$BUNDLE" "$BATS_TEST_TMPDIR/second"
  detached
  eventually 20 file_contains "$OUT" up
}

# Containers that mount at /volume/race… while it is swapped: the host is as before, whatever they say.
run_while_swapped() {
  local i races=60 first=$ID other=$BATS_TEST_TMPDIR/second
  ! is_vm || races=3 # each boots a machine
  jq --arg d "$1" '.mounts += [{destination: $d, type: "tmpfs", source: "tmpfs"},
    {destination: ($d + "/deeper/sub"), type: "tmpfs", source: "tmpfs"}]
    | .linux.maskedPaths += [$d] | .process.args = ["sh", "-c", "cut -d\" \" -f5 /proc/self/mountinfo"]' \
    "$other/config.json" >"$other/new.json"
  mv "$other/new.json" "$other/config.json"
  for ((i = 0; i < races; i++)); do
    moat run --bundle "$other" "$ID-r" </dev/null >"$BATS_TEST_TMPDIR/race.$i" 2>&1 || true
  done
  ID=$first
  moat delete --force "$ID"
}

@test "a shared volume that swaps a directory and a link leads no mount out (CVE-2021-30465)" {
  only_shared "what is bound is a copy"
  setup_outside
  mkdir "$BATS_TEST_TMPDIR/volume"
  mount_at /volume none "$BATS_TEST_TMPDIR/volume" bind
  start_swapper "../../../../../../../../../../..$OUTSIDE"
  run_while_swapped /volume/race
  expect_untouched
  run ! grep -q "$OUTSIDE" /proc/self/mountinfo
  # Some of them got as far as to run, so the race was one.
  is_vm || grep -lq '^/volume/race' "$BATS_TEST_TMPDIR"/race.*
}

@test "a shared volume that swaps a directory and a link makes nothing outside (CVE-2024-45310)" {
  only_shared "what is bound is a copy"
  setup_outside
  mkdir "$BATS_TEST_TMPDIR/volume"
  mount_at /volume none "$BATS_TEST_TMPDIR/volume" bind
  start_swapper "$OUTSIDE"
  run_while_swapped /volume/race/made
  expect_untouched
}

@test "a shared volume that swaps a directory and a link to /proc covers nothing there (CVE-2023-27561)" {
  only_shared "what is bound is a copy"
  mkdir "$BATS_TEST_TMPDIR/volume"
  mount_at /volume none "$BATS_TEST_TMPDIR/volume" bind
  start_swapper /proc
  run_while_swapped /volume/race/self
  run ! grep -E '^/proc/(self|[0-9]+)(/|$)' "$BATS_TEST_TMPDIR"/race.*
}

@test "nothing is made or mounted behind links that an image has for its directories" {
  setup_outside
  local dir
  for dir in dev etc sys run mnt; do
    rm -rf "${BUNDLE:?}/rootfs/$dir"
    ln -s "../../../../../../../../../../..$OUTSIDE" "$BUNDLE/rootfs/$dir"
  done
  config '.mounts |= map(select(.destination == "/proc"))'
  mount_at /etc/hosts none "$BATS_TEST_TMPDIR/outside/file" bind
  mount_at /mnt/volume tmpfs tmpfs
  config '.linux.devices = [{path: "/dev/sub/node", type: "c", major: 1, minor: 3}] | .process.cwd = "/run/new"'
  args true
  run foreground
  expect_untouched
}

@test "absolute links of an image lead into it" {
  setup_outside
  ln -s "$OUTSIDE" "$BUNDLE/rootfs/data"
  mount_at /data/sub tmpfs tmpfs
  script "touch $OUTSIDE/sub/made && ls $OUTSIDE/sub"
  run -0 foreground
  expect "$output" = made
  expect_untouched
}

@test "a /sys that is a link is refused" {
  rm -r "$BUNDLE/rootfs/sys"
  mkdir "$BUNDLE/rootfs/elsewhere"
  ln -s elsewhere "$BUNDLE/rootfs/sys"
  args ls /elsewhere
  run ! foreground
  expect_match "$output" "must be mounted on ordinary directory"
}

@test "a /proc that is swapped for a link while it is mounted stays a proc (CVE-2019-19921)" {
  only_native "the root of a guest's container is a share of its own"
  ln -s elsewhere "$BUNDLE/rootfs/link"
  mkdir "$BUNDLE/rootfs/elsewhere"
  (while [ -e "$BUNDLE" ]; do
    mv "$BUNDLE/rootfs/proc" "$BUNDLE/rootfs/dir" && mv "$BUNDLE/rootfs/link" "$BUNDLE/rootfs/proc"
    mv "$BUNDLE/rootfs/proc" "$BUNDLE/rootfs/link" && mv "$BUNDLE/rootfs/dir" "$BUNDLE/rootfs/proc"
  done) >/dev/null 2>&1 3>&- &
  local swapper=$! i
  script 'ls -d /elsewhere/self /dir/self /link/self; echo ran'
  for ((i = 0; i < 40; i++)); do
    run foreground
    # Either mounted where it was a directory, or refused.
    [[ "$output" == *ran* || "$status" -ne 0 ]]
    if [[ "$output" == *ran* ]]; then
      [[ "$output" != */elsewhere/self || "$output" == *"No such file"* ]]
    fi
  done
  kill "$swapper"
  wait "$swapper" || true
}

@test "a masked path that an image makes a link covers what it leads to, inside" {
  setup_outside
  echo inside >"$BUNDLE/rootfs/etc/target"
  ln -s /etc/target "$BUNDLE/rootfs/etc/masked"
  ln -s "../../../../../../../../..$OUTSIDE/file" "$BUNDLE/rootfs/etc/far"
  config '.linux.maskedPaths = ["/etc/masked", "/etc/far"] | .linux.readonlyPaths = ["/etc/far"]'
  script 'cat /etc/target; echo x >/etc/masked'
  run -0 foreground
  expect "$output" = ""
  expect_untouched
  expect "$(cat "$BUNDLE/rootfs/etc/target")" = inside
}

@test "a masked path does not write through what an image has as /dev/null (CVE-2025-31133)" {
  config 'del(.mounts[] | select(.destination == "/dev")) | .linux.maskedPaths = ["/etc/masked"]'
  echo secret >"$BUNDLE/rootfs/etc/masked"
  # A number of the host's that hurts nobody, should it be changed.
  ln -sf /proc/sys/kernel/printk_ratelimit_burst "$BUNDLE/rootfs/dev/null"
  local before
  before=$(cat /proc/sys/kernel/printk_ratelimit_burst)
  script "stat -c %t,%T /etc/masked; echo $((before + 1)) >/etc/masked; head -c 99 /etc/masked"
  run foreground
  local after
  after=$(cat /proc/sys/kernel/printk_ratelimit_burst)
  echo "$before" >/proc/sys/kernel/printk_ratelimit_burst
  [[ "$output" != *secret* ]]
  expect "$after" = "$before"
}

@test "a bind onto /proc is refused, by whatever way its name goes" {
  mkdir "$BATS_TEST_TMPDIR/fake" "$BUNDLE/rootfs/sub"
  ln -s /proc "$BUNDLE/rootfs/link"
  ln -s link/self "$BUNDLE/rootfs/twice"
  args true
  for at in /proc/sys /proc/self/attr /link/1 /twice/attr /sub/../proc/fs //proc//irq; do
    mount_at "$at" none "$BATS_TEST_TMPDIR/fake" bind ro
    run ! foreground
    expect_match "$output" "inside /proc"
    config 'del(.mounts[-1])'
  done
}

@test "what is copied up comes from the image alone, also while it is swapped" {
  only_native "the root of a guest's container is a share of its own"
  setup_outside
  mkdir -p "$BUNDLE/rootfs/seed/dir"
  echo own >"$BUNDLE/rootfs/seed/dir/file"
  ln -s "$OUTSIDE" "$BUNDLE/rootfs/seed/link"
  (cd "$BUNDLE/rootfs/seed" && while [ -e "$BUNDLE" ]; do
    mv dir spare && mv link dir
    mv dir link && mv spare dir
  done) >/dev/null 2>&1 3>&- &
  local swapper=$! i
  mount_at /seed tmpfs tmpfs tmpcopyup
  script 'find /seed -type f -exec cat {} + 2>/dev/null; true'
  for ((i = 0; i < 30; i++)); do
    run foreground
    [[ "$output" != *untouched* ]]
  done
  kill "$swapper"
  wait "$swapper" || true
  expect_untouched
}
