# SPDX-License-Identifier: Apache-2.0
# Races against the runtime, for MOAT_ATTACK_SECONDS each (a few, unless they are told otherwise; a minute
# is what docs/threat-model.md speaks of). Somebody exchanges what a name leads to as fast as the kernel
# can, or reaches for whoever enters; meanwhile containers are made, or entered. What was tried is printed.

load helpers

: "${MOAT_ATTACK_SECONDS:=3}"

obstacle() {
  missing cc
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  cc -std=gnu17 -O1 -static -o "$BATS_FILE_TMPDIR/racer" "$BATS_TEST_DIRNAME/../lib/racer.c"
}

# A directory of the host's, and the way to it from within a root.
setup_outside() {
  OUTSIDE=$BATS_TEST_TMPDIR/outside
  WAY_OUT=../../../../../../../../../../..$OUTSIDE
  mkdir "$OUTSIDE"
  echo untouched >"$OUTSIDE/file"
}

# What is outside was neither changed nor added to, and nothing is mounted there.
expect_untouched() {
  expect "$(ls -A "$OUTSIDE")" = file
  expect "$(cat "$OUTSIDE/file")" = untouched
  run ! grep -qF "$OUTSIDE" /proc/self/mountinfo
}

# attack COMMAND…: again and again for as long as is wanted, and at least three times.
attack() {
  local end=$((SECONDS + MOAT_ATTACK_SECONDS))
  TRIES=0 RAN=0
  while ((SECONDS < end || TRIES < 3)); do
    if "$@"; then
      RAN=$((RAN + 1))
    fi
    TRIES=$((TRIES + 1))
  done
}

# One container, whatever becomes of it. What all of them say is kept.
try_run() {
  moat run --bundle "$BUNDLE" "$ID" </dev/null >>"$OUT" 2>&1
}

try_exec() {
  moat exec "$@" </dev/null >>"$OUT" 2>&1
}

start_swap() {
  "$BATS_FILE_TMPDIR/racer" swap "$@" >"$BATS_TEST_TMPDIR/swaps" 3>&- &
  SWAPPER=$!
}

# How often names were exchanged meanwhile; none would have been no attack.
stop_swap() {
  local swaps
  kill "$SWAPPER"
  expect_end 0 "$SWAPPER"
  swaps=$(cat "$BATS_TEST_TMPDIR/swaps")
  report "$swaps"
  expect "${swaps%% *}" -gt 0
}

report() {
  echo "# attack: $BATS_TEST_DESCRIPTION: $1, $TRIES tries, $RAN of them ran" >&3
}

# A volume in which race is now what it was made, now a link to TARGET.
swapped_volume() {
  ln -s "$1" "$VOLUME/link"
  start_swap "$VOLUME/race" "$VOLUME/link"
}

setup_volume() {
  VOLUME=$BATS_TEST_TMPDIR/volume
  mkdir "$VOLUME"
  mount_at /volume none "$VOLUME" bind
}

# swapped PATH TARGET: what PATH of the image is, or a link to TARGET.
swapped() {
  ln -s "$2" "$BUNDLE/rootfs$1.link"
  start_swap "$BUNDLE/rootfs$1" "$BUNDLE/rootfs$1.link"
}

@test "a mount's target, swapped, leads out of no root (CVE-2021-30465)" {
  setup_outside
  setup_volume
  mkdir "$VOLUME/race"
  mount_at /volume/race tmpfs tmpfs
  mount_at /volume/race/deeper/sub tmpfs tmpfs
  args true
  swapped_volume "$WAY_OUT"
  attack try_run
  stop_swap
  expect_untouched
}

@test "a file's target, swapped, leads out of no root" {
  setup_outside
  setup_volume
  touch "$VOLUME/race"
  echo covered >"$BATS_TEST_TMPDIR/source"
  mount_at /volume/race none "$BATS_TEST_TMPDIR/source" bind
  script 'echo written >/volume/race'
  swapped_volume "$WAY_OUT/file"
  attack try_run
  stop_swap
  expect_untouched
}

@test "directories for a mount, their parent swapped, are made outside of no root (CVE-2024-45310)" {
  setup_outside
  setup_volume
  mkdir "$VOLUME/race"
  mount_at /volume/race/made/of/many tmpfs tmpfs
  mount_at /volume/race/made-file none "$BUNDLE/config.json" bind
  config '.process.cwd = "/volume/race/cwd"'
  args true
  swapped_volume "$WAY_OUT"
  attack try_run
  stop_swap
  expect_untouched
}

@test "a mount's target, swapped for /proc, covers nothing there (CVE-2023-27561)" {
  setup_volume
  mkdir "$VOLUME/race"
  mount_at /volume/race/self tmpfs tmpfs
  mount_at /volume/race/sys tmpfs tmpfs
  config '.linux.maskedPaths = [] | .linux.readonlyPaths = []'
  script 'cut -d" " -f5 /proc/self/mountinfo'
  swapped_volume /proc
  attack try_run
  stop_swap
  run ! grep -E '^/proc/.' "$OUT"
}

