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
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

# Paths and flags of what is mounted, in any order.
mounts_of() {
  awk '{ print $5, $6 }' "/proc/$1/mountinfo" | sort
}

@test "a counter goes on where it was" {
  counter
  local before
  before=$(count)
  save
  run -1 moat state "$ID"
  expect_match "$output" "does not exist"
  load_saved
  expect "$(status_of "$ID")" = running
  eventually 30 counted_beyond "$before"
  (($(count) < before + 1000))
  moat delete --force "$ID"
}

@test "a restored container is as well hidden as it was" {
  only_native "a guest's mounts are seen in the guest, which goes on"
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
  not_with firecracker "a machine that was saved does not go on where it was"
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
  counter
  local before
  before=$(count)
  moat pause "$ID"
  save
  load_saved
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}

@test "a pre-dump takes the memory, and the later checkpoint refers to it" {
  only_native "a virtual machine is saved as a whole"
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
  script 'n=0; while :; do n=$((n + 1)); echo "answer $n" | nc -l -p 7000; done'
  detached
  is_vm || moat exec "$ID" ip link set lo up
  eventually 30 asks "answer 1"
  save
  load_saved
  eventually 30 asks "answer 2"
  moat delete --force "$ID"
}

@test "bind mounts and tmpfs are there again" {
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
  script 'while [ ! -e /tmp/end ]; do usleep 20000; done; exit 7'
  detached
  save
  moat --criu "$CRIU" restore --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" \
    </dev/null >>"$OUT" 2>>"$ERR" 3>&- &
  local restore=$!
  wait_status running
  moat exec "$ID" touch /tmp/end || true # it may end with the container
  expect_end 7 "$restore"
  run -1 moat state "$ID"
}

