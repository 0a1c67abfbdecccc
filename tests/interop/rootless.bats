# SPDX-License-Identifier: Apache-2.0
# podman of a user without rights, with moat as its runtime. The user is one of this file's own, in a
# /etc/passwd of its own, with ids in a /etc/subuid of its own.

load helpers

readonly USER_ID=61000

obstacle() {
  missing podman newuidmap slirp4netns
}

setup_file() {
  is_possible || return 0
  # Short, because conmon's sockets lie beneath it.
  WORK=$(mktemp -d /tmp/moat-rootless.XXXX)
  chmod 755 "$WORK"
  copy_programs
  export WORK MOAT MOAT_GUEST CGROUP_PARENT=/moat-rootless-${WORK##*.}
  make_user
  write_configuration
  install -m 644 "$WORK/containers.conf" "$WORK/home/containers.conf"
  make_rootfs "$WORK/rootfs"
  tar -C "$WORK/rootfs" --owner 0 --group 0 -cf "$WORK/image.tar" .
  # network_config_dir, which podman makes a lock in.
  install -d -o $USER_ID -g $USER_ID "$WORK/networks"
  podman import --change 'ENV PATH=/bin' "$WORK/image.tar" localhost/busybox >&2
}

# Where the user may search.
copy_programs() {
  local build
  build=$(dirname "$(readlink -f "$MOAT")")
  install -D -m 755 "$(readlink -f "$MOAT")" "$WORK/programs/moat"
  if [ "$MOAT_ISOLATION" = vm ]; then
    install -m 755 "$build/moat-shim" "$WORK/programs/moat-shim"
    cp -rL "${MOAT_GUEST:-$(dirname "$MOAT")/../guest}" "$WORK/guest"
    chmod -R go+rX "$WORK/guest"
  fi
  MOAT=$WORK/programs/moat
  MOAT_GUEST=$WORK/guest
}

# The suite has a mount namespace of its own.
make_user() {
  local file
  install -d -o $USER_ID -g $USER_ID -m 700 "$WORK/home"
  install -d /run/user
  install -d -o $USER_ID -g $USER_ID -m 700 /run/user/$USER_ID
  echo "tester:x:$USER_ID:$USER_ID::$WORK/home:/bin/sh" | cat /etc/passwd - >"$WORK/passwd"
  echo "tester:x:$USER_ID:" | cat /etc/group - >"$WORK/group"
  echo "tester:300000:65536" >"$WORK/subuid"
  cp "$WORK/subuid" "$WORK/subgid"
  touch /etc/subuid /etc/subgid
  for file in passwd group subuid subgid; do
    chmod 644 "$WORK/$file"
    mount --bind "$WORK/$file" /etc/$file
  done
  # Everybody's on most hosts, as slirp4netns needs it.
  if [ -e /dev/net/tun ]; then
    mknod -m 666 "$WORK/tun" c 10 200
    mount --bind "$WORK/tun" /dev/net/tun
  fi
}

# Options of `podman run`.
run_options() {
  echo --network none
}

user_words() {
  echo env --chdir="$WORK/home" -i setpriv --reuid $USER_ID --regid $USER_ID --clear-groups env \
    HOME="$WORK/home" USER=tester XDG_RUNTIME_DIR=/run/user/$USER_ID PATH="$PATH" TERM=dumb \
    CONTAINERS_CONF="$WORK/home/containers.conf" podman --storage-driver vfs --log-level error
}

podman() {
  # shellcheck disable=SC2046 # words
  $(user_words) "$@" 3>&-
}

# The runtime's containers, as the user's podman has them.
moat_list() {
  $(user_words | sed 's/ podman .*//') "$MOAT" list --quiet 2>&1
}

leftovers() {
  moat_list
  pgrep -af '^[^ ]*(qemu-system-|moat-shim|virtiofsd)' || true
}

teardown_file() {
  local pause
  [ -n "${WORK-}" ] || return 0
  remove_all
  pause=$(cat /run/user/$USER_ID/libpod/tmp/pause.pid 2>/dev/null || true)
  [ -z "$pause" ] || kill -KILL "$pause"
  umount /etc/passwd /etc/group /etc/subuid /etc/subgid
  [ ! -e /dev/net/tun ] || umount /dev/net/tun
  rm -rf "$WORK" /run/user/$USER_ID
}

@test "a user's podman run shows output, and returns the program's exit code" {
  run -42 --separate-stderr pod_run --rm busybox sh -c 'id -u; echo apart >&2; touch /made && exit 42'
  expect "$output" = 0
  expect_match "$stderr" apart
}

@test "a user's podman has exec, logs, cp, inspect, stop and rm" {
  pod_run --detach --name box busybox sh -c 'echo out; echo err >&2; sleep 1000'
  run -7 podman exec box sh -c 'echo inside; exit 7'
  expect "$output" = inside
  run -0 bash -c "echo typed | $(user_words) exec -i box cat"
  expect "$output" = typed
  eventually 10 logs_contain box err
  run -0 --separate-stderr podman logs box
  expect "$output" = out
  expect "$(podman inspect --format '{{.OCIRuntime}} {{.State.Status}}' box)" = "moat running"
  echo outside >"$WORK/home/file"
  podman cp "$WORK/home/file" box:/etc/file
  expect "$(podman exec box cat /etc/file)" = outside
  podman stop --time 1 box
  expect "$(podman inspect --format '{{.State.ExitCode}}' box)" = 137
  podman start box
  podman exec box true
  podman rm --force --time 0 box
  run -0 podman ps --all --quiet
  expect "$output" = ""
}

@test "a user's podman run -it gives a terminal" {
  # shellcheck disable=SC2046
  run -42 tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' \
    -- $(user_words) run --network none --rm -it busybox sh -c 'tty; echo up; read line; echo "got $line"; exit 42'
  expect_match "$output" /dev/pts/
}

@test "files of a user's containers are the user's, and those of its ids" {
  install -d -o $USER_ID -g $USER_ID -m 777 "$WORK/home/volume"
  run -0 pod_run --rm --volume "$WORK/home/volume:/data" busybox \
    sh -c 'touch /data/root && touch /data/other && chown 33:44 /data/other && stat -c %u:%g /data/other'
  expect "$output" = 33:44
  expect "$(stat -c %u:%g "$WORK/home/volume/root")" = $USER_ID:$USER_ID
  expect "$(stat -c %u:%g "$WORK/home/volume/other")" = 300032:300043
}

@test "a user's podman keeps the user's id with --userns keep-id" {
  install -d -o $USER_ID -g $USER_ID "$WORK/home/kept"
  run -0 pod_run --rm --userns keep-id --volume "$WORK/home/kept:/data" busybox \
    sh -c 'id -u; touch /data/file; stat -c %u /data/file'
  expect "$output" = $'61000\n61000'
  expect "$(stat -c %u "$WORK/home/kept/file")" = $USER_ID
}

@test "a user's pod shares namespaces, and in machines one kernel" {
  local boot_id=/proc/sys/kernel/random/boot_id
  podman pod create --name pod --hostname podded --network none --share net,uts,ipc \
    --infra-image localhost/busybox --infra-command 'sleep 1000'
  podman run --detach --pod pod --name one busybox sleep 1000
  run -0 podman run --rm --pod pod busybox sh -c "cat $boot_id; hostname"
  expect "${lines[0]}" = "$(podman exec one cat $boot_id)"
  expect "${lines[1]}" = podded
  podman pod rm --force --time 0 pod
}

@test "a user's limits are told to be ignored where the user may not limit" {
  run -0 pod_run --rm --memory 64m busybox echo ran
  expect_match "$output" ran
}

@test "a user's network reaches the container, and a published port leads to it" {
  local port=$((20000 + RANDOM % 10000))
  [ -e /dev/net/tun ] || skip "no /dev/net/tun here"
  podman run --detach --name web --network slirp4netns --publish "127.0.0.1:$port:80" busybox \
    sh -c 'mkdir /w; echo page >/w/file; exec httpd -f -h /w -p 80'
  eventually 20 podman exec web wget -q -O /dev/null http://127.0.0.1/file
  run -0 podman exec web ip -o -4 address show dev tap0
  expect_match "$output" "10.0.2.100/24"
  run -0 podman exec web ip route
  expect_match "$output" "default via 10.0.2.2"
  # rootlessport connects from within the network namespace.
  run -0 timeout 20 bash -c 'exec 4<>/dev/tcp/127.0.0.1/$1 && printf "GET /file HTTP/1.0\r\n\r\n" >&4 && cat <&4' get "$port"
  expect_match "$output" page
}
