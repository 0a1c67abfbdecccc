# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every behaviour test starts with: a bundle with a busybox root in $BUNDLE, an identifier in
# $ID, a state root of the test's own in $ROOT; and at the end a look at what the test left behind.
# A test that leaves a process, a mount, a cgroup or a state file has failed, whatever it checked.

bats_require_minimum_version 1.5.0

load "${BASH_SOURCE[0]%/*}/../lib/rootfs"
load "${BASH_SOURCE[0]%/*}/../lib/obstacle"
load "${BASH_SOURCE[0]%/*}/../lib/expect"

# is_kernel VERSION: the machine's is that or newer.
is_kernel() {
  printf '%s\n%s\n' "$1" "$(uname -r)" | sort --check --version-sort 2>/dev/null
}

# --- the program ------------------------------------------------------------------------------

# bats waits for everyone who holds its descriptor 3. A runtime that falls to an attack may hang: tests/attack/table.
moat() {
  ${MOAT_TEST_PATIENCE:+timeout --foreground --kill-after 5 "$MOAT_TEST_PATIENCE"} "$MOAT" --root "$ROOT" ${MOAT_TEST_MANAGER:+--cgroup-manager "$MOAT_TEST_MANAGER"} "$@" 3>&-
}

# Runs the bundle in the foreground. Arguments are options of `moat run`.
foreground() {
  moat run --bundle "$BUNDLE" "$@" "$ID" </dev/null
}

# Creates the bundle's container without holding on to the test's own descriptors: what it prints
# goes to $OUT and $ERR.
create() {
  moat create --bundle "$BUNDLE" --pid-file "$PID_FILE" "$@" "$ID" </dev/null >"$OUT" 2>"$ERR"
}

# Creates and starts it.
detached() {
  create "$@" && moat start "$ID"
}

# A container that is there until it is killed, for exec to run in.
detached_sleep() {
  args sleep 1000
  detached
}

is_vm() {
  [ "$MOAT_ISOLATION" = vm ]
}

# --- the bundle ---------------------------------------------------------------------------------

# config [JQ-OPTIONS] FILTER: edits config.json.
config() {
  jq "$@" <"$BUNDLE/config.json" >"$BUNDLE/config.json.part"
  mv "$BUNDLE/config.json.part" "$BUNDLE/config.json"
}

# A JSON array of the arguments, whatever they look like.
json_array() {
  jq -nc '$ARGS.positional' --args -- "$@"
}

# The program to run and its arguments.
args() {
  config '.process.args = $ARGS.positional' --args -- "$@"
}

# A shell script to run.
script() {
  args sh -c "$1"
}

# mount_at DESTINATION TYPE SOURCE [OPTION…]: appends to the mounts.
mount_at() {
  local destination=$1 type=$2 source=$3
  shift 3
  config --arg d "$destination" --arg t "$type" --arg s "$source" --argjson o "$(json_array "$@")" \
    '.mounts += [{destination: $d, type: $t, source: $s, options: $o}]'
}