@test "what was not started or has ended cannot be saved" {
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
  only_native "a virtual machine's files are others"
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
  only_native "a virtual machine is saved without it"
  detached_sleep
  run -1 moat --criu /none/criu checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  expect_match "$output" "execute '/none/criu': No such file or directory"
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "a virtual machine that shares files with the host is refused, with the cure, and goes on" {
  only_vm "natively all files are the host's"
  not_with firecracker "it shares no files"
  MOAT_SHARE=$([ "$(driver)" = qemu ] && echo 9p || echo virtiofs) detached_sleep
  run -1 save
  expect_match "$output" "a virtual machine that shares files with the host cannot be saved"
  expect_match "$output" "hint: with vm.share 'none' in moat.json one shares nothing"
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "a hook that fails at restore ends that, with its name, and nothing is left" {
  config --arg image "$BATS_TEST_TMPDIR/image" \
    '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "[ ! -e \($image) ]"]}]'
  counter
  save
  run -1 load_saved
  expect_match "$(tail -n 1 "$ERR")" "hooks.createRuntime[0]"
  run -1 moat state "$ID"
  expect_match "$output" "does not exist"
}

@test "a process of exec goes on where it was, and is not in what is restored" {
  not_with firecracker "a machine that was saved does not go on where it was"
  counter
  moat exec "$ID" sh -c 'echo up; exec sleep 1234' </dev/null >"$OUT.exec" 2>&1 3>&- &
  local exec=$!
  eventually 30 file_contains "$OUT.exec" up
  save --leave-running
  expect_match "$(moat exec "$ID" ps)" "sleep 1234"
  kill -0 "$exec"
  moat delete --force "$ID"
  wait "$exec" || true
  load_saved
  run -0 moat exec "$ID" ps
  [[ "$output" != *"sleep 1234"* ]]
  moat delete --force "$ID"
}

@test "less than a whole virtual machine cannot be saved" {
  only_vm "native containers can be saved in parts"
  detached_sleep
  local option
  for option in --pre-dump --parent-path=../before --page-server=127.0.0.1:1 --lazy-pages --empty-ns=network; do
    run -1 save "$option"
    expect_match "$output" "option '${option%=*}': a virtual machine is saved as a whole"
  done
  [ ! -e "$BATS_TEST_TMPDIR/image" ]
  moat exec "$ID" true
  moat delete --force "$ID"
}

@test "one image goes on under two names, each with its own disk, random numbers, and the host's time" {
  only_vm "natively both would have the same files"
  counter
  local before boot
  before=$(count)
  boot=$(moat exec "$ID" cat /proc/sys/kernel/random/boot_id)
  save --tcp-established --file-locks --ext-unix-sk --shell-job
  mv "$BATS_TEST_TMPDIR/image" "$BATS_TEST_TMPDIR/moved"
  local id
  for id in "$ID-a" "$ID-b"; do
    moat restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/moved" "$id" </dev/null >>"$OUT" 2>>"$ERR"
    eventually 30 counted_beyond "$before" "$id"
    expect "$(moat exec "$id" cat /proc/sys/kernel/random/boot_id)" = "$boot"
    moat exec "$id" sh -c "echo $id >/mine"
  done
  expect "$(moat exec "$ID-a" cat /mine)" = "$ID-a"
  [ "$(moat exec "$ID-a" cat /proc/sys/kernel/random/uuid)" != "$(moat exec "$ID-b" cat /proc/sys/kernel/random/uuid)" ]
  local now
  now=$(moat exec "$ID-a" date +%s)
  ((now >= $(date +%s) - 60 && now <= $(date +%s)))
  moat delete --force "$ID-a"

  before=$(count "$ID-b")
  moat checkpoint --image-path "$BATS_TEST_TMPDIR/again" "$ID-b"
  moat restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/again" "$ID" </dev/null >>"$OUT" 2>>"$ERR"
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}

@test "what is no saved virtual machine leaves nothing behind, and says why" {
  only_vm "native containers have other files"
  run -1 load_saved
  expect_match "$(cat "$ERR")" "open '$BATS_TEST_TMPDIR/image': No such file or directory"
  mkdir "$BATS_TEST_TMPDIR/image"
  run -1 load_saved
  expect_match "$(cat "$ERR")" "image: read 'vm.json': No such file or directory"
  echo '{"version": 99}' >"$BATS_TEST_TMPDIR/image/vm.json"
  run -1 load_saved
  expect_match "$(cat "$ERR")" "vm.json: version 99 is not one that this moat knows (1)"
  detached_sleep
  save
  jq '.kernel = "1.2.3"' <"$BATS_TEST_TMPDIR/image/vm.json" >"$BATS_TEST_TMPDIR/image/part"
  cp "$BATS_TEST_TMPDIR/image/vm.json" "$BATS_TEST_TMPDIR/good"
  mv "$BATS_TEST_TMPDIR/image/part" "$BATS_TEST_TMPDIR/image/vm.json"
  run -1 load_saved
  expect_match "$(cat "$ERR")" "it was saved with guest kernel '1.2.3'"
  mv "$BATS_TEST_TMPDIR/good" "$BATS_TEST_TMPDIR/image/vm.json"
  # One file, or a directory of some.
  find "$BATS_TEST_TMPDIR/image/vm.state" -type f -exec truncate -s 1M {} +
  run -1 load_saved
  expect_match "$(cat "$ERR")" "virtual machine: "
  run -1 moat state "$ID"
  expect_match "$output" "does not exist"
}

@test "a checkpoint that is killed leaves no image that could be restored, and resume cures the container" {
  only_vm "natively that is criu's affair"
  counter
  local before
  before=$(count)
  "$MOAT" --root "$ROOT" checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID" 3>&- &
  local checkpoint=$!
  eventually 30 test -e "$BATS_TEST_TMPDIR/image/vm.state"
  kill -KILL "$checkpoint"
  expect_end 137 "$checkpoint"
  [ ! -e "$BATS_TEST_TMPDIR/image/vm.json" ]
  expect "$(status_of "$ID")" = paused
  moat resume "$ID"
  eventually 30 counted_beyond "$before"
  save
  load_saved
  eventually 30 counted_beyond "$before"
  moat delete --force "$ID"
}
