# SPDX-License-Identifier: Apache-2.0
# User namespaces: whose ids are whose, inside and outside.

load helpers

# user_namespace UID GID COUNT: root of the container is UID:GID outside, and so on.
user_namespace() {
  config --argjson u "$1" --argjson g "$2" --argjson n "$3" '
    .linux.namespaces += [{type: "user"}]
    | .linux.uidMappings = [{containerID: 0, hostID: $u, size: $n}]
    | .linux.gidMappings = [{containerID: 0, hostID: $g, size: $n}]'
  chown -R "$1:$2" "$BUNDLE/rootfs"
}

@test "root of the container is somebody else outside" {
  user_namespace 100000 200000 65536
  script 'id -u; id -g; tr -s " " </proc/self/uid_map; tr -s " " </proc/self/gid_map
    cat /proc/self/setgroups'
  run -0 foreground
  expect "${lines[0]} ${lines[1]}" = "0 0"
  expect "${lines[2]}" = " 0 100000 65536"
  expect "${lines[3]}" = " 0 200000 65536"
  expect "${lines[4]}" = allow
}

@test "several mappings are written as they are given" {
  user_namespace 100000 100000 10
  config '.linux.uidMappings += [{containerID: 1000, hostID: 300000, size: 5}]
    | .process.user.uid = 1003'
  script 'id -u; tr -s " " </proc/self/uid_map'
  run -0 foreground
  expect "$output" = $'1003\n 0 100000 10\n 1000 300000 5'
}

@test "what it writes belongs to its ids outside" {
  only_shared "what is bound is a copy"
  user_namespace 100000 200000 65536
  mkdir -m 777 "$BATS_TEST_TMPDIR/volume"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind
  config '.process.user = {uid: 5, gid: 6, additionalGids: [7]}'
  script 'touch /mnt/made; id -u; id -G; stat -c %u:%g /mnt/made'
  run -0 foreground
  expect "$output" = $'5\n6 7\n5:6'
  expect "$(stat -c %u:%g "$BATS_TEST_TMPDIR/volume/made")" = 100005:200006
}

@test "it has no rights over what belongs to the host's root" {
  only_shared "what is bound is a copy"
  user_namespace 100000 100000 65536
  mkdir "$BATS_TEST_TMPDIR/volume"
  echo secret >"$BATS_TEST_TMPDIR/volume/file"
  chmod 600 "$BATS_TEST_TMPDIR/volume/file"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind
  config '.process.capabilities[] += ["CAP_DAC_OVERRIDE", "CAP_CHOWN"]'
  script 'cat /mnt/file 2>&1; touch /mnt/new 2>&1; chown 0 /mnt/file 2>&1; true'
  run -0 foreground
  [[ "$output" != *secret* ]]
  expect "$(ls "$BATS_TEST_TMPDIR/volume")" = file
}

@test "a volume in a directory that only the host's root may search is there" {
  user_namespace 100000 100000 65536
  mkdir -m 700 "$BATS_TEST_TMPDIR/private"
  echo reached >"$BATS_TEST_TMPDIR/private/file"
  chmod 644 "$BATS_TEST_TMPDIR/private/file"
  mount_at /tmp/file bind "$BATS_TEST_TMPDIR/private/file" bind
  script 'cat /tmp/file'
  run -0 foreground
  expect "$output" = reached
}

@test "its own file systems belong to its root" {
  user_namespace 100000 200000 65536
  script 'stat -c "%n %u:%g" /dev /dev/shm /dev/pts /dev/mqueue'
  run -0 foreground
  expect "$output" = $'/dev 0:0\n/dev/shm 0:0\n/dev/pts 0:0\n/dev/mqueue 0:0'
}

@test "devices work in it" {
  user_namespace 100000 100000 65536
  script 'echo x >/dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c
    test -c /dev/full && test -c /dev/tty && echo there'
  run -0 foreground
  expect "$output" = $'4\n4\nthere'
}

@test "its root may listen on any port" {
  user_namespace 100000 100000 65536
  script 'mkdir /tmp/w && echo page >/tmp/w/file && httpd -h /tmp/w -p 80 && wget -q -O - http://127.0.0.1/file'
  run -0 foreground
  expect "$output" = page
}

