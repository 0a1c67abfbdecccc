# SPDX-License-Identifier: Apache-2.0
# What a process finds around it: variables, standard descriptors, and those that are passed on.

load helpers

@test "of a variable that is given twice the last counts" {
  config '.process.env = ["PATH=/bin", "A=1", "B=2", "A=3"]'
  args env
  run -0 foreground
  expect_match "$output" "A=3"
  [[ "$output" != *A=1* ]]
}

@test "an empty HOME is looked up like a missing one" {
  config '.process.env = ["PATH=/bin", "HOME="]'
  script 'echo "$HOME"'
  run -0 foreground
  expect "$output" = /root
}

@test "a passwd file that is a pipe does not hold anybody up" {
  rm "$BUNDLE/rootfs/etc/passwd"
  mkfifo "$BUNDLE/rootfs/etc/passwd"
  config '.process.env = ["PATH=/bin"]'
  script 'echo "$HOME"'
  run -0 foreground
  expect "$output" = /
}

@test "passwd is the container's own, whatever its links say" {
  echo 'root:x:0:0:root:/from/the/host:/bin/sh' >"$BATS_TEST_TMPDIR/passwd"
  ln -sf "$BATS_TEST_TMPDIR/passwd" "$BUNDLE/rootfs/etc/passwd"
  config '.process.env = ["PATH=/bin"]'
  script 'echo "$HOME"'
  run -0 foreground
  expect "$output" = /
}

@test "a variable without a name or without a value is refused" {
  args true
  for entry in =x NAME; do
    config --arg e "$entry" '.process.env = ["PATH=/bin", $e]'
    run ! foreground
    expect_match "$output" "invalid environment variable"
  done
}

@test "exec has HOME of its user" {
  detached_sleep
  run -0 moat exec --user 1000 "$ID" sh -c 'echo "$HOME"' </dev/null
  expect "$output" = /home/guest
  moat delete --force "$ID"
}

@test "the host's /dev/null becomes the container's own" {
  only_native "a guest's process never has the host's"
  script 'echo mine >/tmp/x; stat -L -c "%d:%i" /proc/self/fd/0; stat -c "%d:%i" /dev/null'
  run -0 foreground
  expect "${lines[0]}" = "${lines[1]}"
}

@test "closed standard descriptors of the caller are /dev/null, never a file of the runtime's" {
  script 'readlink /proc/self/fd/0; readlink /proc/self/fd/2; ls /proc/self/fd | xargs'
  run -0 sh -c '"$0" --root "$1" run --bundle "$2" "$3" <&- 2>&- 3>&-' "$MOAT" "$ROOT" "$BUNDLE" "$ID"
  if is_vm; then
    expect "${lines[2]}" = "0 1 2 3"
    return
  fi
  expect "${lines[0]}" = /dev/null
  expect "${lines[1]}" = /dev/null
  expect "${lines[2]}" = "0 1 2 3"
}

@test "preserved descriptors reach the process, and one that is not there is an error" {
  only_native "a virtual machine cannot be given descriptors"
  echo three >"$BATS_TEST_TMPDIR/three"
  echo four >"$BATS_TEST_TMPDIR/four"
  script 'cat <&3; cat <&4; ls /proc/self/fd | xargs'
  run -0 sh -c '"$0" --root "$1" run --bundle "$2" --preserve-fds 2 "$3" 3<"$4" 4<"$5" </dev/null' \
    "$MOAT" "$ROOT" "$BUNDLE" "$ID" "$BATS_TEST_TMPDIR/three" "$BATS_TEST_TMPDIR/four"
  expect "${lines[0]}" = three
  expect "${lines[1]}" = four
  expect "${lines[2]}" = "0 1 2 3 4 5"
  run ! sh -c '"$0" --root "$1" run --bundle "$2" --preserve-fds 2 "$3" 3<"$4" 4<&- </dev/null' \
    "$MOAT" "$ROOT" "$BUNDLE" "$ID" "$BATS_TEST_TMPDIR/three"
  expect_match "$output" "unable to stat preserved-fd 1 (of 2)"
}

# activated COMMAND…: with descriptor 3 as a socket that was passed to it. The pid is its own.
activated() {
  # shellcheck disable=SC2016
  sh -c 'LISTEN_FDS=1 LISTEN_FDNAMES=web exec sh -c "LISTEN_PID=\$\$ exec \"\$@\"" sh "$@"' sh "$@" \
    3<"$BATS_TEST_TMPDIR/three" </dev/null
}

@test "sockets passed to the runtime are announced to the process" {
  only_native "a virtual machine cannot be given descriptors"
  echo three >"$BATS_TEST_TMPDIR/three"
  script 'echo "$LISTEN_FDS $LISTEN_PID $$ $LISTEN_FDNAMES"; cat <&3'
  run -0 activated "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  expect "${lines[0]}" = "1 1 1 web"
  expect "${lines[1]}" = three
  # Without a namespace of its own it has another pid, which a program compares.
  config 'del(.linux.namespaces[] | select(.type == "pid"))'
  run -0 activated "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID"
  read -r count pid own name <<<"${lines[0]}"
  expect "$pid" = "$own"
  expect "$count $name" = "1 web"
}

@test "sockets that were passed to somebody else are not the container's" {
  script 'echo "-$LISTEN_FDS-"; ls /proc/self/fd | xargs'
  run -0 env LISTEN_FDS=1 LISTEN_PID=1 "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" </dev/null 3>&-
  expect "${lines[0]}" = --
  expect "${lines[1]}" = "0 1 2 3"
}

@test "without a new keyring neither the first process nor those that enter get one" {
  only_native "a guest has keys of its own"
  config '.linux.maskedPaths = []'
  args cat /proc/keys
  run foreground
  [ "$status" = 0 ] || skip "this kernel has no /proc/keys"
  # The kernel collects that container's keyring, which has the same name, when it gets to it.
  eventually 10 sh -c '! grep -q "_ses\.$0" /proc/keys' "$ID"
  args sh -c 'cat /proc/keys; exec sleep 1000'
  detached --no-new-keyring
  eventually 10 test -s "$OUT"
  expect "$(grep -c "_ses\.$ID" "$OUT")" = 0
  run -0 moat exec "$ID" cat /proc/keys </dev/null
  expect "$(grep -c "_ses\.$ID" <<<"$output")" = 0
  moat delete --force "$ID"
}

@test "the session keyring is the container's, and shared with exec" {
  only_native "a guest has keys of its own"
  config '.linux.maskedPaths = []'
  args cat /proc/keys
  run foreground
  [ "$status" = 0 ] || skip "this kernel has no /proc/keys"
  # The kernel collects that container's keyring, which has the same name, when it gets to it.
  eventually 10 sh -c '! grep -q "_ses\.$0" /proc/keys' "$ID"
  args sh -c 'cat /proc/keys; exec sleep 1000'
  detached
  eventually 10 file_contains "$OUT" "_ses.$ID"
  run -0 moat exec "$ID" cat /proc/keys </dev/null
  expect "$(awk -v ring="_ses.$ID:" '$9 == ring { print $1 }' <<<"$output")" = \
    "$(awk -v ring="_ses.$ID:" '$9 == ring { print $1 }' "$OUT")"
  moat delete --force "$ID"
}
