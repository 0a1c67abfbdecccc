# SPDX-License-Identifier: Apache-2.0
# podman with moat as its runtime, on an image made here, without network.

bats_require_minimum_version 1.5.0

load ../lib/rootfs

podman() {
  command podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" \
    --storage-driver vfs "$@" 3>&-
}

# Options of every `podman run`.
run_options() {
  echo --network none --cgroup-parent "$CGROUP_PARENT"
}

pod_run() {
  # shellcheck disable=SC2046 # words
  podman run $(run_options) "$@"
}

tty() {
  "$BATS_TEST_DIRNAME/../lib/tty" "$@" 3>&-
}

# The same as words, for commands that run podman themselves.
podman_words() {
  echo podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" --storage-driver vfs
}

expect() {
  if ! test "$1" "$2" "$3"; then
    printf 'expected: %s %s\ngot:      %s\n' "$2" "$3" "$1"
    return 1
  fi
}

expect_match() {
  if [[ "$1" != *"$2"* ]]; then
    printf 'expected in it: %s\ngot: %s\n' "$2" "$1"
    return 1
  fi
}

eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

logs_contain() {
  podman logs "$1" 2>&1 | grep -qF -- "$2"
}

# What outlives a container: the runtime's record, its virtual machine, its cgroups.
leftovers() {
  "$MOAT" list --quiet 2>&1
  pgrep -af '^[^ ]*(qemu-system-|moat-shim|virtiofsd)' || true
  find /sys/fs/cgroup -type d -path "*$CGROUP_PARENT/libpod-*" -not -name '*-conmon*' \
    ${MOAT_TEST_NO_UNIFIED:+-not -path "*/unified/*"} 2>/dev/null
}

has_no_leftovers() {
  [ -z "$(leftovers)" ]
}

write_configuration() {
  local environment="\"PATH=$PATH\", \"MOAT_ISOLATION=$MOAT_ISOLATION\""
  [ -z "${MOAT_GUEST-}" ] || environment+=", \"MOAT_GUEST=$MOAT_GUEST\""
  cat >"$WORK/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
conmon_env_vars = [$environment]
events_logger = "file"
lock_type = "file"
runtime = "moat"
runtime_supports_json = ["moat"]

[engine.runtimes]
moat = ["$MOAT"]
EOF
}

