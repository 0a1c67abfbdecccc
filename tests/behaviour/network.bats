# SPDX-License-Identifier: Apache-2.0
# A container's network: what its namespace holds is what it has, whatever carries the packets.

load helpers

# --- two hosts --------------------------------------------------------------------------------

# Processes of a test's own, which end with it.
HELPERS=()

# background COMMAND…: its pid is in $!.
background() {
  "$@" 3>&- </dev/null >/dev/null 2>&1 &
  HELPERS+=($!)
}

eval "$(declare -f teardown | sed '1s/teardown/teardown_container/')"

teardown() {
  if ((${#HELPERS[@]} > 0)); then
    kill "${HELPERS[@]}"
    wait "${HELPERS[@]}" || true
  fi
  teardown_container
}

# hold VARIABLE: a network namespace by its holder's pid.
hold() {
  background unshare --net sleep 1000
  printf -v "$1" %s $!
  eventually 20 has_own_network $!
}

has_own_network() {
  [ "$(cat "/proc/$1/comm")" = sleep ]
}

# inside HOLDER COMMAND…
inside() {
  local pid=$1
  shift
  nsenter --target "$pid" --net "$@" 3>&-
}

# The container's namespace and a peer's, without a link between them.
two_hosts() {
  command -v ip >/dev/null || skip "there is no ip(8): the package iproute2"
  unshare --net ip link add dev0 type veth peer name peer0 || skip "this kernel has no veth devices"
  hold PEER
  hold BOX
  inside "$BOX" ip link set lo up
  inside "$PEER" ip link set lo up
}

# cable LINK NUMBER: from LINK in the container's namespace, 10.9.NUMBER.2, to the peer's .1.
cable() {
  inside "$PEER" ip link add "cable$2" type veth peer name "$1" netns "$BOX"
  inside "$PEER" ip addr add "10.9.$2.1/24" dev "cable$2"
  inside "$PEER" ip -6 addr add "fd09:$2::1/64" nodad dev "cable$2"
  inside "$PEER" ip link set "cable$2" up
  inside "$BOX" ip addr add "10.9.$2.2/24" dev "$1"
  inside "$BOX" ip -6 addr add "fd09:$2::2/64" nodad dev "$1"
  inside "$BOX" ip link set "$1" up
}

join() {
  config --arg path "/proc/$1/ns/net" '(.linux.namespaces[] | select(.type == "network")).path = $path'
}

# On the peer, a file for whoever asks.
serve() {
  mkdir "$BATS_TEST_TMPDIR/www"
  echo "from the peer" >"$BATS_TEST_TMPDIR/www/file"
  background nsenter --target "$PEER" --net "$BUNDLE/rootfs/bin/busybox" httpd -f -p 80 -h "$BATS_TEST_TMPDIR/www"
  eventually 20 fetches http://127.0.0.1/file
}

# From the peer. Not for long: a link that goes takes with it what would end a connection.
fetches() {
  inside "$PEER" timeout 5 "$BUNDLE/rootfs/bin/busybox" wget -q -O - "$1" >"$BATS_TEST_TMPDIR/fetched" 2>/dev/null
}

# --- tests ------------------------------------------------------------------------------------

@test "links are the container's, with their addresses, size, routes and neighbours" {
  two_hosts
  cable eth0 1
  cable data 2
  inside "$BOX" ip link set eth0 mtu 1400
  inside "$BOX" ip link set data address 02:00:00:00:00:09
  inside "$BOX" ip route add default via 10.9.1.1 metric 100
  inside "$BOX" ip route append default via 10.9.2.1 metric 100
  inside "$BOX" ip route add 192.0.2.0/24 via 10.9.2.1 src 10.9.2.2
  inside "$BOX" ip -6 route add default via fd09:1::1
  inside "$BOX" ip neigh add 10.9.2.77 lladdr 02:00:00:00:00:77 dev data nud permanent
  join "$BOX"
  script 'cat /sys/class/net/eth0/mtu /sys/class/net/data/address; ip -o addr; ip route; ip -6 route
    ip neigh; ls /sys/class/net'
  run -0 foreground
  for part in $'1400\n02:00:00:00:00:09' "10.9.1.2/24" "10.9.2.2/24" "fd09:1::2/64" "fd09:2::2/64" \
    "default via 10.9.1.1 dev eth0  metric 100" "default via 10.9.2.1 dev data  metric 100" \
    "192.0.2.0/24 via 10.9.2.1 dev data  src 10.9.2.2" "default via fd09:1::1 dev eth0" \
    "10.9.2.77 dev data lladdr 02:00:00:00:00:77" $'data\neth0\nlo'; do
    expect_match "$output" "$part"
  done
  # The first of two that are alike is taken.
  [[ "$output" == *"via 10.9.1.1 dev eth0  metric"*"via 10.9.2.1 dev data  metric"* ]]
}

@test "packets of any size go both ways, in IPv4 and IPv6" {
  two_hosts
  cable eth0 1
  join "$BOX"
  serve
  mkdir "$BUNDLE/rootfs/www"
  head -c 3000000 /dev/urandom >"$BUNDLE/rootfs/www/large"
  script 'wget -q -O - http://10.9.1.1/file "http://[fd09:1::1]/file"; exec httpd -f -p 80 -h /www'
  detached
  eventually 60 fetches http://10.9.1.2/large
  cmp "$BATS_TEST_TMPDIR/fetched" "$BUNDLE/rootfs/www/large"
  eventually 20 fetches "http://[fd09:1::2]/large"
  cmp "$BATS_TEST_TMPDIR/fetched" "$BUNDLE/rootfs/www/large"
  expect "$(cat "$OUT")" = $'from the peer\nfrom the peer'
  moat delete --force "$ID"
}

@test "a namespace is as it was when the container is gone" {
  two_hosts
  cable eth0 1
  join "$BOX"
  serve
  args true
  run -0 foreground
  expect "$(inside "$BOX" "$BUNDLE/rootfs/bin/busybox" wget -q -O - http://10.9.1.1/file)" = "from the peer"
}

@test "without a link there is the loopback alone, and it is up" {
  script 'ls /sys/class/net; ip -o addr show dev lo'
  detached
  wait_status stopped
  expect "$(head -n 1 "$OUT")" = lo
  expect_match "$(cat "$OUT")" 127.0.0.1/8
  moat delete "$ID"
}

@test "links that come between create and start are the container's too" {
  two_hosts
  script 'ip -o addr show dev eth0; ip route; cat /sys/class/net/eth0/address; ls /sys/class/net
    wget -q -O - http://10.9.1.1/file'
  serve
  create
  BOX=$(cat "$PID_FILE")
  cable eth0 1
  inside "$BOX" ip link set eth0 address 02:00:00:00:00:09
  inside "$BOX" ip route add default via 10.9.1.1
  moat start "$ID"
  wait_status stopped
  for part in 10.9.1.2/24 "default via 10.9.1.1" 02:00:00:00:00:09 $'eth0\nlo' "from the peer"; do
    expect_match "$(cat "$OUT")" "$part"
  done
  moat delete "$ID"
}

@test "addresses that come between create and start are the container's too" {
  two_hosts
  cable eth0 1
  join "$BOX"
  script 'ip -o addr show dev eth0'
  create
  inside "$BOX" ip addr add 10.9.9.9/32 dev eth0
  moat start "$ID"
  wait_status stopped
  expect_match "$(cat "$OUT")" 10.9.9.9/32
  expect_match "$(cat "$OUT")" 10.9.1.2/24
  moat delete "$ID"
}

@test "what a hook gives the namespace is there" {
  two_hosts
  config --arg peer "$PEER" --arg path "$PATH" '.hooks.createRuntime = [{path: "/bin/sh",
    env: ["PATH=\($path)"], args: ["sh", "-c",
      "exec nsenter -t $(jq .pid) -n sh -c \"ip link add eth0 type veth peer name cable1 netns \($peer); ip addr add 10.9.1.2/24 dev eth0; ip link set eth0 up\""]}]'
  script 'ip -o addr show dev eth0'
  run -0 foreground
  expect_match "$output" 10.9.1.2/24
}

@test "a link that is no link by itself has none either: ports, and those without an address" {
  two_hosts
  cable eth0 1
  inside "$BOX" ip link add br0 type bridge || skip "this kernel has no bridges"
  inside "$BOX" ip addr flush dev eth0
  inside "$BOX" ip link set eth0 master br0
  inside "$BOX" ip addr add 10.9.1.2/24 dev br0
  inside "$BOX" ip link set br0 up
  serve
  join "$BOX"
  script 'ls /sys/class/net; wget -q -O - http://10.9.1.1/file'
  run -0 foreground
  expect_match "$output" br0
  expect_match "$output" "from the peer"
  ! is_vm || [[ "$output" != *eth0* ]]
}

@test "a container that joins another one's network reaches it by the loopback" {
  shares_files || config '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox"'
  two_hosts
  cable eth0 1
  join "$BOX"
  mkdir "$BUNDLE/rootfs/www"
  echo "from the first" >"$BUNDLE/rootfs/www/file"
  args httpd -f -p 127.0.0.1:80 -h /www
  detached
  join "$(cat "$PID_FILE")"
  script 'wget -q -O - http://127.0.0.1/file; ip -o addr show dev eth0'
  run -0 moat run --bundle "$BUNDLE" "$ID-second" </dev/null
  expect_match "$output" "from the first"
  expect_match "$output" 10.9.1.2/24
  moat delete --force "$ID"
}

@test "a link that another virtual machine has is refused" {
  only_vm "natively they share it"
  two_hosts
  cable eth0 1
  join "$BOX"
  detached_sleep
  # With a state of its own it knows of no machine that it could join.
  run "$MOAT" --root "$BATS_TEST_TMPDIR/state" run --bundle "$BUNDLE" "$ID-second" </dev/null 3>&-
  expect "$status" = 1
  expect_match "$output" "network: link 'eth0': another virtual machine has it"
  expect_match "$output" "hint: containers that share a network"
  moat delete --force "$ID"
}

@test "the host's network is refused, however it is named" {
  only_vm "natively it is shared"
  args true
  config 'del(.linux.namespaces[] | select(.type == "network"))'
  run foreground
  expect "$status" = 1
  expect_match "$output" "a virtual machine has no shared host network"
  expect_match "$output" "hint: give the container its own network namespace, or use --isolation native"
  config '.linux.namespaces += [{type: "network"}]'
  join self
  run foreground
  expect "$status" = 1
  expect_match "$output" "'/proc/self/ns/net' is the caller's own: a virtual machine has no shared host network"
}

@test "a saved virtual machine goes on in its network, and in no other" {
  only_vm "natively criu saves what is in the namespace"
  export MOAT_SHARE=none
  two_hosts
  local later=$BOX address
  script 'echo up >/tmp/file; httpd -f -p 80 -h /tmp'
  # As some engines do it: the machine has had spare interfaces, one of which is still.
  create
  BOX=$(cat "$PID_FILE")
  cable eth0 1
  moat start "$ID"
  eventually 20 fetches http://10.9.1.2/file
  address=$(inside "$BOX" ip -json link show eth0 | jq -r '.[].address')
  moat checkpoint --image-path "$BATS_TEST_TMPDIR/image" "$ID"
  run ! fetches http://10.9.1.2/file
  # As after a move: the same link, other addresses.
  BOX=$later
  cable eth0 2
  inside "$BOX" ip link set eth0 address "$address"
  join "$BOX"
  moat restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" </dev/null >>"$OUT" 2>>"$ERR"
  eventually 20 fetches http://10.9.2.2/file
  expect "$(cat "$BATS_TEST_TMPDIR/fetched")" = up
  moat delete --force "$ID"
  inside "$BOX" ip link set eth0 address 02:00:00:00:00:0a
  run -1 moat restore --detach --bundle "$BUNDLE" --image-path "$BATS_TEST_TMPDIR/image" "$ID" </dev/null
  expect_match "$output" "interface 1 of the saved machine has the address '$address', which no link has here"
}
