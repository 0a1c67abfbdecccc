# SPDX-License-Identifier: Apache-2.0
# podman with moat as its runtime, on an image made here, without network.

load helpers
load pods

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

@test "podman inspect tells of a container that ran out of memory" {
  [ -e /sys/fs/cgroup/cgroup.controllers ] || [ "$MOAT_ISOLATION" = vm ] ||
    skip "on cgroup v1 conmon ends before it looks, whatever the runtime"
  run pod_run --name box --memory 64m --memory-swap 64m busybox \
    awk 'BEGIN { while (1) eaten[i++] = sprintf("%1000s", "") }'
  expect "$status" = 137
  expect "$(podman inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' box)" = "true 137"
  run -3 pod_run --name other --memory 64m busybox sh -c 'exit 3'
  expect "$(podman inspect --format '{{.State.OOMKilled}}' other)" = false
  # What is not the first process leaves the rest as it was, the machine too.
  run -5 pod_run --name third --memory 64m --memory-swap 64m busybox sh -c \
    'awk "BEGIN { while (1) eaten[i++] = sprintf(\"%1000s\", \"\") }"; echo "status $?"; exit 5'
  expect_match "$output" "status 137"
  expect "$(podman inspect --format '{{.State.OOMKilled}}' third)" = true
}

@test "podman pause freezes a container, and unpause goes on" {
  pod_run --detach --name box busybox sleep 1000
  podman pause box
  expect "$(podman inspect --format '{{.State.Status}}' box)" = paused
  run ! podman exec box true
  podman unpause box
  expect "$(podman exec box echo alive)" = alive
}

@test "podman's read-only root has its tmpfs mounts" {
  run -0 pod_run --rm --read-only busybox \
    sh -c 'touch /tmp/file /run/file && echo written; touch /file || echo refused'
  expect_match "$output" written
  expect_match "$output" refused
}

@test "podman's tmpfs has its size, and what was beneath it" {
  run -0 pod_run --rm --tmpfs /etc:size=64k busybox sh -c 'cat /etc/group; df -k /etc | tail -n 1'
  expect_match "$output" guest:x:1000
  expect_match "$output" " 64 "
}

@test "podman's capabilities and no-new-privileges reach the container" {
  run -0 pod_run --rm --cap-drop all --cap-add chown --security-opt no-new-privileges busybox \
    grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status
  expect "$(sed 's/[^:]*:\t//' <<<"$output" | xargs)" = "0000000000000001 0000000000000001 1"
}

@test "podman's seccomp profiles reach the container" {
  echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' \
    >"$WORK/profile.json"
  run -0 pod_run --rm --security-opt "seccomp=$WORK/profile.json" busybox sh -c 'mkdir /new || echo refused'
  expect_match "$output" refused
}

@test "podman's sysctls, ulimits and umask reach the container" {
  run -0 pod_run --rm --sysctl net.ipv4.ip_forward=1 --ulimit nofile=100:200 --ulimit nproc=32768:32768 --umask 0077 busybox \
    sh -c 'cat /proc/sys/net/ipv4/ip_forward; ulimit -n; ulimit -Hn; umask'
  expect "$(xargs <<<"$output")" = "1 100 200 0077"
}

@test "podman --init reaps, and passes signals" {
  command -v catatonit >/dev/null || skip "no catatonit here (./dev setup --test)"
  pod_run --detach --init --name box busybox sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done'
  eventually 30 logs_contain box up
  podman stop --time 30 box
  expect "$(podman inspect --format '{{.State.ExitCode}}' box)" = 9
}

@test "podman top and stats see a container" {
  pod_run --detach --name box busybox sleep 1000
  run -0 podman top box -eo args
  [ "$MOAT_ISOLATION" = vm ] || expect_match "$output" sleep
  run -0 podman stats --no-stream --format '{{.Name}}' box
  expect "$output" = box
}

@test "podman cp goes in and out" {
  echo outside >"$WORK/file"
  pod_run --detach --name box busybox sleep 1000
  podman cp "$WORK/file" box:/tmp/file
  expect "$(podman exec box cat /tmp/file)" = outside
  podman exec box sh -c 'echo inside >/tmp/file'
  podman cp box:/tmp/file "$WORK/file"
  expect "$(cat "$WORK/file")" = inside
}

@test "podman's healthchecks run" {
  pod_run --detach --name box --health-cmd 'test -e /tmp/healthy' --health-interval disable busybox sleep 1000
  run ! podman healthcheck run box
  podman exec box touch /tmp/healthy
  podman healthcheck run box
}

@test "podman runs containers in a user namespace" {
  run -0 pod_run --rm --uidmap 0:100000:5000 busybox sh -c 'id -u; cat /proc/self/uid_map; touch /tmp/file'
  expect "${lines[0]}" = 0
  [ "$MOAT_ISOLATION" = vm ] || expect_match "${lines[1]}" 100000
}

# podman 4.3 has on cgroup v2 no device at all in the cgroups that it makes for pods itself, whoever
# runs them.
pods_have_devices() {
  local cgroup
  make_pod --cgroup-parent "$CGROUP_PARENT"
  cgroup=$(podman pod inspect --format '{{.CgroupPath}}' pod)
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir "/sys/fs/cgroup$cgroup/try"
    run bash -c 'echo $$ >"$1/cgroup.procs" && exec </dev/zero' - "/sys/fs/cgroup$cgroup/try"
    rmdir "/sys/fs/cgroup$cgroup/try"
    [ "$status" = 0 ] || skip "podman's cgroups of pods deny /dev/zero; tests/host/podman.bats has systemd's"
  fi
  podman pod rm --force pod
}

@test "podman's pods share namespaces" {
  pods_have_devices
  pods_share_namespaces --cgroup-parent "$CGROUP_PARENT"
}

@test "podman's pods run on one kernel, and may share their processes" {
  pods_have_devices
  pods_run_on_one_kernel --cgroup-parent "$CGROUP_PARENT"
}

@test "podman inspect tells of a process that is there" {
  pod_run --detach --name box busybox sleep 1000
  kill -0 "$(podman inspect --format '{{.State.Pid}}' box)"
  expect "$(podman inspect --format '{{.OCIRuntime}} {{.State.Status}}' box)" = "moat running"
}

@test "the isolation is the asked one" {
  run -0 pod_run --rm busybox uname -r
  if [ "$MOAT_ISOLATION" = vm ]; then
    [ "$output" != "$(uname -r)" ]
  else
    expect "$output" = "$(uname -r)"
  fi
}

@test "the installed drop-in names both runtimes, and what podman may expect of them" {
  local name
  installed containers.conf >"$WORK/drop-in.conf"
  for name in moat moat-native; do
    CONTAINERS_CONF=$WORK/drop-in.conf RUNTIME=$name run -0 podman info --format '{{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}'
    expect_match "$output" "$WORK/bin/$name moat version"
  done
  # podman refuses this for runtimes that it does not know to be able to.
  CONTAINERS_CONF=$WORK/drop-in.conf run -0 podman create --network none --cgroups disabled busybox true
}