@test "/dev of an image, swapped, takes devices and links to no other place (CVE-2026-41579)" {
  setup_outside
  config 'del(.mounts[] | select(.destination | startswith("/dev")))'
  args true
  swapped /dev "$WAY_OUT"
  attack try_run
  stop_swap
  expect_untouched
}

@test "/dev/null of an image, swapped, shows through no masked path (CVE-2025-31133)" {
  setup_outside
  config 'del(.mounts[] | select(.destination | startswith("/dev"))) | .linux.maskedPaths = ["/etc/masked"]'
  echo masked-text >"$BUNDLE/rootfs/etc/masked"
  echo other-text >"$BUNDLE/rootfs/etc/other"
  mknod "$BUNDLE/rootfs/dev/null" c 1 3
  # No more than that: with a runtime that falls, one of them may be where its output goes.
  script 'head -c 99 /etc/masked; echo written >/etc/masked; head -c 99 /etc/masked; head -c 99 /etc/other'
  swapped /dev/null /etc/other
  attack try_run
  stop_swap
  run ! grep -E 'masked-text|written' "$OUT"
  expect "$(cat "$BUNDLE/rootfs/etc/other")" = other-text
  expect_untouched
}

# A link that is found there is replaced, so that each try needs a new one.
try_terminal() {
  ln -sfT /etc/other "$BUNDLE/rootfs/dev/console.link"
  "$BATS_TEST_DIRNAME/../lib/tty" -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" 3>&- >>"$OUT" 2>&1
}

@test "/dev/console of an image, swapped, gives the terminal to no other file (CVE-2025-52565)" {
  touch "$BUNDLE/rootfs/dev/console"
  echo other-text >"$BUNDLE/rootfs/etc/other"
  config 'del(.mounts[] | select(.destination == "/dev")) | .process.terminal = true'
  # Where the terminal took the file's place, nothing would end a look into it.
  script 'cut -d" " -f5 /proc/self/mountinfo; [ ! -f /etc/other ] || cat /etc/other'
  swapped /dev/console /etc/other
  attack try_terminal
  stop_swap
  run ! grep -F /etc/other "$OUT"
  expect "$(cat "$BUNDLE/rootfs/etc/other")" = other-text
}

@test "what is masked or read-only, swapped, is so, or an error, and nothing outside is" {
  setup_outside
  mkdir -p "$BUNDLE/rootfs/etc/race"
  config '.linux.maskedPaths = ["/etc/race"] | .linux.readonlyPaths = ["/etc/race", "/etc/race/file"]'
  args true
  swapped /etc/race "$WAY_OUT"
  attack try_run
  stop_swap
  expect_untouched
  echo written >>"$OUTSIDE/file" # it is not read-only to the host
}

@test "a working directory, swapped for a descriptor of the caller's, is inside (CVE-2024-21626)" {
  setup_outside
  mkdir "$BUNDLE/rootfs/work"
  config '.process.cwd = "/work"'
  script 'cat file ./file; cat ../../../../file; pwd'
  exec 7<"$OUTSIDE" 8<"$OUTSIDE"
  swapped /work /proc/self/fd/7
  attack try_run
  stop_swap
  exec 7<&- 8<&-
  run ! grep -F untouched "$OUT"
}

# hostile DEED…: a container whose first process is the attacker.
hostile() {
  cp "$BATS_FILE_TMPDIR/racer" "$BUNDLE/rootfs/racer"
  # Over 9p nothing else protects the container's own programs, which are not what he is to hit.
  config '.root.readonly = true'
  args /racer "$@"
  detached
}

# What the attacker says at his end.
stop_hostile() {
  moat kill "$ID" TERM
  wait_status stopped
  moat delete "$ID"
  report "$(tail -n 1 "$DEEDS")"
}

@test "who enters a container cannot be written from there (CVE-2019-5736)" {
  local before
  before=$(sha256sum <"$MOAT")
  hostile write
  DEEDS=$OUT OUT=$BATS_TEST_TMPDIR/exec-out
  attack try_exec "$ID" /proc/self/exe --version
  attack try_exec "$ID" true
  stop_hostile
  expect "$RAN" -gt 0
  expect_match "$(cat "$DEEDS")" ", 0 opened for writing"
  [[ "$(cat "$DEEDS")" != "0 programs"* ]]
  expect "$(sha256sum <"$MOAT")" = "$before"
}

@test "who enters a container cannot be looked into before he is its own (CVE-2016-9962)" {
  setup_outside
  hostile look "$OUTSIDE/file"
  DEEDS=$OUT OUT=$BATS_TEST_TMPDIR/exec-out
  exec 7<"$OUTSIDE" 8</
  # The directory in which the caller is, and a variable of his.
  cd "$OUTSIDE"
  SECRET=$OUTSIDE/file attack try_exec "$ID" true
  cd /
  exec 7<&- 8<&-
  stop_hostile
  expect "$RAN" -gt 0
  expect_match "$(cat "$DEEDS")" ", 0 secrets"
  [[ "$(cat "$DEEDS")" != "0 processes"* ]]
}
