# SPDX-License-Identifier: Apache-2.0
# Containers whose cgroups systemd makes.

# bats file_tags=kvm-host

load helpers

export MOAT_TEST_MANAGER=systemd MOAT_ISOLATION=native

obstacle() {
  [ -e /run/systemd/private ] || echo "systemd does not run here"
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

readonly MANAGER=org.freedesktop.systemd1

unit() {
  echo "moat-$ID.scope"
}

# systemctl refuses a manager that is outside of its process namespace; the bus does not.
manager() {
  busctl --no-pager call $MANAGER /org/freedesktop/systemd1 $MANAGER.Manager "$@"
}

# property NAME [UNIT]: as busctl prints it, without type and quotation marks.
property() {
  local path interface=Scope
  case "$1" in
    ActiveState | LoadState) interface=Unit ;;
  esac
  path=$(manager LoadUnit s "${2-$(unit)}" | cut -d '"' -f 2)
  busctl --no-pager get-property $MANAGER "$path" $MANAGER.$interface "$1" | cut -d ' ' -f 2- | tr -d '"'
}

is_forgotten() {
  [ "$(property LoadState)" = not-found ]
}

# bats test_tags=brief
@test "the container is a scope with its limits, which a reload leaves in force" {
  local last=$(($(nproc) - 1))
  config --arg last $last '.linux.resources += {memory: {limit: 67108864, swap: 100663296}, pids: {limit: 20},
    cpu: {quota: 50000, period: 100000, shares: 512, cpus: $last}}
    | .annotations["org.systemd.property.TimeoutStopSec"] = "uint32 5"'
  detached_sleep
  expect "$(jq -r .cgroup "$ROOT/$ID/state.json")" = "/system.slice/$(unit)"
  expect "$(property ActiveState)" = active
  expect "$(property MemoryMax)" = 67108864
  expect "$(property MemorySwapMax)" = 33554432
  expect "$(property TasksMax)" = 20
  expect "$(property CPUQuotaPerSecUSec)" = 500000
  # Bytes of a mask, and how many they are.
  [[ $(property AllowedCPUs) =~ ^[0-9]+\ $((1 << last))(\ 0)*$ ]]
  expect "$(property DevicePolicy)" = strict
  expect "$(property TimeoutStopUSec)" = 5000000
  manager Reload
  expect "$(limit memory.max)" = 67108864
  expect "$(limit memory.swap.max)" = 33554432
  expect "$(limit pids.max)" = 20
  expect "$(limit cpu.max)" = "50000 100000"
  expect "$(limit cpuset.cpus)" = $last
  expect "$(limit cgroup.procs)" = "$(cat "$PID_FILE")"
  run -0 moat exec "$ID" sh -c 'echo open >/dev/null; cat /proc/self/cgroup' </dev/null
  expect "$output" = 0::/
  moat delete --force "$ID"
  is_forgotten
}

# bats test_tags=brief
@test "an update reaches systemd as well as the cgroup" {
  config '.linux.resources += {memory: {limit: 67108864}}'
  detached_sleep
  moat update --memory 50M --cpu-quota 30500 --pids-limit 30 "$ID"
  expect "$(property MemoryMax)" = 52428800
  expect "$(property TasksMax)" = 30
  expect "$(limit memory.max)" = 52428800
  # systemd would have made 31000 of it.
  expect "$(limit cpu.max)" = "30500 100000"
  moat delete --force "$ID"
}

