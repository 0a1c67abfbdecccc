# SPDX-License-Identifier: Apache-2.0
# Device nodes and links (config-linux.md#devices), and the terminal's.

load helpers

# device PATH TYPE MAJOR MINOR [MEMBERS]: appends to linux.devices.
device() {
  config --arg p "$1" --arg t "$2" --argjson a "$3" --argjson i "$4" --argjson m "${5-{\}}" \
    '.linux.devices += [{path: $p, type: $t, major: $a, minor: $i} + $m]'
}

user_namespace() {
  only_native "the host's devices are not the guest's"
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BUNDLE"
  chown 100000:100000 "$BUNDLE/rootfs"
}

on_a_terminal() {
  "$BATS_TEST_DIRNAME/../lib/tty" -- "$MOAT" --root "$ROOT" run --bundle "$BUNDLE" "$ID" 3>&-
}

# An image's own /dev, without a tmpfs on it.
image_dev() {
  config 'del(.mounts[] | select(.destination | startswith("/dev")))'
}

@test "devices of every kind are made with the asked owner and mode" {
  device /dev/char c 1 7 '{"fileMode": 384, "uid": 12, "gid": 34}'
  device /dev/deep/er/unbuffered u 1 5 '{"fileMode": 448}'
  device /dev/block b 7 0 '{"fileMode": 432}'
  device /dev/pipe p 0 0 '{"fileMode": 402, "gid": 5}'
  device /elsewhere c 1 3
  script 'stat -c "%n %F %t,%T %a %u:%g" /dev/char /dev/deep/er/unbuffered /dev/block /dev/pipe /elsewhere'
  if is_vm; then
    config 'del(.linux.devices[2])' # no guest has the host's disk
  fi
  run foreground
  expect_match "$output" "/dev/char character special file 1,7 600 12:34"
  expect_match "$output" "/dev/deep/er/unbuffered character special file 1,5 700 0:0"
  is_vm || expect_match "$output" "/dev/block block special file 7,0 660 0:0"
  expect_match "$output" "/dev/pipe fifo 0,0 622 0:5"
  expect_match "$output" "/elsewhere character special file 1,3 666 0:0"
}

@test "a configured device takes the place of a default one" {
  device /dev/null c 1 3 '{"fileMode": 384}'
  script 'stat -c %a /dev/null /dev/zero'
  run -0 foreground
  expect "$output" = "600
666"
}

@test "a device that an image has already gets the asked owner and mode" {
  only_native "the guest makes the image's devices itself"
  image_dev
  mknod -m 600 "$BUNDLE/rootfs/dev/full" c 1 7
  mknod -m 640 "$BUNDLE/rootfs/dev/zero" c 1 5
  device /dev/full c 1 7 '{"fileMode": 438, "uid": 7}'
  script 'stat -c "%n %a %u" /dev/full /dev/zero'
  run -0 foreground
  expect "$output" = "/dev/full 666 7
/dev/zero 640 0"
}

@test "a file of an image's is covered by the device that is to be there" {
  only_native "the guest has no node of the host's to cover it with"
  image_dev
  echo text >"$BUNDLE/rootfs/dev/null"
  mknod "$BUNDLE/rootfs/dev/zero" c 1 3
  script 'stat -c "%n %t,%T" /dev/null /dev/zero'
  run -0 foreground
  expect "$output" = "/dev/null 1,3
/dev/zero 1,5"
  expect "$(cat "$BUNDLE/rootfs/dev/null")" = text
}

@test "nothing is made in a /dev that is bound from the host" {
  only_native "the guest's /dev is its own"
  mkdir "$BATS_TEST_TMPDIR/dev"
  image_dev
  mount_at /dev/ none "$BATS_TEST_TMPDIR/dev" bind
  device /dev/new c 1 7
  device /elsewhere c 1 7
  script 'ls -A /dev; stat -c %t,%T /elsewhere'
  run -0 foreground
  expect "$output" = 1,7
  expect "$(ls -A "$BATS_TEST_TMPDIR/dev")" = ""
}

@test "links of an image's /dev stay, but that of ptmx" {
  image_dev
  ln -s /elsewhere "$BUNDLE/rootfs/dev/fd"
  ln -s /elsewhere "$BUNDLE/rootfs/dev/ptmx"
  script 'readlink /dev/fd /dev/ptmx; readlink /dev/fd; readlink /dev/ptmx; readlink /dev/stdin'
  run -0 foreground
  expect_match "$output" /elsewhere
  expect_match "$output" pts/ptmx
  expect_match "$output" /proc/self/fd/0
}

@test "a device number that cannot be is refused by its place" {
  device /dev/x c -1 0
  args true
  run ! foreground
  expect_match "$output" "linux.devices[0]"
  config '.linux.devices = []'
  device dev/x c 1 3
  run ! foreground
  expect_match "$output" "linux.devices[0]"
  config '.linux.devices = []'
  device /dev/x q 1 3
  run ! foreground
  expect_match "$output" "linux.devices[0]"
}

@test "in a user namespace devices are those of the host" {
  user_namespace
  device /dev/zero c 1 5
  device /dev/pipe p 0 0
  script 'echo x >/dev/null; head -c 2 /dev/zero | od -An -tx1; head -c 1 /dev/urandom >/dev/null && echo random
    [ -p /dev/pipe ] && echo pipe; mknod /tmp/node c 1 3 2>/dev/null || echo refused'
  run -0 foreground
  expect_match "$output" "00 00"
  expect_match "$output" "random
pipe
refused"
}

@test "in a user namespace a device that the host does not have is named" {
  user_namespace
  device /dev/nothing c 250 77
  args true
  run ! foreground
  expect_match "$output" "make device '/dev/nothing'"
}

@test "the terminal is on /dev/console too" {
  config '.process.terminal = true'
  script '[ /dev/console -ef /dev/pts/0 ] || stat -c %t,%T /dev/console; tty; echo done >/dev/console'
  run -0 on_a_terminal
  expect_match "$output" done
  expect_match "$output" /dev/pts/0
}

@test "a /dev/console of the image's that is a link covers nothing else (CVE-2025-52565)" {
  config '.process.terminal = true'
  config 'del(.mounts[] | select(.destination == "/dev"))'
  echo target >"$BUNDLE/rootfs/etc/target"
  ln -s /etc/target "$BUNDLE/rootfs/dev/console"
  script 'cat /etc/target; [ -c /dev/console ] && echo terminal'
  run -0 on_a_terminal
  expect_match "$output" target
  expect_match "$output" terminal
}

@test "a devpts that is none gives no terminal (CVE-2025-52565)" {
  config '.process.terminal = true | del(.mounts[] | select(.destination == "/dev/pts"))'
  config 'del(.mounts[] | select(.destination == "/dev"))'
  mkdir "$BUNDLE/rootfs/dev/pts"
  ln -s /etc/passwd "$BUNDLE/rootfs/dev/pts/ptmx"
  args true
  run ! on_a_terminal
  expect_match "$output" "devpts"
}
