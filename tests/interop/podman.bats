# SPDX-License-Identifier: Apache-2.0
# podman with moat as its runtime, on an image made here, without network.

load helpers

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
