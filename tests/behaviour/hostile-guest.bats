# SPDX-License-Identifier: Apache-2.0
# The boundary between guest and host, with a guest that means ill: it breaks every protocol, at every
# moment, and no command hangs, crashes, grows or leaves anything behind. No machine is booted: the
# guest and its VMM are tests/lib/fake-vmm.c. There are some hundred cases: MOAT_HOSTILE_STRIDE=1 tries
# all of them, instead of one in 11.

load helpers
load ../lib/fake-guest

obstacle() {
  is_vm || echo "vm only: natively there is no guest"
  missing cc
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  use_fake_guest "$BATS_FILE_TMPDIR/fake"
}

# Nothing else is found out about this machine.
try_once() {
  :
}

readonly MOMENTS=(
  start greet connect stdio Check CreateSandbox CreateContainer WaitProcess StartContainer
  ExecProcess SignalProcess DestroySandbox StatsContainer ListProcesses
)
readonly CALLS=("${MOMENTS[@]:4}")

# What a case may take. A command that waits for a guest which says nothing has time-outs of its own.
readonly SECONDS_MAX=60
readonly SHIM_MAX_KIB=8192   # of the shim's memory; 1.2 MiB with a guest that behaves
readonly COMMAND_MAX_KIB=$((512 * 1024)) # of address space of each process

# --- a container's life with such a guest -----------------------------------------------------

# attempt COMMAND…: $status; whatever it says is one message that a terminal can show.
attempt() {
  status=0
  tell_fake_guest
  rm -f "$BATS_TEST_TMPDIR/said" # a shim goes on writing to its own
  (
    [ -n "${MOAT_TEST_SANITIZED-}" ] || ulimit -v "$COMMAND_MAX_KIB"
    exec timeout -s KILL "${LIMIT:-$SECONDS_MAX}" "$MOAT" --root "$ROOT" "$@"
  ) </dev/null >"$OUT" 2>"$BATS_TEST_TMPDIR/said" 3>&- || status=$?
  cat "$BATS_TEST_TMPDIR/said" >>"$ERR"
  if ((status == 124 || status == 137 && ${ENDS_BY_KILL:-0} == 0)); then
    echo "$1: no end in ${LIMIT:-$SECONDS_MAX} s"
    return 1
  fi
  if ((status >= 128 && status != 137 && status != 143 && status != 255)); then
    echo "$1: crashed with status $status"
    return 1
  fi
  expect_clear_message "$1"
}

# The shim of a container has the command's standard error: it may add why the VM ended.
expect_clear_message() {
  local said=$BATS_TEST_TMPDIR/said
  if ((status != 0)) && [[ ! -s $said && $1 != run && $1 != exec ]]; then
    echo "$1: failed with $status and said nothing"
    return 1
  fi
  if (($(stat -c %s "$said") > 4096)) || (($(grep -c '^moat: ' "$said") > 2)); then
    echo "$1: said too much: $(head -c 3000 "$said" | cat -v)"
    return 1
  fi
  if grep -qa 'Assertion\|Sanitizer\|runtime error' "$said" ||
    LC_ALL=C grep -qaP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$said" ||
    ! iconv -f utf-8 -t utf-8 "$said" >/dev/null 2>&1; then
    echo "$1: said: $(head -c 3000 "$said" | cat -v)"
    return 1
  fi
}

is_known() {
  [ -e "$ROOT/$ID/state.json" ]
}

expect_small_shim() {
  local most=0
  [ ! -s "$FAKE_REPORT" ] || most=$(cat "$FAKE_REPORT")
  if [ -z "${MOAT_TEST_SANITIZED-}" ] && ((most > SHIM_MAX_KIB)); then
    echo "the shim grew to $most KiB"
    return 1
  fi
}

