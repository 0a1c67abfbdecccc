# SPDX-License-Identifier: Apache-2.0
# podman container checkpoint and restore of virtual machines.

load helpers

CRIU=${MOAT_TEST_CRIU:-criu}

obstacle() {
  missing podman
  [ "$MOAT_ISOLATION" = vm ] || echo "natively that is criu's affair"
  command -v "$CRIU" >/dev/null || echo "podman looks for criu before it asks the runtime, and there is none"
}

setup_file() {
  is_possible || return 0
  setup_podman
  sed -i 's#conmon_env_vars = \[#&"MOAT_SHARE=none", #' "$WORK/containers.conf"
}

setup() {
  skip_impossible
  PATH=$PATH:$(dirname "$(command -v "$CRIU")")
  export MOAT_SHARE=none
}

count() {
  podman exec "$1" cat /tmp/count
}

counter() {
  pod_run --detach --name box busybox sh -c \
    'i=0; while :; do i=$((i + 1)); echo $i >/tmp/part; mv /tmp/part /tmp/count; sleep 0.1; done'
  eventually 30 is_beyond box 3
}

is_beyond() {
  local now
  now=$(count "$1" 2>/dev/null) && ((now > $2))
}

@test "a container goes on under podman where it was" {
  local before
  counter
  before=$(count box)
  podman container checkpoint box
  expect "$(podman inspect --format '{{.State.Status}} {{.State.Checkpointed}}' box)" = "exited true"
  podman container restore box
  eventually 30 is_beyond box "$before"
  expect "$(podman inspect --format '{{.State.Status}}' box)" = running
}

@test "an exported container goes on under another name" {
  local before
  counter
  before=$(count box)
  podman container checkpoint --export "$WORK/box.tar" --compress none box
  podman rm box
  (($(stat -c %s "$WORK/box.tar") < 300 << 20))
  podman container restore --import "$WORK/box.tar" --name another
  eventually 30 is_beyond another "$before"
}