# Everybody may search the way to the test's files.
open_way() {
  local dir=$BUNDLE
  while [ -n "$dir" ] && [ "$dir" != /tmp ]; do
    chmod go+x "$dir"
    dir=${dir%/*}
  done
}

# vcpus_of N: of a machine that is to have N, which are never more than the host has.
vcpus_of() {
  local has
  has=$(nproc --all)
  echo $(($1 < has ? $1 : has))
}

# --- waiting ------------------------------------------------------------------------------------

# eventually SECONDS COMMAND…: until it succeeds. MOAT_TEST_SLOWNESS multiplies, for an emulated host.
eventually() {
  local deadline=$((SECONDS + $1 * ${MOAT_TEST_SLOWNESS:-1}))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then
      return 1
    fi
    sleep 0.05
  done
}

status_of() {
  moat state "$1" | jq -r .status
}

has_status() {
  [ "$(status_of "$ID" 2>/dev/null)" = "$1" ]
}

wait_status() {
  if ! eventually 20 has_status "$1"; then
    echo "'$ID' is still '$(status_of "$ID")', not '$1'"
    return 1
  fi
}

file_contains() {
  grep -qF -- "$2" "$1" 2>/dev/null
}

# expect_end STATUS PID: a command in the background ends, and with that status.
expect_end() {
  local status=0
  wait "$2" || status=$?
  expect "$status" = "$1"
}

# --- saying what was expected -------------------------------------------------------------------

# expect_match TEXT WANTED: WANTED stands somewhere in TEXT, in any case, as callers match.
expect_match() {
  if [[ "${1,,}" != *"${2,,}"* ]]; then
    printf 'expected in it: %s\ngot: %s\n' "$2" "$1"
    return 1
  fi
}

# moat_json TEXT: the configuration of what follows.
moat_json() {
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  echo "$1" >"$MOAT_CONFIG"
}

# Between tests in one isolation only; the reason is printed with the summary.
only_native() {
  ! is_vm || skip "native only: $1"
}

only_vm() {
  is_vm || skip "vm only: $1"
}

# The hypervisor that the suite runs with, where one is named.
driver() {
  case "${MOAT_HYPERVISOR-}" in
    '' | auto | qemu*) echo qemu ;;
    *) basename "$MOAT_HYPERVISOR" ;;
  esac
}

# The virtual machine monitor of the test's container, by its shim.
vmm() {
  local shim
  shim=$(jq .pid "$ROOT/$ID/state.json")
  case $(driver) in
    qemu) pgrep -P "$shim" -f qemu-system ;;
    builtin) pgrep -P "$shim" ;;
    *) pgrep -P "$shim" -f "^$MOAT_HYPERVISOR" ;;
  esac | head -n 1
}

# What a container writes into its root and its volumes is on the host.
shares_files() {
  ! is_vm || [[ $(driver) != firecracker && ${MOAT_SHARE-} != none ]]
}

only_shared() {
  shares_files || skip "shared files only: $1"
}

# not_with DRIVER… REASON: what that virtual machine monitor cannot do.
not_with() {
  local reason=${*: -1}
  ! is_vm || [[ " ${*:1:$#-1} " != *" $(driver) "* ]] || skip "not with $(driver): $reason"
}

# --- before and after ---------------------------------------------------------------------------

setup_file() {
  if [ -z "${MOAT_TEST_ISOLATED-}" ]; then
    echo "run this suite by tests/behaviour/run" >&2
    return 1
  fi
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

# The first virtual machine of a state root says which accelerator it found: not in a test's output.
try_once() {
  if is_vm && [ ! -e "$ROOT" ]; then
    args true
    foreground >"$BATS_RUN_TMPDIR/first.log" 2>&1 || cat "$BATS_RUN_TMPDIR/first.log"
  fi
}

# The configuration that a test starts from, made once a file.
make_config() {
  local file=$BATS_FILE_TMPDIR/config.json
  if [ ! -e "$file" ]; then
    "$MOAT" spec --bundle "$BATS_FILE_TMPDIR"
    jq '.process.terminal = false | .root.readonly = false' <"$file" >"$file.part"
    mv "$file.part" "$file"
  fi
}

# Before and after each test few processes are made: on an emulated host one takes a tenth of a second.
take_stock() {
  MOUNTS_BEFORE=$(mounts_now)
  ORPHANS_BEFORE=$(orphans)
}

setup() {
  take_stock # what is cleaned up after a set-up that goes no further
  ID=t-${BATS_RUN_TMPDIR##*/}-$BATS_SUITE_TEST_NUMBER
  ROOT=$BATS_RUN_TMPDIR/state
  BUNDLE=$BATS_TEST_TMPDIR/bundle
  PID_FILE=$BATS_TEST_TMPDIR/pid
  OUT=$BATS_TEST_TMPDIR/out
  ERR=$BATS_TEST_TMPDIR/err
  skip_impossible
  make_config
  mkdir "$BUNDLE"
  cp -a "$BATS_FILE_TMPDIR/rootfs" "$BATS_FILE_TMPDIR/config.json" "$BUNDLE/"
  try_once
  take_stock
}

