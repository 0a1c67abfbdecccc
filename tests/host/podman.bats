# SPDX-License-Identifier: Apache-2.0
# podman with systemd as its cgroup manager. Not in a process namespace of the suite's: podman tells
# systemd the numbers that it sees itself.

# bats file_tags=kvm-host

bats_require_minimum_version 1.5.0

load ../lib/rootfs
load ../lib/obstacle
load ../lib/expect
load ../interop/pods

podman() {
  command podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" \
    --storage-driver vfs --cgroup-manager systemd --runtime moat "$@" 3>&-
}

obstacle() {
  [ -e /run/systemd/private ] || echo "systemd does not run here"
  missing podman
}

setup_file() {
  is_possible || return 0
  local environment
  WORK=$(mktemp -d /run/podman.XXXX)
  export WORK CONTAINERS_CONF=$WORK/containers.conf
  environment=$(printf '"%s", ' "PATH=$PATH" "MOAT_ISOLATION=$MOAT_ISOLATION" "MOAT_GUEST=$MOAT_GUEST" \
    "MOAT_HYPERVISOR=${MOAT_HYPERVISOR-}")
  cat >"$CONTAINERS_CONF" <<END
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=2000:2000"]
log_driver = "k8s-file"
[engine]
conmon_env_vars = [${environment%, }]
events_logger = "file"
lock_type = "file"
runtime_supports_json = ["moat"]
[engine.runtimes]
moat = ["$MOAT"]
END
  make_rootfs "$WORK/rootfs"
  tar -C "$WORK/rootfs" -cf "$WORK/image.tar" .
  podman import --change 'ENV PATH=/bin' "$WORK/image.tar" localhost/busybox >&2
}

setup() {
  skip_impossible
}

teardown() {
  [ -z "$OBSTACLE" ] || return 0
  [ -n "$BATS_TEST_COMPLETED" ] || echo "last output: ${output-}"
  podman pod rm --all --force --time 0 >/dev/null
  podman rm --all --force --time 0 >/dev/null
}

@test "podman's container is a scope with its limits, entered, paused, measured and removed" {
  local id pid scope path
  podman run --detach --name box --network none --memory 64m --pids-limit 30 localhost/busybox sleep 1000
  id=$(podman inspect --format '{{.Id}}' box)
  pid=$(podman inspect --format '{{.State.Pid}}' box)
  scope=libpod-$id.scope
  path=/machine.slice/$scope
  expect "$(grep ^0:: "/proc/$pid/cgroup")" = "0::$path"
  # Of a virtual machine's processes the guest counts.
  if [ "$MOAT_ISOLATION" = native ]; then
    expect "$(systemctl show --property=TasksMax --value "$scope")" = 30
    expect "$(cat "/sys/fs/cgroup$path/pids.max")" = 30
  fi
  expect "$(cat "/sys/fs/cgroup$path/memory.max")" -ge 67108864
  run -7 podman exec box sh -c 'exit 7'
  podman pause box
  expect "$(podman inspect --format '{{.State.Status}}' box)" = paused
  podman unpause box
  run -0 podman stats --no-stream --format '{{.Name}} {{.PIDS}}' box
  [[ $output == "box "[1-9]* ]]
  podman rm --force --time 0 box
  expect "$(systemctl is-active "$scope" || true)" = inactive
  [ ! -e "/sys/fs/cgroup$path" ]
}

@test "a slice that the caller names is the scope's" {
  podman run --detach --name box --network none --cgroup-parent moat-tests.slice localhost/busybox sleep 1000
  run -0 cat "/proc/$(podman inspect --format '{{.State.Pid}}' box)/cgroup"
  [[ $output == *"0::/moat.slice/moat-tests.slice/libpod-"*.scope* ]]
  podman rm --force --time 0 box
  systemctl stop moat.slice
}

@test "podman's pods share namespaces" {
  pods_share_namespaces
}

@test "podman's pods run on one kernel, and may share their processes" {
  pods_run_on_one_kernel
}
