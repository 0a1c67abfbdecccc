# SPDX-License-Identifier: Apache-2.0
# Containers whose cgroups systemd makes.

# bats file_tags=kvm-host

load helpers

export MOAT_TEST_MANAGER=systemd

setup_file() {
  [ -e /run/systemd/private ] || skip "systemd does not run here"
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

unit() {
  echo "moat-$ID.scope"
}

property() {
  systemctl show --property="$1" --value "${2-$(unit)}"
}

is_forgotten() {
  [ "$(property LoadState)" = not-found ]
}

@test "the container is a scope with its limits, which a reload leaves in force" {
  config '.linux.resources += {memory: {limit: 67108864, swap: 100663296}, pids: {limit: 20},
    cpu: {quota: 50000, period: 100000, shares: 512, cpus: "1"}}
    | .annotations["org.systemd.property.TimeoutStopSec"] = "uint32 5"'
  detached_sleep
  expect "$(jq -r .cgroup "$ROOT/$ID/state.json")" = "/system.slice/$(unit)"
  expect "$(property ActiveState)" = active
  expect "$(property MemoryMax)" = 67108864
  expect "$(property MemorySwapMax)" = 33554432
  expect "$(property TasksMax)" = 20
  expect "$(property CPUQuotaPerSecUSec)" = 500ms
  expect "$(property AllowedCPUs)" = 1
  expect "$(property DevicePolicy)" = strict
  expect "$(property TimeoutStopUSec)" = 5s
  systemctl daemon-reload
  expect "$(limit memory.max)" = 67108864
  expect "$(limit memory.swap.max)" = 33554432
  expect "$(limit pids.max)" = 20
  expect "$(limit cpu.max)" = "50000 100000"
  expect "$(limit cpuset.cpus)" = 1
  expect "$(limit cgroup.procs)" = "$(cat "$PID_FILE")"
  run -0 moat exec "$ID" sh -c 'echo open >/dev/null; cat /proc/self/cgroup' </dev/null
  expect "$output" = 0::/
  moat delete --force "$ID"
  is_forgotten
}

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

@test "slice and name come from linux.cgroupsPath" {
  config --arg path "moat-tests.slice:pre:$ID" '.linux.cgroupsPath = $path'
  detached_sleep
  expect "$(jq -r .cgroup "$ROOT/$ID/state.json")" = "/moat.slice/moat-tests.slice/pre-$ID.scope"
  expect "$(property Slice "pre-$ID.scope")" = moat-tests.slice
  moat delete --force "$ID"
  systemctl stop moat.slice
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
  systemd-run --quiet --scope --unit "$(unit)" sleep 1000 3>&- &
  local pid=$!
  eventually 20 systemctl --quiet is-active "$(unit)"
  args true
  run ! foreground
  expect_match "$output" "$(unit) was already loaded or has a fragment file"
  systemctl --quiet is-active "$(unit)"
  systemctl stop "$(unit)"
  wait $pid || true
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
  systemctl daemon-reload
  run ! moat exec "$ID" sh -c ': <>/tmp/kvm' </dev/null
  run -0 moat exec "$ID" sh -c ': <>/tmp/fuse; : >/dev/null' </dev/null
  moat delete --force "$ID"
}

# The user's manager cannot be asked by root: the whole container is the user's.
@test "an ordinary user's containers get their cgroups from his own manager" {
  local work=$BATS_TEST_TMPDIR/users
  mkdir "$work"
  cp -a "$BUNDLE/rootfs" "$work/rootfs"
  "$BATS_TEST_DIRNAME/as-user" true
  chown -R moat-tester "$work"
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*/ "$BATS_TEST_TMPDIR" "$work"
  cat >"$work/script" <<'SCRIPT'
set -e
cd "$1"
"$MOAT" spec --rootless
jq '.process.terminal = false | .process.args = ["sleep", "1000"]
  | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 20}}' config.json >part
mv part config.json
"$MOAT" --systemd-cgroup --isolation native create users </dev/null >out 2>&1 || { cat out; exit 1; }
path=$(jq -r .cgroup "$XDG_RUNTIME_DIR/moat/users/state.json")
echo "path $path"
echo "memory $(cat "/sys/fs/cgroup$path/memory.max") pids $(cat "/sys/fs/cgroup$path/pids.max")"
echo "active $(systemctl --user is-active moat-users.scope)"
"$MOAT" start users
"$MOAT" exec users sh -c 'echo entered $(id -u)' </dev/null
"$MOAT" update --memory 50M users
echo "memory $(cat "/sys/fs/cgroup$path/memory.max")"
"$MOAT" delete --force users
echo "then $(systemctl --user is-active moat-users.scope || true)"
SCRIPT
  run -0 "$BATS_TEST_DIRNAME/as-user" bash "$work/script" "$work" 3>&-
  local uid
  uid=$(id -u moat-tester)
  expect "${lines[0]}" = "path /user.slice/user-$uid.slice/user@$uid.service/user.slice/moat-users.scope"
  expect "${lines[1]}" = "memory 67108864 pids 20"
  expect "${lines[2]}" = "active active"
  expect "${lines[3]}" = "entered 0"
  expect "${lines[4]}" = "memory 52428800"
  expect "${lines[5]}" = "then inactive"
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
