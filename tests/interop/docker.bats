# SPDX-License-Identifier: Apache-2.0
# Docker with moat as its default runtime, on an image made here and a bridge of the suite's own.

load helpers

docker() {
  command docker --host "unix://$WORK/docker.sock" "$@" 3>&-
}

is_served() {
  docker version >/dev/null 2>&1
}

# As an installation's daemon.json has it.
write_daemon_configuration() {
  installed docker.json | jq --arg work "$WORK" --arg parent "$CGROUP_PARENT" '. + {
    "default-runtime": "moat", "data-root": ($work + "/docker"), "exec-root": "/run/moat-docker",
    "pidfile": ($work + "/docker.pid"), "hosts": ["unix://" + $work + "/docker.sock"],
    "storage-driver": "vfs", "cgroup-parent": $parent, "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "bip": "10.92.0.1/24", "oom-score-adjust": 0, "userland-proxy": false,
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 20000, "Hard": 20000}}}' >"$WORK/daemon.json"
}

obstacle() {
  command -v dockerd >/dev/null || echo "no dockerd here"
  missing podman
}

setup_file() {
  is_possible || return 0
  setup_podman
  write_daemon_configuration
  dockerd --config-file "$WORK/daemon.json" --log-level error >"$WORK/docker.log" 2>&1 3>&- &
  echo $! >"$WORK/dockerd.pid"
  if ! eventually 60 is_served; then
    cat "$WORK/docker.log"
    return 1
  fi
  docker import --change 'ENV PATH=/bin' "$WORK/image.tar" busybox >&2
}

has_ended() {
  ! kill -0 "$(cat "$WORK/dockerd.pid")" 2>/dev/null
}

teardown_file() {
  [ -n "${WORK-}" ] || return 0
  kill "$(cat "$WORK/dockerd.pid")"
  eventually 30 has_ended
  teardown_podman
}

records() {
  find /run/moat-docker/runtime-runc/moby /run/docker/runtime-* -mindepth 2 -not -path '*/@*' 2>/dev/null
}

is_clean() {
  [ -z "$(records)" ] && has_no_leftovers
}

teardown() {
  [ -z "$OBSTACLE" ] || return 0
  if [ -z "$BATS_TEST_COMPLETED" ]; then
    echo "last output: ${output-}"
    grep level=error "$WORK/docker.log" | tail -n 10
  fi
  # shellcheck disable=SC2046 # words
  docker rm --force $(docker ps --all --quiet) >/dev/null 2>&1 || true
  if ! eventually 20 is_clean; then
    echo "left behind: $(records) $(leftovers)"
    return 1
  fi
}

@test "docker run shows output, passes input, and returns the program's status" {
  run -42 docker run --rm busybox sh -c 'echo out; echo err >&2; exit 42'
  expect_match "$output" out
  expect_match "$output" err
  expect "$(head -c 300000 /dev/zero | docker run --rm --interactive busybox wc -c)" = 300000
  run -127 docker run --rm busybox nosuchprogram
  run -126 docker run --rm busybox /etc
}

@test "docker exec, logs, top, cp, pause, update and stop see a container" {
  docker run --detach --name box --memory 96m busybox sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done'
  is_up() { docker logs box | grep -q up; }
  eventually 30 is_up
  run -7 docker exec box sh -c 'hostname >/tmp/name; exit 7'
  docker cp box:/tmp/name "$BATS_TEST_TMPDIR/name"
  [ -s "$BATS_TEST_TMPDIR/name" ]
  run -0 docker top box
  expect_match "$output" PID
  docker pause box
  expect "$(docker inspect --format '{{.State.Status}}' box)" = paused
  docker unpause box
  docker update --memory 80m --memory-swap 80m box
  docker stop --time 30 box
  expect "$(docker inspect --format '{{.State.ExitCode}}' box)" = 9
}

@test "docker run -it gives a terminal" {
  run -5 tty --size 31x97 expect=up 'send=typed\n' 'expect=got typed' -- docker --host "unix://$WORK/docker.sock" \
    run --rm -it busybox sh -c 'until stty size | grep "31 97"; do sleep 0.1; done; echo up; read line; echo "got $line"; exit 5'
  expect_match "$output" "31 97"
}

@test "containers share volumes and networks as docker says" {
  docker run --detach --name web --volume /www busybox sh -c 'echo page >/www/index.html; exec httpd -f -p 80 -h /www'
  run -0 docker run --rm --volumes-from web --network container:web busybox sh -c \
    'cat /www/index.html; for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://127.0.0.1/ && exit; sleep 0.5; done'
  expect "$(grep -c page <<<"$output")" = 2
}

@test "the installed runtimes are docker's, by their names" {
  run -0 docker info --format '{{json .Runtimes}}'
  expect_match "$output" '"moat"'
  expect_match "$output" '"moat-native"'
  docker run --rm --runtime moat-native busybox true
}