teardown() {
  # Without a stock to compare with, everybody's processes would be the test's.
  [ -n "${ID-}" ] || return 0
  if [ -z "$BATS_TEST_COMPLETED" ]; then
    explain
    clean_up
    return
  fi
  if ! expect_nothing_left; then
    clean_up
    return 1
  fi
}

# What a failed test's container last said.
explain() {
  local file
  for file in "$OUT" "$ERR" "$ROOT"/*/log/*; do
    if [ -s "$file" ]; then
      echo "--- ${file##*/}"
      tail -n 30 "$file" | tr -d '\r'
    fi
  done
}

mounts_now() {
  local point
  while read -r _ _ _ _ point _; do
    echo "$point"
  done </proc/self/mountinfo
}

# The lines of the second text that are not in the first, each as often as there are more.
lines_added() {
  local line count
  local -A known=()
  while IFS= read -r line; do
    count=${known[x$line]-0}
    known[x$line]=$((count + 1))
  done <<<"$1"
  while IFS= read -r line; do
    count=${known[x$line]-0}
    if ((count > 0)); then
      known[x$line]=$((count - 1))
    else
      printf '%s\n' "$line"
    fi
  done <<<"$2"
}

# Processes that nobody but the suite's process 1 waits for: what outlived its command. By pid and
# name: bats's own are among them, now running and now asleep.
orphans() {
  local file line name
  for file in /proc/[0-9]*/stat; do
    # Some processes end meanwhile. Fields after the name, which may hold anything: state, parent.
    { read -r line <"$file"; } 2>/dev/null || continue
    name=${line#*\(}
    if [[ ${line##*\) } == [!Z]" 1 "* ]]; then
      echo "${line%% *} ${name%\)*}"
    fi
  done
}

new_orphans() {
  lines_added "$ORPHANS_BEFORE" "$(orphans)"
}

new_mounts() {
  lines_added "$MOUNTS_BEFORE" "$(mounts_now)"
}

our_cgroups() {
  find /sys/fs/cgroup -type d -name "*$ID*" ${MOAT_TEST_NO_UNIFIED:+-not -path "*/unified/*"} 2>/dev/null
}

# remove_cgroups PATTERN: those of that name, and they are gone then. What other tests remove meanwhile makes find
# complain.
remove_cgroups() {
  find /sys/fs/cgroup -depth -type d -name "$1" -exec rmdir {} + 2>/dev/null || true
  expect "$(find /sys/fs/cgroup -type d -name "$1" 2>/dev/null)" = ""
}

# What moat found out about the machine, in @cache, is no container's.
state_files() {
  compgen -G "$ROOT/[!@]*" || true
}

is_all_gone() {
  [ -z "$(state_files)$(new_mounts)$(our_cgroups)$(new_orphans)" ]
}

expect_nothing_left() {
  if eventually 5 is_all_gone; then
    return
  fi
  echo "left behind: state files: $(state_files | xargs)"
  echo "left behind: mounts: $(new_mounts | xargs)"
  echo "left behind: cgroups: $(our_cgroups | xargs)"
  echo "left behind: processes: $(new_orphans | xargs)"
  return 1
}

# Whatever a failed test left must not fail the next one.
clean_up() {
  local dir pid
  for dir in "$ROOT"/[!@]*/; do
    [ ! -d "$dir" ] || moat delete --force "$(basename "$dir")" >/dev/null 2>&1 || true
  done
  for pid in $(new_orphans | awk '{ print $1 }'); do
    kill -KILL "$pid" 2>/dev/null || true
  done
  new_mounts | sort -r | xargs -r -n 1 umount -l 2>/dev/null || true
  our_cgroups | sort -r | xargs -r rmdir 2>/dev/null || true
}

# --- programs of the tests' own -----------------------------------------------------------------

LIBRARY=${BATS_TEST_FILENAME%/*}/../lib

# compile NAME: a static program from tests/lib, beneath the file's directory.
compile() {
  local program=$BATS_FILE_TMPDIR/$1
  [ -x "$program" ] || cc -O1 -static -D_GNU_SOURCE -o "$program" "$LIBRARY/$1.c"
}

needs_compiler() {
  command -v cc >/dev/null || skip "no C compiler for the test's own programs"
}
