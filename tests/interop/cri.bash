# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# An engine of Kubernetes' Container Runtime Interface with moat beneath it: $MOAT_CRI_ENGINE, which
# is containerd unless it is crio. It is called by crictl where there is one, which can stream, or
# else by a client of the tests' own, tests/interop/cri.

CRI_ENGINE=${MOAT_CRI_ENGINE:-containerd}
CNI_PLUGINS=/usr/lib/cni

cri() {
  # shellcheck disable=SC2046 # words
  $(cri_words) "$@" 3>&-
}

# The same as words, for commands that run it themselves.
cri_words() {
  echo "$WORK/cri" --runtime-endpoint "unix://$WORK/$CRI_ENGINE.sock" --timeout 4m
}

can_stream() {
  [[ $(readlink "$WORK/cri") == */crictl ]]
}

obstacle() {
  command -v "$CRI_ENGINE" >/dev/null || echo "no $CRI_ENGINE here"
  [ -x "$CNI_PLUGINS/bridge" ] || echo "no network plugins here (./dev setup --test)"
  command -v crictl >/dev/null || [ -x "$OWN_CLIENT" ] ||
    echo "neither crictl nor the tests' own client here, which go makes (./dev setup --test)"
  missing podman
}

# Made by tests/interop/run, which still has a network.
OWN_CLIENT=$(readlink -f "$INTEROP/../..")/build/cri/cri

