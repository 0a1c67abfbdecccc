# SPDX-License-Identifier: Apache-2.0
# Pausing what does not want to be paused, and ending what does not want to end.

load helpers

forks_forever() {
  script 'f() { while :; do /bin/true; done; }; f & f & echo up; f'
}

count_up() {
  script 'i=0; echo up; while :; do i=$((i + 1)); echo $i >/count; done'
}

@test "a container that keeps forking is paused, and resumed" {
  forks_forever
  detached
  eventually 20 file_contains "$OUT" up
  for _ in 1 2 3; do
    moat pause "$ID"
    expect "$(status_of "$ID")" = paused
    moat resume "$ID"
    expect "$(status_of "$ID")" = running
  done
  moat delete --force "$ID"
}

@test "nothing runs while it is paused" {
  only_native "the count is read on the host"
  count_up
  detached
  eventually 20 file_contains "$OUT" up
  moat pause "$ID"
  local before
  before=$(cat "$BUNDLE/rootfs/count")
  sleep 0.3
  expect "$(cat "$BUNDLE/rootfs/count")" = "$before"
  moat resume "$ID"
  eventually 20 [ "$(cat "$BUNDLE/rootfs/count")" != "$before" ] || true
  moat delete --force "$ID"
}

@test "delete --force ends a fork bomb" {
  config '.linux.resources.pids = {limit: 100}'
  # shellcheck disable=SC2016 # the container's shell expands it
  script 'echo up; b() { while :; do sh -c "sleep 0.01" & done; }; b & b & b & b'
  detached
  eventually 20 file_contains "$OUT" up
  moat delete --force "$ID"
  expect "$(our_cgroups)" = ""
}

@test "delete --force ends a paused fork bomb" {
  config '.linux.resources.pids = {limit: 100}'
  # A shell that cannot fork ends: this one begins anew then, and the first process needs nobody.
  cat >"$BUNDLE/rootfs/bomb" <<'END'
trap 'exec sh /bomb' EXIT
while :; do sh -c "sleep 0.01" & done
END
  script 'sh /bomb & echo up; exec sleep 1000'
  detached
  eventually 20 file_contains "$OUT" up
  moat pause "$ID"
  moat delete --force "$ID"
  expect "$(our_cgroups)" = ""
}

@test "a frozen cgroup is refused, and one with processes too" {
  only_native "a virtual machine's cgroup is made by the same code"
  local freezer=/sys/fs/cgroup/freezer
  [ -d "$freezer" ] || skip "this host has no freezer of cgroup v1"
  args true
  config --arg path "/used-$ID" '.linux.cgroupsPath = $path'
  mkdir "$freezer/used-$ID"
  echo FROZEN >"$freezer/used-$ID/freezer.state"
  run ! foreground
  expect_match "$output" "container's cgroup unexpectedly frozen"
  echo THAWED >"$freezer/used-$ID/freezer.state"
  sleep 1000 3>&- &
  local pid=$!
  echo "$pid" >"$freezer/used-$ID/cgroup.procs"
  run ! foreground
  expect_match "$output" "container's cgroup is not empty: 1 process(es) found"
  kill "$pid"
  wait "$pid" || true
  eventually 5 rmdir "$freezer/used-$ID"
}
