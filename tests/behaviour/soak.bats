# SPDX-License-Identifier: Apache-2.0
# Many, long and large. By itself a small version of each; MOAT_SOAK=1 makes the whole (with a
# BATS_TEST_TIMEOUT to match, an hour at most), MOAT_SOAK_CYCLES another number of containers one after
# the other. MOAT_SOAK_DEBIAN names a Debian root with apt, perl and tcc to use instead of one that
# mmdebstrap makes.

load helpers
load ../lib/census
load ../lib/fake-guest

export CENSUS_WITHOUT=memory

# amount WHOLE SMALL
amount() {
  if [ -n "${MOAT_SOAK-}" ]; then
    echo "$1"
  else
    echo "$2"
  fi
}

# cycles COUNT: each container has a name of its own, so that nothing is overwritten.
cycles() {
  local i
  census_begin
  for ((i = 1; i <= $1; i++)); do
    moat create --bundle "$BUNDLE" "$ID-$i" </dev/null >"$OUT" 2>"$ERR" && moat start "$ID-$i" &&
      moat delete --force "$ID-$i" || return
  done
  # In a few cycles a leak and what others do on the machine are not told apart.
  (($1 < 100)) || expect_growth_below "$(($1 / 2))"
  expect_nothing_left
}

@test "containers made and removed, again and again, leave nothing" {
  args sleep 1000
  cycles "${MOAT_SOAK_CYCLES:-$(amount 200 5)}"
}

@test "fake virtual machines made and removed, 200 times, leave nothing" {
  only_vm "natively leaks.bats does it"
  command -v cc >/dev/null || skip "no C compiler here (./dev setup)"
  use_fake_guest "$BATS_TEST_TMPDIR/fake"
  args sleep 1000
  cycles 200
}

has_started() {
  [ "$(moat exec "$1" echo "I am $1" </dev/null 2>&1)" = "I am $1" ]
}

@test "many containers live at once" {
  local count i
  count=$(amount 20 3)
  args sleep 1000
  for ((i = 1; i <= count; i++)); do
    moat create --bundle "$BUNDLE" "$ID-$i" </dev/null >"$OUT" 2>"$ERR" && moat start "$ID-$i"
  done
  expect "$(moat list --format json | jq --arg id "$ID-" \
    '[.[] | select((.id | startswith($id)) and .status == "running")] | length')" = "$count"
  for ((i = 1; i <= count; i++)); do
    eventually 60 has_started "$ID-$i"
  done
  for ((i = 1; i <= count; i++)); do
    moat delete --force "$ID-$i"
  done
}

@test "all bytes of standard input come out of standard output, and standard error stays apart" {
  local bytes
  bytes=$(($(amount 100 8) << 20))
  head -c "$bytes" /dev/urandom >"$BATS_TEST_TMPDIR/in"
  script 'cat; echo apart >&2'
  moat run --bundle "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/in" >"$OUT" 2>"$ERR"
  expect "$(stat -c %s "$OUT")" = "$bytes"
  expect "$(sha256sum <"$OUT")" = "$(sha256sum <"$BATS_TEST_TMPDIR/in")"
  expect "$(cat "$ERR")" = apart
  rm "$BATS_TEST_TMPDIR/in" "$OUT"
}

# A Debian in $BUNDLE/rootfs.
debian_root() {
  rm -rf "$BUNDLE/rootfs"
  if [ -n "${MOAT_SOAK_DEBIAN-}" ]; then
    cp -a "$MOAT_SOAK_DEBIAN" "$BUNDLE/rootfs"
    return
  fi
  [ -n "${MOAT_SOAK-}" ] || skip "only with MOAT_SOAK=1 or MOAT_SOAK_DEBIAN, since packages are fetched"
  command -v mmdebstrap >/dev/null || skip "no mmdebstrap here (./dev setup)"
  # The machine's own sources, so that a mirror configured here serves here too.
  mapfile -t sources < <(find /etc/apt -maxdepth 2 \( -name 'sources.list' -o -name '*.sources' \) -size +0)
  mmdebstrap --quiet --variant=apt --include=tcc,libc6-dev --format=directory "" "$BUNDLE/rootfs" \
    "${sources[@]}" || skip "no Debian mirror can be reached"
}

@test "a Debian runs apt-get and perl, and compiles a program" {
  debian_root
  printf '#include <stdio.h>\nint main(void) { printf("%%d\\n", 6 * 7); return 3; }\n' \
    >"$BUNDLE/rootfs/root/answer.c"
  script 'set -e
    apt-get --version | head -n 1
    perl -e "print join(q(-), map { \$_ * \$_ } 1 .. 4), qq(\n)"
    cd /root
    tcc -o answer answer.c
    exec ./answer'
  config '.linux.resources.memory.limit = 536870912'
  run -3 foreground
  expect_match "${lines[0]}" "apt "
  expect "${lines[1]}" = 1-4-9-16
  expect "${lines[2]}" = 42
}
