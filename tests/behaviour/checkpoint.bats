# SPDX-License-Identifier: Apache-2.0
# checkpoint and restore: what a container has in memory goes on where it was.

load helpers

load checkpoint

obstacle() {
  is_vm || criu_obstacle
}

# A virtual machine that shares files with the host cannot be saved.
if is_vm; then
  export MOAT_SHARE=none
fi

setup_file() {
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
  is_possible || return 0
}

# Paths and flags of what is mounted, in any order.
mounts_of() {
  awk '{ print $5, $6 }' "/proc/$1/mountinfo" | sort
}

@test "a container in a virtual machine is refused, and goes on" {
  only_vm "native containers can be saved"
  detached_sleep
  run -1 save
  expect_match "$output" "checkpoint '$ID': a virtual machine can be neither saved nor restored"
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "a counter goes on where it was" {
  only_native "virtual machines cannot be saved yet"
  counter
  save
  run -1 moat state "$ID"
  expect_match "$output" "does not exist"
  local before
  before=$(count)
  load_saved
  expect "$(status_of "$ID")" = running
  eventually 30 counted_beyond "$before"
  (($(count) < before + 1000))
  moat delete --force "$ID"
}

@test "a restored container is as well hidden as it was" {
  only_native "virtual machines cannot be saved yet"
  counter
  local before
  before=$(mounts_of "$(cat "$PID_FILE")")
  save
  load_saved
  expect "$(mounts_of "$(cat "$PID_FILE")")" = "$before"
  run -1 moat exec "$ID" sh -c 'echo 1 >/proc/sys/vm/swappiness'
  expect "$(moat exec "$ID" cat /proc/timer_list)" = ""
  moat delete --force "$ID"
}

@test "a restored container has its limits, and commands work on it" {
  only_native "virtual machines cannot be saved yet"
  config '.linux.resources.pids.limit = 20'
  counter
  save
  load_saved
  local before
  before=$(count)
  expect "$(moat events --stats "$ID" | jq .data.pids.limit)" = 20
  expect "$(moat exec "$ID" cat /proc/self/cgroup | sort -u -t: -k3 | cut -d: -f3)" = /
  moat pause "$ID"
  expect "$(status_of "$ID")" = paused
  moat resume "$ID"
  eventually 30 counted_beyond "$before"
  moat kill "$ID" KILL
  wait_status stopped
  moat delete "$ID"
}

@test "with --leave-running the container runs on, and there may be a second one" {
  only_native "virtual machines cannot be saved yet"
  counter
  save --leave-running
  expect "$(status_of "$ID")" = running
  local before
  before=$(count)
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
  load_saved
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}

@test "a paused container can be saved" {
  only_native "virtual machines cannot be saved yet"
  counter
  moat pause "$ID"
  save
  local before
  before=$(count)
  load_saved
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}

@test "a pre-dump takes the memory, and the later checkpoint refers to it" {
  only_native "virtual machines cannot be saved yet"
  "$CRIU" check --feature mem_dirty_track >/dev/null 2>&1 || skip "this kernel does not track written memory"
  counter
  moat --criu "$CRIU" checkpoint --image-path "$BATS_TEST_TMPDIR/before" --pre-dump "$ID"
  expect "$(status_of "$ID")" = running
  save --parent-path ../before
  [ -e "$BATS_TEST_TMPDIR/image/parent" ]
  local before
  before=$(count)
  load_saved
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}

@test "output to a file goes on there" {
  only_native "virtual machines cannot be saved yet"
  script 'i=0; while :; do i=$((i + 1)); echo "line $i"; usleep 20000; done'
  detached
  eventually 30 file_contains "$OUT" "line 3"
  save
  local before
  before=$(wc -l <"$OUT")
  load_saved
  eventually 30 file_contains "$OUT" "line $((before + 3))"
  expect "$(grep -c "^line $before$" "$OUT")" = 1
  moat delete --force "$ID"
}

@test "output to a pipe goes on in the pipe that restore has" {
  only_native "virtual machines cannot be saved yet"
  script 'i=0; while :; do i=$((i + 1)); echo "line $i"; usleep 20000; done'
  { moat run --detach --bundle "$BUNDLE" "$ID" </dev/null 2>&1 | cat >"$OUT"; } 3>&- &
  local reader=$!
  eventually 30 file_contains "$OUT" "line 3"
  save
  expect_end 0 "$reader"
  local before
  before=$(wc -l <"$OUT")
  { moat --criu "$CRIU" restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" \
    </dev/null 2>&1 | cat >"$OUT.2"; } 3>&- &
  reader=$!
  eventually 30 file_contains "$OUT.2" "line $((before + 3))"
  ! file_contains "$OUT.2" "line $((before - 1))"
  moat delete --force "$ID"
  expect_end 0 "$reader"
}

asks() {
  [ "$(moat exec "$ID" nc -w 5 127.0.0.1 7000 </dev/null)" = "$1" ]
}

@test "a server listens again on its port" {
  only_native "virtual machines cannot be saved yet"
  script 'n=0; while :; do n=$((n + 1)); echo "answer $n" | nc -l -p 7000; done'
  detached
  moat exec "$ID" ip link set lo up
  eventually 30 asks "answer 1"
  save
  load_saved
  eventually 30 asks "answer 2"
  moat delete --force "$ID"
}

@test "bind mounts and tmpfs are there again" {
  only_native "virtual machines cannot be saved yet"
  echo outside >"$BATS_TEST_TMPDIR/file"
  mount_at /bound bind "$BATS_TEST_TMPDIR/file" bind ro
  mount_at /fresh tmpfs tmpfs
  counter
  moat exec "$ID" sh -c 'echo kept >/fresh/file'
  save
  load_saved
  expect "$(moat exec "$ID" cat /bound /fresh/file)" = "outside
kept"
  run -1 moat exec "$ID" sh -c 'echo >/bound'
  moat delete --force "$ID"
}

# terminal SHOWN STEP…: answers on the console socket, in the background.
terminal() {
  local shown=$1
  shift
  rm -f "$BATS_TEST_TMPDIR/console"
  "$BATS_TEST_DIRNAME/../lib/tty" --socket "$BATS_TEST_TMPDIR/console" "$@" >"$shown" 2>&1 3>&- &
  eventually 30 test -S "$BATS_TEST_TMPDIR/console"
}

@test "a terminal is sent to the console socket again" {
  only_native "virtual machines cannot be saved yet"
  config '.process.terminal = true'
  script 'echo up; while read line; do echo "got $line"; done'
  terminal "$OUT.1" expect=up 'send=one\n'
  create --console-socket "$BATS_TEST_TMPDIR/console"
  moat start "$ID"
  eventually 30 file_contains "$OUT.1" "got one"
  save
  wait $!
  terminal "$OUT.2" 'send=two\n'
  load_saved --console-socket "$BATS_TEST_TMPDIR/console"
  eventually 30 file_contains "$OUT.2" "got two"
  moat delete --force "$ID"
  wait $!
}

@test "in the foreground restore ends with the program's status" {
  only_native "virtual machines cannot be saved yet"
  script 'while [ ! -e /tmp/end ]; do usleep 20000; done; exit 7'
  detached
  save
  touch "$BUNDLE/rootfs/tmp/end"
  local status=0
  moat --criu "$CRIU" restore --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" \
    </dev/null >>"$OUT" 2>>"$ERR" || status=$?
  expect "$status" = 7
  run -1 moat state "$ID"
}

@test "what was not started or has ended cannot be saved" {
  only_native "virtual machines are refused anyhow"
  args sleep 1000
  create
  run -1 save
  expect_match "$output" "container cannot be checkpointed in created state"
  moat kill "$ID" KILL
  wait_status stopped
  run -1 save
  expect_match "$output" "container cannot be checkpointed in stopped state"
  moat delete "$ID"
}

@test "files that are none leave nothing behind, and say why" {
  only_native "virtual machines are refused anyhow"
  mkdir "$BATS_TEST_TMPDIR/image"
  run -1 load_saved
  expect_match "$(cat "$ERR")" "descriptors.json': No such file or directory"
  echo '["","",""]' >"$BATS_TEST_TMPDIR/image/descriptors.json"
  run -1 load_saved
  expect_match "$(cat "$ERR")" "criu: Error"
  expect_match "$(cat "$ERR")" "its log: '$BATS_TEST_TMPDIR/image/restore.log'"
  run -1 moat state "$ID"
  expect_match "$output" "does not exist"
}

@test "without criu the container goes on, and the error names the program" {
  only_native "virtual machines are refused anyhow"
  detached_sleep
  run -1 moat --criu /none/criu checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  expect_match "$output" "execute '/none/criu': No such file or directory"
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}
