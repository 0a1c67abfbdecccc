# SPDX-License-Identifier: Apache-2.0
# Annotations that change what is done, and how they are switched off.

load helpers

# annotate NAME VALUE
annotate() {
  config --arg name "$1" --arg value "$2" '.annotations[$name] = $value'
}

# moat under a moat.json of its own.
ignoring() {
  jq -nc '{ignore_annotations: $ARGS.positional}' --args -- "$@" >"$BATS_TEST_TMPDIR/moat.json"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
}

# A hook on the host that says something on both of its streams.
talking_hook() {
  config --arg kind "$1" \
    '.hooks[$kind] += [{path: "/bin/sh", args: ["sh", "-c", "echo said by \($kind); echo complained >&2"]}]'
}

with_groups() {
  setpriv --groups 4242,4243 "$MOAT" --root "$ROOT" "$@" 3>&-
}

@test "the caller's groups stay where an annotation says so" {
  only_native "a guest's processes have no caller"
  config '.process.user.additionalGids = [17]'
  script 'id -G'
  run -0 with_groups run --bundle "$BUNDLE" "$ID" </dev/null
  expect "$output" = "0 17"
  annotate run.oci.keep_original_groups 1
  run -0 with_groups run --bundle "$BUNDLE" "$ID" </dev/null
  expect "$output" = "0 4242 4243"
  annotate run.oci.keep_original_groups 0
  run -0 with_groups run --bundle "$BUNDLE" "$ID" </dev/null
  expect "$output" = "0 17"
}

@test "the caller's groups stay in a user namespace and for exec" {
  only_native "a guest's processes have no caller"
  annotate run.oci.keep_original_groups 1
  config '.linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
  open_way
  chown 100000:100000 "$BUNDLE/rootfs"
  args sleep 1000
  with_groups create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR"
  expect "$(awk '/^Groups:/ { print $2, $3 }' "/proc/$(moat state "$ID" | jq .pid)/status")" = "4242 4243"
  run -0 with_groups exec "$ID" id -G
  # Groups that have no name in there.
  expect "$output" = "0 65534 65534"
  moat delete --force "$ID"
}

@test "a guest has no caller's groups to keep" {
  only_vm "natively there are some"
  annotate run.oci.keep_original_groups 1
  config '.process.user.additionalGids = [17]'
  script 'id -G'
  run -0 foreground
  expect "$output" = "0 17"
}

@test "what hooks of the host say is appended to files" {
  annotate run.oci.hooks.stdout "$BATS_TEST_TMPDIR/hooks.out"
  annotate run.oci.hooks.stderr "$BATS_TEST_TMPDIR/hooks.err"
  echo before >"$BATS_TEST_TMPDIR/hooks.out"
  talking_hook createRuntime
  talking_hook poststart
  talking_hook poststop
  args true
  run -0 foreground
  expect "$(cat "$BATS_TEST_TMPDIR/hooks.out")" = "before
said by createRuntime
said by poststart
said by poststop"
  expect "$(sort -u "$BATS_TEST_TMPDIR/hooks.err")" = complained
  annotate run.oci.hooks.stdout "$BATS_TEST_TMPDIR/missing/out"
  run -1 foreground
  expect_match "$output" "open output '$BATS_TEST_TMPDIR/missing/out'"
}

@test "a pidfd goes to the socket that an annotation names" {
  command -v python3 >/dev/null || skip "there is no python3 here, which receives it"
  annotate run.oci.pidfd_receiver "$BATS_TEST_TMPDIR/pidfd.sock"
  python3 - "$BATS_TEST_TMPDIR/pidfd.sock" >"$BATS_TEST_TMPDIR/received" 3>&- <<'PYTHON' &
import array, re, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
_, control, _, _ = server.accept()[0].recvmsg(64, socket.CMSG_SPACE(4))
fd = array.array("i", control[0][2])[0]
print(re.search(r"^Pid:\s*(\d+)", open(f"/proc/self/fdinfo/{fd}").read(), re.M)[1])
PYTHON
  local receiver=$!
  eventually 10 test -S "$BATS_TEST_TMPDIR/pidfd.sock"
  args sleep 1000
  create
  wait "$receiver"
  expect "$(cat "$BATS_TEST_TMPDIR/received")" = "$(cat "$PID_FILE")"
  moat delete --force "$ID"
}

# moat on a host with cgroup v2 alone, which a mount namespace has; a guest always has.
on_v2() {
  if is_vm; then
    moat "$@"
  else
    # shellcheck disable=SC2016 # the shell inside expands it
    unshare --mount --propagation private sh -c \
      'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"' sh \
      "$MOAT" --root "$ROOT" "$@" 3>&-
  fi
}