# A bridge that nobody else has: the suite has a network namespace of its own.
write_network() {
  mkdir -p "$WORK/cni"
  cat >"$WORK/cni/10-moat.conflist" <<END
{
  "cniVersion": "0.4.0",
  "name": "moat",
  "plugins": [
    {"type": "bridge", "bridge": "moat-cri0", "isGateway": true, "ipam": {"type": "host-local",
      "dataDir": "$WORK/cni-state", "ranges": [[{"subnet": "10.91.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "loopback"}
  ]
}
END
}

# --- containerd -----------------------------------------------------------------------------------

write_containerd_cri() {
  cat >"$WORK/containerd.toml" <<END
version = 2
root = "$WORK/containerd"
state = "/run/moat-containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt"]

[grpc]
address = "$WORK/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:latest"
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$CNI_PLUGINS"
conf_dir = "$WORK/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "moat"
snapshotter = "native"
END
  # Before containerd 2.0 a plugin's section cannot be in two files.
  installed containerd.toml | grep -v '^version' >>"$WORK/containerd.toml"
}

start_containerd() {
  local name
  write_containerd_cri
  containerd --config "$WORK/containerd.toml" --log-level error >"$WORK/engine.log" 2>&1 3>&- &
  echo $! >"$WORK/engine.pid"
  eventually 30 is_cri_ready
  for name in busybox pause; do
    podman save --quiet --format oci-archive --output "$WORK/$name.tar" "localhost/$name"
    ctr --address "$WORK/containerd.sock" --namespace k8s.io image import --snapshotter native \
      "$WORK/$name.tar" >&2 3>&-
  done
}

# --- CRI-O ----------------------------------------------------------------------------------------

write_crio() {
  local environment="\"PATH=$PATH\", \"MOAT_ISOLATION=$MOAT_ISOLATION\""
  [ -z "${MOAT_GUEST-}" ] || environment+=", \"MOAT_GUEST=$MOAT_GUEST\""
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$WORK/policy.json"
  cat >"$WORK/crio.conf" <<END
[crio]
root = "$WORK/root"
runroot = "$WORK/runroot"
storage_driver = "vfs"
version_file = "$WORK/crio-version"
clean_shutdown_file = "$WORK/crio-shutdown"
log_dir = "$WORK/crio-logs"

[crio.api]
listen = "$WORK/crio.sock"
stream_address = "127.0.0.1"

[crio.runtime]
default_runtime = "moat"
cgroup_manager = "cgroupfs"
conmon_cgroup = "pod"
conmon_env = [$environment]
pinns_path = "$(command -v pinns)"
namespaces_dir = "/run/moat-crio-namespaces"
container_exits_dir = "$WORK/crio-exits"
container_attach_socket_dir = "$WORK/crio-attach"
apparmor_profile = "unconfined"

[crio.image]
pause_image = "localhost/pause:latest"
pause_command = ""
signature_policy = "$WORK/policy.json"

[crio.network]
network_dir = "$WORK/cni"
plugin_dirs = ["$CNI_PLUGINS"]
END
}

# CRI-O makes its pods the last to be killed, which takes CAP_SYS_RESOURCE. Without it: as they are.
write_crio_runtime() {
  rm "$WORK/bin/moat"
  cat >"$WORK/bin/moat" <<END
#!/usr/bin/env bash
for ((i = 1; i < \$#; i++)); do
  next=\$((i + 1))
  if [[ \${!i} == --bundle ]]; then
    jq 'del(.process.oomScoreAdj)' "\${!next}/config.json" >"\${!next}/part" && mv "\${!next}/part" "\${!next}/config.json"
  fi
done
exec "$MOAT" "\$@"
END
  chmod +x "$WORK/bin/moat"
}

start_crio() {
  write_crio_runtime
  write_crio
  mkdir "$WORK/crio.conf.d"
  installed crio.conf >"$WORK/crio.conf.d/50-moat-handlers.conf"
  crio --config "$WORK/crio.conf" --config-dir "$WORK/crio.conf.d" --log-level error >"$WORK/engine.log" 2>&1 3>&- &
  echo $! >"$WORK/engine.pid"
  eventually 30 is_cri_ready
}

# --- both -----------------------------------------------------------------------------------------

is_cri_ready() {
  cri pods >/dev/null 2>&1
}

setup_cri() {
  setup_podman
  make_pause_image
  ln -s "$(command -v crictl || echo "$OWN_CLIENT")" "$WORK/cri"
  write_network
  mkdir "$WORK/logs"
  if ! "start_$CRI_ENGINE"; then
    cat "$WORK/engine.log"
    return 1
  fi
}

teardown_cri() {
  [ -n "${WORK-}" ] || return 0
  if [ -e "$WORK/engine.pid" ]; then
    kill "$(cat "$WORK/engine.pid")"
    eventually 20 engine_has_ended
  fi
  teardown_podman
}

engine_has_ended() {
  ! kill -0 "$(cat "$WORK/engine.pid")" 2>/dev/null
}

# pod_config [JQ-FILTER]: in $POD_CONFIG.
pod_config() {
  POD_CONFIG=$BATS_TEST_TMPDIR/pod.json
  jq -n --arg logs "$WORK/logs" --arg parent "$CGROUP_PARENT/pod" --arg uid "$BATS_TEST_NUMBER" \
    '{metadata: {name: "pod", namespace: "default", uid: $uid, attempt: 1}, hostname: "podded",
      log_directory: $logs, linux: {cgroup_parent: $parent, security_context: {namespace_options: {pid: 1}}}} | '"${1:-.}" >"$POD_CONFIG"
}

# A pod in $POD, as $POD_CONFIG has it.
run_pod() {
  [ -n "${POD_CONFIG-}" ] || pod_config
  POD=$(cri runp "$POD_CONFIG")
}

# run_member NAME COMMAND…: in the pod; its identifier is in $MEMBER.
run_member() {
  local name=$1
  shift
  jq -n --arg name "$name" \
    '{metadata: {name: $name}, image: {image: "localhost/busybox:latest"}, command: $ARGS.positional,
      log_path: ($name + ".log"), linux: {security_context: {namespace_options: {pid: 1}}}} | '"${MEMBER_FILTER:-.}" --args -- "$@" >"$BATS_TEST_TMPDIR/$name.json"
  MEMBER=$(cri create "$POD" "$BATS_TEST_TMPDIR/$name.json" "$POD_CONFIG")
  cri start "$MEMBER"
}

in_member() {
  local id=$1
  shift
  cri exec --sync "$id" "$@"
}

# member_says ID FIELD: of its status.
member_says() {
  cri inspect --output json "$1" | jq -r ".status.$2"
}

member_has_state() {
  [ "$(member_says "$1" state)" = "$2" ]
}

remove_pods() {
  local pod
  for pod in $(cri pods --quiet 2>/dev/null); do
    cri rmp --force "$pod" >/dev/null 2>&1 || cri rmp --force "$pod" || true
  done
}

records() {
  find /run/containerd/runc /run/moat -mindepth 2 -not -path '*/@*' 2>/dev/null
}

is_clean() {
  [ -z "$(records)" ] && has_no_leftovers
}