# bats test_tags=brief
@test "annotations put the container below the scope, and its program below that" {
  config '.linux.resources += {memory: {limit: 67108864}} |
    .annotations += {"run.oci.systemd.subgroup": "app", "run.oci.delegate-cgroup": "payload"}'
  detached_sleep
  local cgroup
  cgroup=$(jq -r .cgroup "$ROOT/$ID/state.json")
  expect "$cgroup" = "/system.slice/$(unit)/app"
  expect "$(property MemoryMax)" = 67108864
  expect "$(limit memory.max)" = 67108864
  expect "$(cat "/proc/$(cat "$PID_FILE")/cgroup")" = "0::$cgroup/payload"
  [[ " $(cat "/sys/fs/cgroup$cgroup/payload/cgroup.controllers") " == *" memory "* ]]
  expect "$(cat "/sys/fs/cgroup$cgroup/payload/memory.max")" = max
  run -0 moat exec "$ID" cat /proc/self/cgroup </dev/null
  expect "$output" = 0::/payload
  moat update --memory 50M "$ID"
  expect "$(limit memory.max)" = 52428800
  moat delete --force "$ID"
  is_forgotten
}

@test "slice and name come from linux.cgroupsPath" {
  config --arg path "moat-tests.slice:pre:$ID" '.linux.cgroupsPath = $path'
  detached_sleep
  expect "$(jq -r .cgroup "$ROOT/$ID/state.json")" = "/moat.slice/moat-tests.slice/pre-$ID.scope"
  expect "$(property Slice "pre-$ID.scope")" = moat-tests.slice
  moat delete --force "$ID"
  manager StopUnit ss moat.slice replace
}

@test "a program that ends by itself leaves no scope, nor does one that fails to start" {
  args sh -c 'exit 3'
  run -3 foreground
  is_forgotten
  args /no/such/program
  run ! foreground
  is_forgotten
  config '.annotations["org.systemd.property.NoSuchProperty"] = "true"'
  args true
  run ! foreground
  expect_match "$output" "start unit '$(unit)': systemd: Cannot set property NoSuchProperty"
  is_forgotten
}

@test "a scope that is somebody's is not taken over" {
  detached_sleep
  config --arg path ":moat:$ID" '.linux.cgroupsPath = $path'
  run ! moat run --bundle "$BUNDLE" "$ID-other" </dev/null
  expect_match "$output" "start unit '$(unit)': systemd: Unit $(unit) was already loaded or has a fragment file"
  expect "$(property ActiveState)" = active
  expect "$(status_of "$ID")" = running
  moat delete --force "$ID"
}

@test "whoever kills create before the init is there leaves no scope" {
  args sleep 1000
  config '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "kill -9 $PPID; sleep 1"]}]'
  run ! create
  moat delete --force "$ID"
  eventually 20 is_forgotten
}

@test "devices are those of the rules, for systemd and for the kernel" {
  config '.process.capabilities[] += ["CAP_MKNOD"] |
    .linux.resources.devices += [{allow: true, type: "c", major: 10, minor: 229, access: "rw"}]'
  script 'cd /tmp; mknod fuse c 10 229; mknod kvm c 10 232; (: <>fuse) && echo fuse opened
    (: <>kvm) || echo kvm refused; exec sleep 1000'
  detached
  eventually 20 file_contains "$OUT" "kvm refused"
  file_contains "$OUT" "fuse opened"
  expect_match "$(property DeviceAllow)" "/dev/char/10:229 rw"
  expect_match "$(property DeviceAllow)" "char-pts rwm"
  manager Reload
  run ! moat exec "$ID" sh -c ': <>/tmp/kvm' </dev/null
  run -0 moat exec "$ID" sh -c ': <>/tmp/fuse; : >/dev/null' </dev/null
  moat delete --force "$ID"
}

@test "a virtual machine is in its scope, and is not limited to what its guest is" {
  export MOAT_ISOLATION=vm
  config '.linux.resources += {memory: {limit: 134217728}}'
  script 'echo up; exec sleep 1000'
  detached
  eventually 60 file_contains "$OUT" up
  expect_match "$(cat "/proc/$(cat "$PID_FILE")/cgroup")" "/system.slice/$(unit)"
  expect "$(property MemoryMax)" -gt 134217728
  expect "$(property MemoryMax)" = "$(limit memory.max)"
  moat delete --force "$ID"
  is_forgotten
}
