# SPDX-License-Identifier: Apache-2.0
# The guest image of the quick start, with the distribution's kernel. The rest of the suite uses a
# smaller kernel where there is one.

load helpers

use_distribution_kernel() {
  only_vm "the kernel is the machine's natively"
  MOAT_GUEST=$(dirname "$(dirname "$MOAT")")/guest
  [ -e "$MOAT_GUEST/guest.json" ] || skip "no guest image in '$MOAT_GUEST': MOAT is not a build's"
  export MOAT_GUEST
}

@test "the distribution's kernel runs a container" {
  use_distribution_kernel
  args uname -r
  run -0 foreground
  expect "$output" = "$(jq -r .release "$MOAT_GUEST/guest.json")"
}

@test "the distribution's kernel shares files, streams and exit codes" {
  use_distribution_kernel
  head -c 5M /dev/urandom >"$BATS_TEST_TMPDIR/data"
  script 'cat; echo inside >/written; exit 42'
  run -42 moat run --bundle "$BUNDLE" "$ID" <"$BATS_TEST_TMPDIR/data" >"$OUT"
  expect "$(cat "$BUNDLE/rootfs/written")" = inside
}

@test "the distribution's kernel runs a further process by exec" {
  use_distribution_kernel
  detached_sleep
  run -7 moat exec "$ID" sh -c 'cat /proc/1/comm; exit 7' </dev/null
  expect_match "$output" sleep
  moat delete --force "$ID"
}

@test "the distribution's kernel loads what devices need at boot, and a file system when it is asked for" {
  use_distribution_kernel
  config '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"]) | del(.linux.seccomp)'
  script 'cut -d " " -f 1 /proc/modules; echo --
    mkdir -p /tmp/o && mount -t tmpfs none /tmp/o && cd /tmp/o && mkdir a b m &&
    mount -t overlay -o lowerdir=a:b none m && cut -d " " -f 1 /proc/modules'
  run foreground
  echo "$output"
  expect "$status" = 0
  local before=${output%%--*} after=${output#*--}
  expect_match "$before" virtio_console
  expect_match "$before" virtiofs
  [[ $before != *overlay* && $before != *erofs* && $before != *virtio_net* && $before != *sd_mod* ]]
  expect_match "$after" overlay
  [[ $after != *erofs* ]]
}

# Under emulation newer kernels take no processors.
@test "the distribution's kernel takes memory and a processor while it runs, and is saved with them" {
  use_distribution_kernel
  (($(nproc) > 1)) || skip "this host has one processor"
  export MOAT_CONFIG=$BATS_TEST_TMPDIR/moat.json
  echo '{"vm": {"memory_max_mib": 1024, "vcpus_max": 2, "share": "none"}}' >"$MOAT_CONFIG"
  config '.linux.resources.memory = {limit: 67108864}'
  detached_sleep
  expect "$(moat exec "$ID" nproc)" = 1
  moat update --memory 200m "$ID"
  moat update --cpu-quota 200000 --memory 400m "$ID"
  expect "$(moat exec "$ID" nproc)" = 2
  has_grown() {
    moat exec "$ID" awk '/^MemTotal/ { exit $2 < 400 * 1024 }' /proc/meminfo
  }
  eventually 20 has_grown
  moat checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  expect "$(jq -c '[(.piecesMiB | length), .moreVcpus]' "$BATS_TEST_TMPDIR/image/vm.json")" = "[2,1]"
  moat restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" </dev/null >>"$OUT" 2>>"$ERR"
  has_grown
  expect "$(moat exec "$ID" nproc)" = 2
  moat delete --force "$ID"
}
