# SPDX-License-Identifier: Apache-2.0
# The channel to a guest without vsock, with another implementation of its protocol at the other end.

bats_require_minimum_version 1.5.0
load ../lib/go

setup_file() {
  export TOP=$BATS_TEST_DIRNAME/../..
  export END=${MOAT_BUILD:-$TOP/build}/tests/unit/proto/yamux-end
}

build_peer() {
  cd "$BATS_TEST_DIRNAME/yamux" && go_in "$TOP/build/yamux" mod download 2> >(without_addresses) ||
    skip "the module of the other implementation cannot be fetched from here"
  go_in "$TOP/build/yamux" build -o "$BATS_TEST_TMPDIR/peer" . 2> >(without_addresses)
}

@test "streams go both ways with hashicorp's yamux, and those that are given up do not end the others" {
  [ "$MOAT_ISOLATION" = vm ] || skip "vm only: natively there is no channel"
  command -v go >/dev/null || skip "no go here (./dev setup --test)"
  [ -x "$END" ] || skip "no yamux-end here (meson setup -Dtests=true)"
  build_peer
  run -0 timeout 100 "$BATS_TEST_TMPDIR/peer" "$END"
  printf '%s\n' "$output" >&2
  [ "$(grep -c '^ok' <<<"$output")" = 3 ]
}
