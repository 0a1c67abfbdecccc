# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A podman of the caller's own, on an image made here, with every runtime that there is to compare:
# beneath $WORK, its cgroups beneath $CGROUP_PARENT. Sourced by the bats files' helpers, and by the
# table of commands.

INTEROP=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$INTEROP/../lib/rootfs.bash"
. "$INTEROP/../lib/expect.bash"

podman() {
  command podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" \
    --storage-driver vfs --runtime "${RUNTIME:-moat}" "$@" 3>&-
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
  "$INTEROP/../lib/tty" "$@" 3>&-
}

# The same as words, for commands that run podman themselves.
podman_words() {
  echo podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" \
    --storage-driver vfs --runtime "${RUNTIME:-moat}"
}

eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# What a web server says; busybox's own client crashes outside of a container.
fetch() {
  python3 -c 'import sys, urllib.request as u
print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=5).read().decode(), end="")' "$1" 2>/dev/null
}

logs_contain() {
  podman logs "$1" 2>&1 | grep -qF -- "$2"
}

write_configuration() {
  local environment="\"PATH=$PATH\"" name
  for name in MOAT_ISOLATION MOAT_GUEST MOAT_HYPERVISOR MOAT_SHARE; do
    [ -z "${!name-}" ] || environment+=", \"$name=${!name}\""
  done
  cat >"$WORK/containers.conf" <<END
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
init_path = "$(command -v catatonit || true)"
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
conmon_env_vars = [$environment]
events_logger = "file"
lock_type = "file"
infra_image = "localhost/pause"
runtime = "moat"
runtime_supports_json = ["moat", "moat-native", "runc", "crun"]
runtime_supports_nocgroup = ["moat", "moat-native", "crun"]

[engine.runtimes]
moat = ["$MOAT"]
moat-native = ["$WORK/bin/moat-native"]
runc = ["$(command -v runc || true)"]
crun = ["$(command -v crun || true)"]

[network]
network_config_dir = "$WORK/networks"
END
}

# installed FILE: of data/, as an installation into $WORK has it.
installed() {
  sed -e "s#@bindir@#$WORK/bin#g; s#@sysconfdir@#$WORK#g" "$INTEROP/../../data/$1.in"
}

# To be called by the file's own setup_file.
setup_podman() {
  # Short, because conmon's sockets lie beneath it.
  WORK=$(mktemp -d /tmp/moat-podman.XXXX)
  CGROUP_PARENT=/moat-interop-${WORK##*.}
  export WORK CGROUP_PARENT CONTAINERS_CONF=$WORK/containers.conf
  mkdir "$WORK/bin"
  ln -s "$(readlink -f "$MOAT")" "$WORK/bin/moat"
  ln -s moat "$WORK/bin/moat-native"
  write_configuration
  make_rootfs "$WORK/rootfs"
  tar -C "$WORK/rootfs" -cf "$WORK/image.tar" .
  podman import --change 'ENV PATH=/bin' "$WORK/image.tar" localhost/busybox >&2
}

# What a pod's first container runs, who waits.
make_pause_image() {
  podman import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sleep", "100000"]' "$WORK/image.tar" \
    localhost/pause >&2
}

# For --userns auto. The suite's mounts are its own.
provide_ids() {
  echo containers:1000000:100000 >"$WORK/subid"
  mount --bind "$WORK/subid" /etc/subuid
  mount --bind "$WORK/subid" /etc/subgid
}

teardown_podman() {
  [ -n "${WORK-}" ] || return 0
  remove_all
  find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null || true
  umount /etc/subuid /etc/subgid 2>/dev/null || true
  rm -rf "$WORK"
}

remove_all() {
  podman pod rm --all --force --time 0 >/dev/null 2>&1 || true
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
}
