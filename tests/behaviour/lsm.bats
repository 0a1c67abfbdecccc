# SPDX-License-Identifier: Apache-2.0
# Labels of security modules: AppArmor's profile and SELinux's label of a process. Behind a VM they are
# left out, because they are names in the policy of the host's kernel.

load helpers

has_apparmor() {
  grep -q Y /sys/module/apparmor/parameters/enabled 2>/dev/null
}

needs_apparmor() {
  only_native "the policy is the host's"
  has_apparmor || skip "AppArmor is not enabled in this kernel"
}

# profile NAME: loads one that allows everything but reading /etc/group.
profile() {
  local security=$BATS_TEST_TMPDIR/security
  command -v apparmor_parser >/dev/null || skip "no apparmor_parser here"
  mkdir "$security"
  mount -t securityfs securityfs "$security"
  apparmor_parser --subdomainfs "$security/apparmor" --skip-cache --replace --quiet <<PROFILE
profile $1 flags=(attach_disconnected,mediate_deleted) {
  file, capability, network, mount, umount, signal, ptrace, pivot_root, unix, dbus,
  deny /etc/group r,
}
PROFILE
  umount "$security"
}

@test "a profile is warned of and left out where AppArmor is not enabled" {
  only_native "the policy is the host's"
  ! has_apparmor || skip "AppArmor is enabled in this kernel"
  config '.process.apparmorProfile = "moat-test"'
  args echo runs
  run -0 foreground
  expect_match "$output" "warning: process.apparmorProfile: AppArmor is not enabled, 'moat-test' is ignored"
  expect_match "$output" runs
}

@test "unconfined is what a process is anyway" {
  config '.process.apparmorProfile = "unconfined"'
  args echo runs
  run -0 foreground
  expect "$output" = runs
}

@test "a label is refused where SELinux is not enabled" {
  only_native "the policy is the host's"
  [ ! -e /sys/fs/selinux/enforce ] || skip "SELinux is enabled in this kernel"
  config '.process.selinuxLabel = "system_u:system_r:container_t:s0"'
  args echo runs
  run ! foreground
  expect_match "$output" "process.selinuxLabel: 'system_u:system_r:container_t:s0' given, but SELinux is not enabled"
  config 'del(.process.selinuxLabel)'
  detached_sleep
  run -255 moat exec --process-label system_u:system_r:container_t:s0 "$ID" true </dev/null
  expect_match "$output" "SELinux is not enabled"
  moat delete --force "$ID"
}

# bats test_tags=kvm-host
@test "a profile that is not loaded is an error, with the words podman looks for" {
  needs_apparmor
  config '.process.apparmorProfile = "moat-test-no-such"'
  args echo runs
  run ! foreground
  expect_match "$output" "profile 'moat-test-no-such' is not loaded"
  # shellcheck disable=SC2016
  expect_match "$output" '`/proc/thread-self/attr/apparmor/exec`'
  [[ "$output" != *"o such file"* ]]
}

# bats test_tags=kvm-host,brief
@test "a profile confines the process, and those that enter" {
  needs_apparmor
  profile moat-test
  config '.process.apparmorProfile = "moat-test" | .process.noNewPrivileges = true'
  args sh -c 'cat /proc/self/attr/current; cat /etc/group; exec sleep 1000'
  detached
  eventually 10 file_contains "$ERR" "ermission denied"
  expect "$(cat "$OUT")" = "moat-test (enforce)"
  run moat exec "$ID" cat /proc/self/attr/current </dev/null
  expect "$output" = "moat-test (enforce)"
  run -0 moat exec --apparmor unconfined "$ID" cat /proc/self/attr/current </dev/null
  expect "$output" = unconfined
  moat delete --force "$ID"
}

# bats test_tags=kvm-host
@test "a profile is set whatever the container has on /proc (CVE-2019-16884, CVE-2025-52881)" {
  needs_apparmor
  profile moat-test
  config '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
  script 'mount -t tmpfs none /proc; mkdir -p /proc/thread-self/attr/apparmor /proc/self/attr; echo up
    : >/proc/thread-self/attr/apparmor/exec; : >/proc/thread-self/attr/exec; exec sleep 1000'
  detached
  eventually 10 file_contains "$OUT" up
  run moat exec --apparmor moat-test "$ID" cat /etc/group </dev/null
  expect_match "$output" "ermission denied"
  run -0 moat exec "$ID" cat /proc/thread-self/attr/apparmor/exec </dev/null
  expect "$output" = ""
  moat delete --force "$ID"
}