# live GUEST: everything there is to do with a container, each command after the other.
live() {
  export FAKE_GUEST=$1
  : >"$ERR"
  rm -f "$FAKE_REPORT"
  attempt create --bundle "$BUNDLE" --pid-file "$PID_FILE" "$ID" || return
  if ((status != 0)); then
    # It must have cleaned up by itself.
    expect_nothing_left && expect_small_shim
    return
  fi
  attempt start "$ID" && attempt exec "$ID" true && attempt ps "$ID" &&
    attempt events --stats "$ID" && attempt update --pids-limit 100 "$ID" && attempt kill "$ID" TERM &&
    attempt state "$ID" && attempt delete --force "$ID" && expect "$status" = 0 &&
    expect_nothing_left && expect_small_shim
}

# each_life GUEST…: one in so many of these lives, each beginning where the last one's test ended.
each_life() {
  local guest failures=0 count=0 stride=${MOAT_HOSTILE_STRIDE:-11} n=0
  export FAKE_REPORT=$BATS_TEST_TMPDIR/report
  for guest in "$@"; do
    ((n++ % stride == 0)) || continue
    count=$((count + 1))
    if ! live "$guest" >"$BATS_TEST_TMPDIR/why" 2>&1; then
      echo "$guest: $(cat "$BATS_TEST_TMPDIR/why")"
      clean_up
      ((++failures < 20)) || break
    fi
  done
  echo "$count lives of $#"
  ((failures == 0 && count > 0))
}

# pairs DEED… -- MOMENT…: each at each.
pairs() {
  local deeds=() deed moment
  while [[ $1 != -- ]]; do
    deeds+=("$1")
    shift
  done
  shift
  for moment in "$@"; do
    for deed in "${deeds[@]}"; do
      echo "$moment:$deed"
    done
  done
}

@test "a guest that behaves is served" {
  args sleep 1000
  export FAKE_REPORT=$BATS_TEST_TMPDIR/report
  live start:flood-qmp
  expect "$(cat "$ERR")" = ""
  [ -s "$FAKE_REPORT" ]
  FAKE_GUEST='' FAKE_EXIT=7 attempt run --bundle "$BUNDLE" "$ID"
  expect "$status" = 7
  expect "$(cat "$OUT")" = hello
}

@test "a guest that ends, or hangs up, at each moment" {
  args sleep 1000
  mapfile -t lives < <(pairs exit kill hang-up half-close last-words -- "${MOMENTS[@]}")
  each_life "${lives[@]}"
}

@test "a guest that breaks the channel's protocol at each moment" {
  args sleep 1000
  mapfile -t lives < <(pairs garbage zeros version type go-away go-away-error open open-ours \
    open-zero pings acknowledge stranger widen exceed exceed-at-once -- "${MOMENTS[@]}")
  each_life "${lives[@]}"
}

@test "a guest that ends, resets and goes on with streams as it likes" {
  args sleep 1000
  mapfile -t lives < <(pairs reset reset-all finish-all finish-and-send -- "${MOMENTS[@]:2}")
  each_life "${lives[@]}"
}

@test "a guest that does not know how a connection begins" {
  args sleep 1000
  mapfile -t lives < <(pairs line-garbage line-long line-large line-negative line-zero line-evil \
    line-more -- connect stdio)
  MOAT_HOSTILE_STRIDE=1 each_life "${lives[@]}"
}

@test "a guest whose answers are none" {
  args sleep 1000
  mapfile -t lives < <(pairs error error-code twice other-call even-call request data odd-type \
    bad-envelope bad-message empty too-long longest status-large -- "${CALLS[@]}")
  each_life "${lives[@]}"
}

@test "a guest that counts without end" {
  args sleep 1000
  mapfile -t lives < <(
    pairs counts deep-counts -- StatsContainer Check
    pairs list-evil list-deep list-long -- ListProcesses
  )
  MOAT_HOSTILE_STRIDE=1 each_life "${lives[@]}"
}

@test "a guest that floods what there is to flood" {
  args sleep 1000
  mapfile -t lives < <(pairs flood-stdin flood-stdout flood-stderr flood-console flood-log flood-qmp -- \
    StartContainer +StartContainer)
  MOAT_HOSTILE_STRIDE=1 each_life "${lives[@]}"
}

