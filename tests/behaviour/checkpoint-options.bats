# SPDX-License-Identifier: Apache-2.0
# checkpoint and restore: what a container may have that is saved only where the caller wishes that.

load helpers
load checkpoint

obstacle() {
  if is_vm; then
    echo "native only: CRIU is not asked for virtual machines"
  else
    criu_obstacle
  fi
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

# Without the option it is not saved, the reason is told, and the container goes on.
refused() {
  run -1 save
  expect_match "$output" "criu: Error"
  expect "$(status_of "$ID")" = running
  rm -r "$BATS_TEST_TMPDIR/image"
}

# A network namespace that is nobody's, in $NETWORK.
make_network() {
  unshare --net sleep 1000 3>&- &
  HOLDER=$!
  NETWORK=/proc/$HOLDER/ns/net
  is_other() {
    [ "$(readlink "$NETWORK")" != "$(readlink /proc/self/ns/net)" ]
  }
  eventually 10 is_other
  nsenter --net="$NETWORK" ip link set lo up
  config --arg p "$NETWORK" '.linux.namespaces |= map(if .type == "network" then .path = $p else . end)'
}

end_network() {
  kill "$HOLDER"
  wait "$HOLDER" || true
}

@test "a connection goes on with --tcp-established, and is refused without" {
  "$CRIU" check --feature tcp_half_closed >/dev/null 2>&1 || skip "this kernel cannot save connections"
  make_network
  script 'nc -l -p 7000 -e sh -c "while read line; do echo got \$line; done"'
  detached
  mkfifo "$BATS_TEST_TMPDIR/said"
  nsenter --net="$NETWORK" busybox nc 127.0.0.1 7000 <"$BATS_TEST_TMPDIR/said" >"$BATS_TEST_TMPDIR/heard" 3>&- &
  local client=$!
  exec 7>"$BATS_TEST_TMPDIR/said"
  echo one >&7
  eventually 20 file_contains "$BATS_TEST_TMPDIR/heard" "got one"
  refused
  save --tcp-established
  echo two >&7 # who is not there for now
  load_saved --tcp-established
  echo three >&7
  eventually 20 file_contains "$BATS_TEST_TMPDIR/heard" "got three"
  expect "$(xargs <"$BATS_TEST_TMPDIR/heard")" = "got one got two got three"
  exec 7>&-
  moat delete --force "$ID"
  wait "$client" || true
  end_network
}

@test "a lock goes on with --file-locks, and is refused without" {
  command -v cc >/dev/null || skip "no cc here (./dev setup --test)"
  [ "$(uname -m)" = x86_64 ] || skip "the system call has its number of x86_64"
  cc -std=gnu17 -O1 -static -o "$BUNDLE/rootfs/call" "$BATS_TEST_DIRNAME/../lib/call.c"
  # flock(2) of what the shell has open, exclusively.
  script 'exec 9>/tmp/lock; /call 73 9 2; echo locked; while :; do sleep 0.05; done'
  detached
  eventually 20 file_contains "$OUT" locked
  refused
  save --file-locks
  run -0 flock --nonblock "$BUNDLE/rootfs/tmp/lock" true
  load_saved --file-locks
  run -1 flock --nonblock "$BUNDLE/rootfs/tmp/lock" true
  moat delete --force "$ID"
}

# on_terminal SHOWN COMMAND…: in the background, on a terminal that is there until $SHOWN.end is. What is typed is $TYPED.
on_terminal() {
  local shown=$1
  shift
  # shellcheck disable=SC2016 # the shell inside expands it
  "$BATS_TEST_DIRNAME/../lib/tty" "send=$TYPED\n" -- sh -c \
    '"$@"; while [ ! -e "$0" ]; do sleep 0.1; done' "$shown.end" "$@" >"$shown" 2>&1 </dev/null 3>&- &
}

end_terminal() {
  touch "$1.end"
  wait "$2" || true
}

@test "a program on its caller's terminal goes on on the next one with --shell-job, and is refused without" {
  script 'while read line; do echo "got $line"; done'
  TYPED=one on_terminal "$OUT.1" "$MOAT" --root "$ROOT" run --detach --bundle "$BUNDLE" "$ID"
  local first=$! second
  eventually 30 file_contains "$OUT.1" "got one"
  refused
  save --shell-job
  end_terminal "$OUT.1" "$first"
  TYPED=two on_terminal "$OUT.2" "$MOAT" --root "$ROOT" --criu "$CRIU" restore --detach --shell-job \
    --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  second=$!
  eventually 30 file_contains "$OUT.2" "got two"
  moat delete --force "$ID"
  end_terminal "$OUT.2" "$second"
}

# Who is spoken to by a socket of the host's. CRIU looks for it by the name to which it is bound.
start_listener() {
  mkdir -p "$BATS_TEST_TMPDIR/listener/dev"
  nsenter --net="$NETWORK" python3 - "$BATS_TEST_TMPDIR/listener" >"$BATS_TEST_TMPDIR/heard" 3>&- <<'PYTHON' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
os.chroot(sys.argv[1])
s.bind("/dev/log")
while True:
    os.write(1, s.recv(4096) + b"\n")
PYTHON
  LISTENER=$!
  eventually 20 test -S "$BATS_TEST_TMPDIR/listener/dev/log"
}

heard_more_than() {
  (($(wc -l <"$BATS_TEST_TMPDIR/heard") > $1))
}

@test "a socket of the host's is spoken to again with --ext-unix-sk, and is refused without" {
  command -v python3 >/dev/null || skip "there is no python3 to listen"
  make_network # CRIU sees sockets of the container's network namespace
  start_listener
  mount_at /dev/log bind "$BATS_TEST_TMPDIR/listener/dev/log" bind
  script 'while :; do echo word; sleep 0.05; done | logger -t talker'
  detached
  eventually 20 heard_more_than 2
  refused
  save --ext-unix-sk
  local before
  before=$(wc -l <"$BATS_TEST_TMPDIR/heard")
  load_saved --ext-unix-sk
  eventually 20 heard_more_than $((before + 2))
  moat delete --force "$ID"
  kill "$LISTENER"
  wait "$LISTENER" || true
  end_network
}

# In the container's network, to which the container has no rights.
address() {
  nsenter --net="/proc/$(cat "$PID_FILE")/ns/net" sh -c 'ip link set lo up; ip address add 10.9.8.7/32 dev lo'
}

@test "with --empty-ns the network starts anew" {
  counter
  address
  save --empty-ns network
  load_saved --empty-ns network
  run -0 moat exec "$ID" ip address
  [[ "$output" != *10.9.8.7* ]]
  expect_match "$output" "lo:"
  moat delete --force "$ID"
}

@test "without --empty-ns the network is as it was" {
  counter
  address
  save
  load_saved
  run -0 moat exec "$ID" ip address
  expect_match "$output" 10.9.8.7/32
  moat delete --force "$ID"
}

@test "a container with a user namespace goes on in one" {
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
  open_way
  chown -R 100000:100000 "$BUNDLE/rootfs"
  counter
  save
  local before
  before=$(count)
  load_saved
  eventually 30 counted_beyond "$before"
  expect "$(moat exec "$ID" cat /proc/self/uid_map | xargs)" = "0 100000 65536"
  expect "$(stat -c %u "/proc/$(cat "$PID_FILE")")" = 100000
  moat delete --force "$ID"
}

@test "a profile that is said wrongly is refused, and nothing is left" {
  counter
  save
  run -1 load_saved --lsm-profile apparmor
  expect_match "$(tail -n 1 "$ERR")" "invalid argument apparmor for --lsm-profile"
  run -1 moat state "$ID"
  expect_match "$output" "does not exist"
}
