# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A podman of the test file's own, on an image made here, without network. Its default runtime is
# moat in $MOAT_ISOLATION; runc is there for comparison.

bats_require_minimum_version 1.5.0

load "${BASH_SOURCE[0]%/*}/../lib/rootfs"

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
  "$BATS_TEST_DIRNAME/../lib/tty" "$@" 3>&-
}

# The same as words, for commands that run podman themselves.
podman_words() {
  echo podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" \
    --storage-driver vfs --runtime "${RUNTIME:-moat}"
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

only_native() {
  [ "$MOAT_ISOLATION" = native ] || skip "native only: $1"
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
runtime = "moat"
runtime_supports_json = ["moat", "runc"]

[engine.runtimes]
moat = ["$MOAT"]
runc = ["$(command -v runc || true)"]
END
}

# To be called by the file's own setup_file.
setup_podman() {
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

teardown_podman() {
  [ -n "${WORK-}" ] || return 0
  remove_all
  find /sys/fs/cgroup -depth -type d -path "*$CGROUP_PARENT*" -exec rmdir {} + 2>/dev/null || true
  rm -rf "$WORK"
}

setup_file() {
  setup_podman
}

teardown_file() {
  teardown_podman
}

remove_all() {
  podman pod rm --all --force --time 0 >/dev/null 2>&1 || true
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
}

teardown() {
  [ -n "${WORK-}" ] || return 0 # skipped
  [ -n "$BATS_TEST_COMPLETED" ] || echo "last output: ${output-}"
  remove_all
  if ! eventually 5 has_no_leftovers; then
    echo "left behind:"
    leftovers
    return 1
  fi
}