@test "the program is in the cgroup that an annotation delegates, and manages it" {
  annotate run.oci.delegate-cgroup /payload
  config '(.mounts[] | select(.type == "cgroup").options) -= ["ro"]'
  script 'grep ^0:: /proc/self/cgroup; mkdir /sys/fs/cgroup/payload/below && echo managed'
  run -0 on_v2 run --bundle "$BUNDLE" "$ID" </dev/null
  expect "$output" = "0::/payload
managed"
  only_native "the rest is the same code"
  annotate run.oci.delegate-cgroup ../payload
  run -1 foreground
  expect_match "$output" "annotation run.oci.delegate-cgroup: '../payload' leads out of the cgroup"
  [ ! -e /sys/fs/cgroup/cgroup.controllers ] || return 0
  annotate run.oci.delegate-cgroup payload
  run -1 foreground
  expect_match "$output" "annotation run.oci.delegate-cgroup: delegation is not safe on cgroup v1"
}

@test "a system call that nobody knows is an error where an annotation says so" {
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{names: ["no_such_call"], action: "SCMP_ACT_ERRNO"}]}'
  args true
  run -0 foreground
  annotate run.oci.seccomp_fail_unknown_syscall 1
  run -1 foreground
  expect_match "$output" "linux.seccomp.syscalls[0]: 'no_such_call': unknown system call"
  annotate run.oci.seccomp_fail_unknown_syscall 0
  run -0 foreground
}

@test "a filter's own program goes before the profile" {
  # mkdir and mkdirat give EPERM, of whichever architecture: ld nr; jeq …; ret.
  local program
  program=$(printf '%s' \
    '2000000000000000' '1500020053000000' '1500010002010000' '060000000000ff7f' '0600000001000500' |
    sed 's/../\\x&/g')
  [ "$(uname -m)" = x86_64 ] || skip "the program is one for x86_64"
  annotate run.oci.seccomp_bpf_data "$(printf '%b' "$program" | base64 -w 0)"
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO"}'
  script 'grep Seccomp: /proc/self/status; mkdir /tmp/made; echo $?'
  run -0 foreground
  expect_match "$output" "Seccomp:	2"
  expect_match "$output" "Operation not permitted"
  annotate run.oci.seccomp_bpf_data AAAA
  run -1 foreground
  expect_match "$output" "run.oci.seccomp_bpf_data: not a filter's program"
}

@test "an annotation that is ignored changes nothing, and still shows" {
  annotate run.oci.hooks.stdout "$BATS_TEST_TMPDIR/hooks.out"
  annotate run.oci.seccomp_fail_unknown_syscall 1
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{names: ["no_such_call"], action: "SCMP_ACT_ERRNO"}]}'
  talking_hook createRuntime
  talking_hook poststop
  ignoring run.oci.hooks.stdout run.oci.seccomp_fail_unknown_syscall
  args sleep 1000
  create
  expect "$(moat state "$ID" | jq -r '.annotations["run.oci.hooks.stdout"]')" = "$BATS_TEST_TMPDIR/hooks.out"
  # Whatever is said by then.
  (
    unset MOAT_CONFIG
    moat delete --force "$ID"
  )
  [ ! -e "$BATS_TEST_TMPDIR/hooks.out" ]
  ignoring run.oci.
  create
  moat delete --force "$ID"
  [ ! -e "$BATS_TEST_TMPDIR/hooks.out" ]
}

@test "every annotation that changes something can be switched off" {
  local names
  mapfile -t names < <(moat features | jq -r '.potentiallyUnsafeConfigAnnotations[]')
  ignoring "${names[@]}"
  # Each would be an error, or another machine, if anybody read it.
  annotate run.oci.seccomp_bpf_data AAAA
  annotate run.oci.seccomp.receiver relative
  annotate run.oci.pidfd_receiver /nowhere/socket
  annotate run.oci.hooks.stdout /nowhere/file
  annotate run.oci.handler krun
  annotate run.oci.delegate-cgroup ..
  annotate run.oci.mount_context_type nothing
  annotate org.systemd.property.NoSuch nothing
  annotate org.criu.config /nowhere/criu.conf
  annotate io.moat.isolation nothing
  annotate io.moat.vm.memory_mib nothing
  annotate io.katacontainers.config.hypervisor.path /nowhere/vmm
  annotate io.kubernetes.cri-o.SandboxID another
  annotate io.kubernetes.cri.sandbox-id another
  annotate io.kubernetes.cri.sandbox-memory 1099511627776
  annotate io.kubernetes.cri-o.PodLinuxResources '{"memory_limit_in_bytes": 1099511627776}'
  annotate pod-linux-resources.crio.io '{"memory_limit_in_bytes": 1099511627776}'
  config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW"} | .linux.mountLabel = ""'
  talking_hook createRuntime
  args echo ran
  run -0 --separate-stderr foreground
  expect "$output" = ran
  expect "$stderr" = ""
}

@test "crun's way to ask for a virtual machine is understood" {
  config '.process.args = ["sleep", "1000"] | .annotations["run.oci.handler"] = "krun"'
  only_vm "it asks for one"
  jq -n '{isolation: "native"}' >"$BATS_TEST_TMPDIR/moat.json"
  env -u MOAT_ISOLATION "$MOAT" --root "$ROOT" --config "$BATS_TEST_TMPDIR/moat.json" \
    create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" 3>&-
  expect "$(jq -r .isolation "$ROOT/$ID/state.json")" = vm
  moat delete --force "$ID"
}