@test "exec is in it too, and manages its cgroups where they are of version 2" {
  user_namespace 100000 200000 65536
  config '(.mounts[] | select(.type == "cgroup").options) -= ["ro"]'
  detached_sleep
  if is_vm || [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    moat exec "$ID" sh -c 'mkdir /sys/fs/cgroup/below && echo $$ >/sys/fs/cgroup/below/cgroup.procs'
  fi
  run -0 moat exec "$ID" sh -c 'id -u; tr -s " " </proc/self/uid_map; touch /tmp/x; stat -c %u /tmp/x'
  expect "$output" = $'0\n 0 100000 65536\n0'
  run -0 moat exec --user 5:6 "$ID" sh -c 'id -u; id -g'
  expect "$output" = $'5\n6'
  run -0 moat exec --cap CAP_NET_ADMIN "$ID" sh -c 'grep CapEff /proc/self/status'
  expect_match "$output" 1420
  moat delete --force "$ID"
}

@test "a terminal works in it" {
  user_namespace 100000 100000 65536
  config '.process.terminal = true'
  script 'tty; echo typed >/dev/tty'
  run -0 timeout 60 script -qec "'$MOAT' --root '$ROOT' run --bundle '$BUNDLE' '$ID'" /dev/null
  expect_match "$output" /dev/pts/
  expect_match "$output" typed
}

@test "a user that it does not have is named" {
  user_namespace 100000 100000 100
  config '.process.user.uid = 100'
  args true
  run -1 foreground
  expect_match "$output" "100"
  expect_match "$output" "uid"
}

@test "mappings without a user namespace are refused" {
  config '.linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}]'
  args true
  run -1 foreground
  expect_match "$output" "user namespace mappings specified, but user namespace isn't enabled"
}

@test "a user namespace without mappings is refused" {
  config '.linux.namespaces += [{type: "user"}]'
  args true
  run -1 foreground
  expect_match "$output" "user namespace"
  expect_match "$output" "mappings"
}

# unshared FLAGS COMMAND…: a process with namespaces of its own in $PROCESS.
unshared() {
  unshare "$@" sleep 1000 3>&- &
  PROCESS=$!
  eventually 10 has_namespaces_of_its_own
}

has_namespaces_of_its_own() {
  [ "$(cat "/proc/$PROCESS/comm")" = sleep ]
}

@test "a user namespace is joined by path, and the network that it owns" {
  only_native "a namespace of the host's means nothing in a virtual machine"
  unshared --user --net
  echo "0 400000 1000" >"/proc/$PROCESS/uid_map"
  echo "0 400000 1000" >"/proc/$PROCESS/gid_map"
  config --arg p "/proc/$PROCESS/ns" '.linux.namespaces |= map(select(.type != "network"))
    | .linux.namespaces += [{type: "user", path: "\($p)/user"}, {type: "network", path: "\($p)/net"}]'
  chown -R 400000:400000 "$BUNDLE/rootfs"
  script 'tr -s " " </proc/self/uid_map; readlink /proc/self/ns/net; id -u'
  run -0 foreground
  expect "${lines[0]}" = " 0 400000 1000"
  expect "${lines[1]}" = "$(readlink "/proc/$PROCESS/ns/net")"
  expect "${lines[2]}" = 0
  script 'sleep 1000'
  detached
  run -0 moat exec "$ID" sh -c 'tr -s " " </proc/self/uid_map; readlink /proc/self/ns/net'
  expect "${lines[1]}" = "$(readlink "/proc/$PROCESS/ns/net")"
  moat delete --force "$ID"
  kill "$PROCESS"
}

@test "a network of the host's is joined by a container with a user namespace" {
  only_native "a namespace of the host's means nothing in a virtual machine"
  unshared --net
  user_namespace 100000 100000 65536
  config --arg p "/proc/$PROCESS/ns/net" '.linux.namespaces |= map(select(.type != "network"))
    | .linux.namespaces += [{type: "network", path: $p}]
    | .mounts |= map(select(.type != "sysfs" and .type != "cgroup"))'
  script 'readlink /proc/self/ns/net; sleep 1000'
  detached
  eventually 10 file_contains "$OUT" net
  expect "$(cat "$OUT")" = "$(readlink "/proc/$PROCESS/ns/net")"
  run -0 moat exec "$ID" readlink /proc/self/ns/net
  expect "$output" = "$(readlink "/proc/$PROCESS/ns/net")"
  moat delete --force "$ID"
  kill "$PROCESS"
}

@test "no cgroup of version 1 belongs to who may write in it" {
  only_native "the guest's cgroups are of version 2"
  compgen -G '/sys/fs/cgroup/*/cgroup.procs' >/dev/null || skip "this host has cgroups of version 2 alone"
  user_namespace 100000 200000 65536
  config '.mounts |= map(if .type == "cgroup" then .options |= map(if . == "ro" then "rw" else . end) else . end)'
  open_way
  detached_sleep
  [ -n "$(our_cgroups)" ]
  # shellcheck disable=SC2046 # words
  expect "$(find $(our_cgroups) -not -uid 0)" = ""
  moat delete --force "$ID"
}

# --- beside its peers ---------------------------------------------------------------------------

@test "runc makes the same user namespace of the same bundle" {
  only_native "runc knows no virtual machines"
  command -v runc >/dev/null || skip "there is no runc to compare with"
  user_namespace 100000 200000 65536
  open_way
  config '.ociVersion = "1.0.2" | .process.user = {uid: 5, gid: 6, additionalGids: [7]}'
  mkdir -m 777 "$BATS_TEST_TMPDIR/volume"
  mount_at /mnt bind "$BATS_TEST_TMPDIR/volume" bind
  script 'id -u; id -G; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
    stat -c "%n %u:%g" /dev /dev/shm /dev/pts /proc /sys
    grep -E "^(Cap|Groups|NoNewPrivs)" /proc/self/status; touch /mnt/$0; exit 7'
  run -7 foreground
  ours=$output
  run -7 runc --root "$BATS_TEST_TMPDIR/runc" run --bundle "$BUNDLE" "$ID-runc" </dev/null
  expect "$ours" = "$output"
}
