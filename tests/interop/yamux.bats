# SPDX-License-Identifier: Apache-2.0
# The channel to a guest without vsock, with another implementation of its protocol at the other end.

bats_require_minimum_version 1.5.0

# tests/interop/run makes the peer, while there still is a network.
setup_file() {
  export BUILD=${MOAT_BUILD:-$BATS_TEST_DIRNAME/../../build}
  export END=$BUILD/tests/unit/proto/yamux-end PEER=$BUILD/yamux/peer
}

@test "streams go both ways with hashicorp's yamux, and those that are given up do not end the others" {
  [ "$MOAT_ISOLATION" = vm ] || skip "vm only: natively there is no channel"
  [ -x "$END" ] || skip "no yamux-end here (meson setup -Dtests=true)"
  [ -x "$PEER" ] || skip "no peer: without go, or its module could not be fetched from here (./dev setup --test)"
  run -0 timeout 100 "$PEER" "$END"
  printf '%s\n' "$output" >&2
  [ "$(grep -c '^ok' <<<"$output")" = 3 ]
}