setup_file() {
  command -v podman >/dev/null || skip "no podman here (./dev setup --test)"
  # Short, because conmon's sockets lie beneath it.
  WORK=$(mktemp -d /tmp/moat-podman.XXXX)
  CGROUP_PARENT=/moat-interop-${WORK##*.}
  export WORK CGROUP_PARENT CONTAINERS_CONF=$WORK/containers.conf
  write_configuration
  make_rootfs "$WORK/rootfs"
  tar -C "$WORK/rootfs" -cf "$WORK/image.tar" .
  podman import --change 'ENV PATH=/bin' "$WORK/image.tar" localhost/busybox >&2
}

teardown_file() {
  [ -n "${WORK-}" ] || return 0
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null || true
  rm -rf "$WORK"
}

teardown() {
  [ -n "$BATS_TEST_COMPLETED" ] || echo "last output: ${output-}"
  podman rm --all --force --time 0 >/dev/null 2>&1
  if ! eventually 5 has_no_leftovers; then
    echo "left behind:"
    leftovers
    return 1
  fi
}

@test "podman run shows output and keeps standard error apart" {
  run -0 --separate-stderr pod_run --rm busybox sh -c 'echo hello; echo apart >&2'
  expect "$output" = hello
  expect_match "$stderr" apart
}

@test "podman run returns the exit codes of the program" {
  for code in 0 1 42 137 143; do
    run pod_run --rm busybox sh -c "exit $code"
    expect "$status" = $code
  done
}

@test "podman run --interactive passes standard input" {
  head -c 1M /dev/urandom >"$WORK/data"
  # shellcheck disable=SC2046
  run -0 bash -c "$(podman_words) run $(run_options) --rm -i busybox sha256sum <$WORK/data"
  expect_match "$output" "$(sha256sum <"$WORK/data" | cut -d ' ' -f 1)"
}

@test "podman run -it gives a terminal" {
  # shellcheck disable=SC2046
  run -42 tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' \
    -- $(podman_words) run $(run_options) --rm -it busybox sh -c 'tty; echo up; read line; echo "got $line"; exit 42'
  expect_match "$output" /dev/pts/
}

# bats test_tags=kvm-host
@test "podman exec runs beside the container's program" {
  pod_run --detach --name box busybox sleep 1000
  run -0 podman exec box hostname
  run -7 --separate-stderr podman exec box sh -c 'cat /proc/1/comm; echo apart >&2; exit 7'
  expect "$output" = sleep
  expect_match "$stderr" apart
  run -0 bash -c "echo typed | $(podman_words) exec -i box cat"
  expect "$output" = typed
  # shellcheck disable=SC2046
  run -5 tty expect=up 'send=typed\n' 'expect=got typed' \
    -- $(podman_words) exec -it box sh -c 'tty; echo up; read line; echo "got $line"; exit 5'
  expect_match "$output" /dev/pts/
}

@test "podman exec of a missing program returns 127" {
  pod_run --detach --name box busybox sleep 1000
  run -127 podman exec box nosuchprogram
  run -127 podman exec box /no/such/program
}

@test "podman logs shows what the container said" {
  pod_run --detach --name box busybox sh -c 'echo out; echo err >&2'
  expect "$(podman wait box)" = 0
  run -0 --separate-stderr podman logs box
  expect "$output" = out
  expect "$stderr" = err
}

@test "podman stop asks first, and the program's answer is the exit code" {
  pod_run --detach --name box busybox sh -c 'trap "echo asked; exit 143" TERM; echo up; while :; do sleep 0.1; done'
  eventually 30 logs_contain box up
  podman stop --time 30 box
  expect "$(podman inspect --format '{{.State.ExitCode}}' box)" = 143
  expect "$(podman inspect --format '{{.State.Status}}' box)" = exited
  logs_contain box asked
}

@test "podman stop kills what does not answer" {
  pod_run --detach --name box busybox sleep 1000
  podman stop --time 1 box
  expect "$(podman inspect --format '{{.State.ExitCode}}' box)" = 137
}

@test "podman kill and wait agree" {
  pod_run --detach --name box busybox sleep 1000
  podman kill box
  expect "$(podman wait box)" = 137
}

@test "podman start runs a stopped container again" {
  pod_run --detach --name box busybox sh -c 'echo turn; exit 3'
  expect "$(podman wait box)" = 3
  podman start box
  expect "$(podman wait box)" = 3
  expect "$(podman logs box | grep -c turn)" = 2
}

@test "podman rm removes a running container with --force only" {
  pod_run --detach --name box busybox sleep 1000
  run ! podman rm box
  podman rm --force --time 0 box
  run -0 podman ps --all --quiet
  expect "$output" = ""
}

@test "podman run of a missing program returns 127, of one without permission 126" {
  run -127 pod_run --rm busybox nosuchprogram
  expect_match "$output" nosuchprogram
  run -126 pod_run --rm busybox /etc
}

@test "podman's users, directories, variables and names reach the container" {
  run -0 pod_run --rm --user 1000:1000 --workdir /tmp --env COLOUR=blue --hostname box busybox \
    sh -c 'echo $(id -u):$(id -g) $PWD $COLOUR $(hostname)'
  expect "$output" = "1000:1000 /tmp blue box"
}

@test "podman's volumes and read-only root reach the container" {
  mkdir -p "$WORK/volume"
  echo outside >"$WORK/volume/file"
  run -0 pod_run --rm --read-only --read-only-tmpfs=false --volume "$WORK/volume:/data" busybox \
    sh -c 'cat /data/file; echo inside >/data/new; touch /file || echo refused'
  expect_match "$output" outside
  expect_match "$output" refused
  expect "$(cat "$WORK/volume/new")" = inside
}

# bats test_tags=kvm-host
@test "podman's limits reach the container" {
  run -0 pod_run --rm --cgroupns private --pids-limit 50 --memory 96m busybox sh -c \
    'cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max
     cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes'
  expect "${lines[0]}" = 50
  expect "${lines[1]}" = $((96 * 1024 * 1024))
}

@test "the isolation is the asked one" {
  run -0 pod_run --rm busybox uname -r
  if [ "$MOAT_ISOLATION" = vm ]; then
    [ "$output" != "$(uname -r)" ]
  else
    expect "$output" = "$(uname -r)"
  fi
}
