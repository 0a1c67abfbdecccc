# SPDX-License-Identifier: Apache-2.0
# What listens on a container's own 127.0.0.1, as engines reach it to forward ports: from a process of
# the host in the container's network namespace.

load helpers

# In the network namespace of the container: what the server on this port says.
fetch() {
  nsenter --net="/proc/$(cat "$PID_FILE")/ns/net" bash -c "exec 4<>/dev/tcp/127.0.0.1/$1
    printf 'GET / HTTP/1.0\r\n\r\n' >&4 && cat <&4" 2>/dev/null
}

says_page() {
  fetch 80 | grep -q page
}

@test "a server on the container's own 127.0.0.1 is reached from its network namespace" {
  script 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 127.0.0.1:80 -h /www'
  detached
  eventually 20 says_page
  # What is large arrives whole, and several at once do not disturb each other.
  moat exec "$ID" sh -c 'head -c 3000000 /dev/zero >/www/index.html'
  local pids=()
  for i in 1 2 3 4; do
    fetch 80 3>&- | wc -c >"$BATS_TEST_TMPDIR/$i" &
    pids+=($!)
  done
  wait "${pids[@]}"
  for i in 1 2 3 4; do [ "$(cat "$BATS_TEST_TMPDIR/$i")" -gt 3000000 ]; done
  moat delete --force "$ID"
}

@test "where nobody listens in the container, a connection ends" {
  detached_sleep
  run fetch 81
  expect "$output" = ""
  moat delete --force "$ID"
}

@test "a network namespace in which somebody listens keeps its 127.0.0.1" {
  only_vm "natively it is the container's"
  local server
  echo page >"$BATS_TEST_TMPDIR/index.html"
  unshare --net sh -c 'ip link set lo up; exec busybox httpd -f -p 80 -h "$1"' sh "$BATS_TEST_TMPDIR" 3>&- &
  server=$!
  listens() { nsenter --net="/proc/$server/ns/net" ss -Hltn 2>/dev/null | grep -q :80; }
  eventually 20 listens
  config --arg p "/proc/$server/ns/net" '(.linux.namespaces[] | select(.type == "network")).path = $p'
  detached_sleep
  eventually 20 says_page
  moat delete --force "$ID"
  kill "$server"
}