@test "an output that goes on after its process ended is cut off, and the status counts" {
  args sleep 1000
  export FAKE_GUEST=WaitProcess:flood-after-end FAKE_REPORT=$BATS_TEST_TMPDIR/report
  OUT=/dev/null attempt run --bundle "$BUNDLE" "$ID"
  expect "$status" = 5
  expect_small_shim
}

# Everything that such a guest sends in the life of a container, cut at one byte after the other.
@test "a guest that goes away in the middle of what it says" {
  local cut deed failures=0
  args sleep 1000
  export FAKE_REPORT=$BATS_TEST_TMPDIR/report
  for ((cut = 0; cut < 1100; cut += ${MOAT_HOSTILE_STRIDE:-37})); do
    deed=$( ((cut % 2)) && echo exit || echo half-close)
    export FAKE_CUT=$cut:$deed
    if ! live '' >"$BATS_TEST_TMPDIR/why" 2>&1; then
      echo "$FAKE_CUT: $(cat "$BATS_TEST_TMPDIR/why")"
      clean_up
      ((++failures < 20)) || break
    fi
  done
  ((failures == 0))
}

# --- silence ----------------------------------------------------------------------------------

# A life of its own beside others, in $dir; what is left of all of them is looked at once.
live_beside() {
  local guest=$1 dir=$BATS_TEST_TMPDIR/silent-${1/:/-}
  mkdir "$dir"
  ID=$ID-${guest/:/-} OUT=$dir/out ERR=$dir/err PID_FILE=$dir/pid FAKE_GUEST=$guest
  BATS_TEST_TMPDIR=$dir FAKE_REPORT=$dir/report LIMIT=100
  export FAKE_GUEST FAKE_REPORT
  : >"$ERR"
  if [[ $guest == SignalProcess:* ]]; then
    attempt create --bundle "$BUNDLE" "$ID" && expect "$status" = 0 && attempt start "$ID" &&
      attempt kill "$ID" KILL && expect "$status" = 0 && attempt delete --force "$ID"
  elif [[ $guest == ExecProcess:* ]]; then
    attempt create --bundle "$BUNDLE" "$ID" && expect "$status" = 0 && attempt start "$ID" &&
      attempt exec "$ID" true && expect "$status" = 255 && attempt delete --force "$ID"
  else
    attempt run --bundle "$BUNDLE" "$ID" && expect "$status" = 1
    expect_match "$(cat "$ERR")" "no answer in" && expect_small_shim
  fi
}

@test "a guest that says nothing more is waited for as long as was said, and no longer" {
  local guest pids=() guests failures=0 i
  args sleep 1000
  mapfile -t guests < <(pairs silence deaf -- greet connect Check CreateSandbox CreateContainer \
    StartContainer SignalProcess ExecProcess
    pairs nothing -- CreateContainer)
  for guest in "${guests[@]}"; do
    live_beside "$guest" >"$BATS_TEST_TMPDIR/${guest/:/-}.why" 2>&1 &
    pids+=($!)
  done
  for i in "${!pids[@]}"; do
    if ! wait "${pids[i]}"; then
      echo "${guests[i]}: $(cat "$BATS_TEST_TMPDIR/${guests[i]/:/-}.why")"
      failures=$((failures + 1))
    fi
  done
  ((failures == 0))
}

# --- what only adds up --------------------------------------------------------------------------

@test "streams that only the guest keeps open do not add up in the shim" {
  local shim before after i
  detached_sleep
  shim=$(cat "$PID_FILE")
  moat exec "$ID" true </dev/null >/dev/null
  before=$(find "/proc/$shim/fd" -mindepth 1 | wc -l)
  for ((i = 0; i < 20; i++)); do
    moat exec "$ID" true </dev/null >/dev/null
  done
  after=$(find "/proc/$shim/fd" -mindepth 1 | wc -l)
  expect "$after" -le $((before + 4))
  moat delete --force "$ID"
}
