# SPDX-License-Identifier: Apache-2.0
# What a cluster is given to install moat: read by Kubernetes' own types, and the script on a root made here.

bats_require_minimum_version 1.5.0
load ../lib/go

MANIFESTS=$BATS_TEST_DIRNAME/../../packaging/kubernetes

build_reader() {
  local cache=$BATS_TEST_DIRNAME/../../build/manifests
  command -v go >/dev/null || skip "no go here (./dev setup --test)"
  mkdir -p "$cache"
  cache=$(readlink -f "$cache")
  cd "$BATS_TEST_DIRNAME/manifests"
  go_in "$cache" mod download 2> >(without_addresses) ||
    skip "the modules of Kubernetes' types cannot be fetched from here"
  go_in "$cache" build -o "$cache/reader" . 2> >(without_addresses)
  READER=$cache/reader
}

@test "Kubernetes' types know every field of the manifests" {
  build_reader
  run -0 "$READER" "$MANIFESTS/deploy.yaml" "$MANIFESTS/runtimeclass.yaml"
  [ "$output" = "$(printf '%s\n' 'Namespace moat-system' 'ServiceAccount moat-deploy' 'DaemonSet moat-deploy' \
    'RuntimeClass moat' 'RuntimeClass moat-native')" ]
  sed 's/hostPID:/hostPIDs:/' "$MANIFESTS/deploy.yaml" >"$BATS_TEST_TMPDIR/wrong.yaml"
  run -1 "$READER" "$BATS_TEST_TMPDIR/wrong.yaml"
  [[ $output == *'unknown field "hostPIDs"'* ]]
}

@test "containerd's configuration is changed once, where that is needed, and changed back" {
  local config=$BATS_TEST_TMPDIR/etc/containerd/config.toml
  mkdir -p "${config%/*}"
  printf 'version = 2\n\n[plugins]\n' >"$config"
  export HOST=$BATS_TEST_TMPDIR
  "$MANIFESTS/moat-deploy" configure
  [ "$(head -n 1 "$config")" = 'imports = ["/etc/containerd/conf.d/*.toml"]' ]
  run -1 "$MANIFESTS/moat-deploy" configure
  [ "$(grep -c imports "$config")" = 1 ]
  "$MANIFESTS/moat-deploy" unconfigure
  [ "$(cat "$config")" = "$(printf 'version = 2\n\n[plugins]\n')" ]
  printf 'imports = ["/etc/own.toml"]\n' >"$config"
  run -1 "$MANIFESTS/moat-deploy" configure
  [[ $output == *"by hand"* ]]
  [ "$(cat "$config")" = 'imports = ["/etc/own.toml"]' ]
}
