# SPDX-License-Identifier: Apache-2.0
# podman's own networks: bridges, published ports and names, on a host that is a network namespace.

load helpers

host() {
  nsenter --target "$HOST" --net "$@" 3>&-
}

# As in helpers, on that host.
podman() {
  host podman --root "$WORK/root" --runroot "$WORK/runroot" --tmpdir "$WORK/tmp" \
    --network-config-dir "$WORK/networks" --storage-driver vfs --runtime moat "$@"
}

obstacle() {
  missing podman ip iptables /usr/lib/podman/netavark /usr/lib/podman/aardvark-dns
  unshare --net ip link add probe type bridge || echo "this kernel has no bridges"
  unshare --net iptables -t nat -L >/dev/null || echo "this kernel has no address translation"
}

setup_file() {
  is_possible || return 0
  unshare --net sleep 1000 3>&- </dev/null >/dev/null 2>&1 &
  export HOST=$!
  eventually 20 grep -q sleep "/proc/$HOST/comm"
  host ip link set lo up
  setup_podman
  grep -q '^\[network\]' "$CONTAINERS_CONF" || echo '[network]' >>"$CONTAINERS_CONF"
  sed -i 's/^\[network\]/&\nnetwork_backend = "netavark"/' "$CONTAINERS_CONF"
  mkdir -p "$WORK/rootfs/www"
  podman network create --subnet 10.89.77.0/24 --ipv6 --subnet fd89:77::/64 first >&2
  podman network create --subnet 10.89.78.0/24 second >&2
}

teardown_file() {
  teardown_podman
  [ -z "${HOST-}" ] || kill "$HOST"
}

# served NAME OPTIONS…: a web server that tells its name.
served() {
  local name=$1
  shift
  podman run --detach --name "$name" --cgroup-parent "$CGROUP_PARENT" "$@" localhost/busybox \
    sh -c "mkdir /www; echo 'I am $name' >/www/index.html; exec httpd -f -p 80 -h /www"
}

fetched() {
  host "$WORK/rootfs/bin/busybox" wget -q -O - "$1" 2>/dev/null
}

tells() {
  [ "$(fetched "$1")" = "$2" ]
}

asked() {
  podman run --rm --cgroup-parent "$CGROUP_PARENT" "$@"
}

@test "a published port and a name lead to a container" {
  served web --network first --publish 127.0.0.1:18080:80
  eventually 60 tells http://127.0.0.1:18080/ "I am web"
  eventually 20 tells "http://$(podman inspect --format '{{.NetworkSettings.Networks.first.IPAddress}}' web)/" "I am web"
  run asked --network first localhost/busybox wget -q -O - http://web/
  expect "$status" = 0
  expect_match "$output" "I am web"
  podman restart --time 1 web
  eventually 60 tells http://127.0.0.1:18080/ "I am web"
}

@test "a container of two networks is in both, with the address it is given" {
  served web --network second
  run asked --network first --network second:ip=10.89.78.99,mac=02:00:00:00:00:63 localhost/busybox \
    sh -c 'ip -o addr; cat /sys/class/net/*/address; wget -q -O - http://web/; ping6 -c 1 fd89:77::1'
  for part in 10.89.77. 10.89.78.99/24 fd89:77:: 02:00:00:00:00:63 "I am web" "1 packets received"; do
    expect_match "$output" "$part"
  done
}

@test "a container in another one's network reaches it by the loopback" {
  served web --network first
  run asked --network container:web localhost/busybox sh -c \
    'until wget -q -O - http://127.0.0.1/; do sleep 0.1; done 2>/dev/null'
  expect_match "$output" "I am web"
}

@test "the host's network is refused in words that podman passes on" {
  [ "$MOAT_ISOLATION" = vm ] || skip "vm only: natively it is shared"
  run asked --network host localhost/busybox true
  [ "$status" -ne 0 ]
  expect_match "$output" "a virtual machine has no shared host network"
}
