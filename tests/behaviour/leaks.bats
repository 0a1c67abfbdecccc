# SPDX-License-Identifier: Apache-2.0
# Container after container, and the machine is as it was. MOAT_LEAK_CYCLES=1000 makes more of them.

load helpers

cycles() {
  if is_vm; then
    echo "${MOAT_LEAK_CYCLES_VM:-2}"
  else
    echo "${MOAT_LEAK_CYCLES:-100}"
  fi
}

# The kernel's own counts, of the whole machine. What a container had is freed a moment after it.
census() {
  awk '!/^#/ { print "cgroups:" $1, $3 }' /proc/cgroups 2>/dev/null
  awk '$1 == "nr_dying_descendants" { print "cgroups:dying", $2 }' /sys/fs/cgroup/cgroup.stat 2>/dev/null
  awk '$1 ~ /^(net|pid)_namespace$|^mem_cgroup$/ { print "objects:" $1, $2 }' /proc/slabinfo 2>/dev/null
  echo "keys $(wc -l </proc/keys)"
  echo "mounts $(wc -l </proc/self/mountinfo)"
  echo "files $(cut -f 1 /proc/sys/fs/file-nr)"
  echo "processes $(awk '{ print $4 }' /proc/loadavg | cut -d / -f 2)"
}

# Others work on the machine too, but a leak is one a cycle.
grown_by() {
  census | sort | join "$BATS_TEST_TMPDIR/census" - | awk -v most="$1" '$3 - $2 > most'
}

has_grown_by_less() {
  [ -z "$(grown_by "$1")" ]
}

expect_no_growth() {
  local most=$(($(cycles) / 2))
  if ! is_vm && ! eventually 30 has_grown_by_less "$most"; then
    echo "more than $most in $(cycles) cycles (before, after):"
    grown_by "$most"
    return 1
  fi
  expect_nothing_left
}

# Each with a name of its own: what is left of one is not overwritten by the next.
each_cycle() {
  local cycle
  census | sort >"$BATS_TEST_TMPDIR/census"
  for ((cycle = 1; cycle <= $(cycles); cycle++)); do
    "$@" "$ID-$cycle" </dev/null >"$OUT" 2>"$ERR" 3>&- || return
  done
}

create_start_delete() {
  "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$1" &&
    "$MOAT" --root "$ROOT" start "$1" &&
    "$MOAT" --root "$ROOT" delete --force "$1"
}

create_and_delete() {
  "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$1" && "$MOAT" --root "$ROOT" delete "$1"
}

run_to_the_end() {
  "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$1"
}

# A program that does not exist is found out in the middle of create.
create_in_vain() {
  ! "$MOAT" --root "$ROOT" create --bundle "$BUNDLE" "$1"
}

exec_in() {
  "$MOAT" --root "$ROOT" exec "$ID" true
}

@test "create, start and delete, again and again, leave nothing" {
  args sleep 1000
  each_cycle create_start_delete
  expect_no_growth
}

@test "create and delete, again and again, leave nothing" {
  args sleep 1000
  each_cycle create_and_delete
  expect_no_growth
}

@test "run, again and again, leaves nothing" {
  args true
  each_cycle run_to_the_end
  expect_no_growth
}

@test "creates that fail, again and again, leave nothing" {
  args /no/such/program
  each_cycle create_in_vain
  expect_no_growth
}

@test "exec, again and again, leaves nothing" {
  detached_sleep
  each_cycle exec_in
  expect "$(moat ps --format json "$ID" 2>/dev/null | jq length)" = 1
  moat delete --force "$ID"
  expect_no_growth
}
