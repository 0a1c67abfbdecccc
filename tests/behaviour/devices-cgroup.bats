# SPDX-License-Identifier: Apache-2.0
# Which devices the container's cgroup lets it use, however it got their nodes.

load helpers

rules() {
  config --argjson rules "$1" '.linux.resources.devices = $rules | .process.capabilities[] += ["CAP_MKNOD"] |
    .mounts |= map(if .destination == "/dev" then .options -= ["nodev"] else . end)'
}

# Makes nodes of /dev/fuse and /dev/vhost-net, which nobody needs a capability to open, and prints
# what the cgroup says to each way of opening the first and to the second. A host that has no such
# device gives another reason than the cgroup does.
probe='cd /dev; rm -f fuse vhost-net; mknod fuse c 10 229; mknod vhost-net c 10 238
  ask() { "$@" 2>&1 | grep -q "not permitted" && echo no || echo yes; }
  r() { : <$1; }; w() { : >$1; }
  echo $(ask r fuse) $(ask w fuse) $(ask r vhost-net)'

expect_probe() {
  script "$probe"
  run -0 foreground
  expect "$output" = "$1"
}

@test "the devices that every container has can be used without a rule" {
  rules '[]'
  script 'for d in null zero full random urandom tty ptmx; do
      [ -e /dev/$d ] || { echo "$d is missing"; continue; }
      case $d in
        tty) ;; # needs a terminal
        ptmx) (: <>/dev/ptmx) || echo "ptmx refused" ;;
        *) (: <>/dev/$d) || echo "$d refused" ;;
      esac
    done; echo done'
  run -0 foreground
  expect "$output" = done
}

@test "any node can be made, and only one with a rule be opened" {
  rules '[{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]'
  expect_probe "yes yes no"
}

# bats test_tags=kvm-host
@test "a rule is for its kind of access" {
  rules '[{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]'
  expect_probe "yes no no"
}

@test "a rule without a minor number is for all of them" {
  only_native "a whole major number is about the host's devices"
  rules '[{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 10, "access": "rw"}]'
  expect_probe "yes yes yes"
}

@test "a rule without numbers is for all of its type" {
  rules '[{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "access": "r"}]'
  expect_probe "yes no yes"
}

@test "of two rules about the same device the later one counts" {
  rules '[{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
    {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "w"}]'
  expect_probe "yes no no"
}

# bats test_tags=kvm-host
@test "everything but one device" {
  rules '[{"allow": true, "access": "rwm"},
    {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]'
  expect_probe "no no yes"
}

@test "the rules hold for exec" {
  rules '[{"allow": false, "access": "rwm"}]'
  detached_sleep
  run -0 moat exec "$ID" sh -c "$probe" </dev/null
  expect "$output" = "no no no"
  moat delete --force "$ID"
}

@test "a rule that makes no sense is refused with its place" {
  rules '[{"allow": true, "type": "q", "access": "rwm"}]'
  run ! foreground
  expect_match "$output" 'linux.resources.devices[0]'
}
