# SPDX-License-Identifier: Apache-2.0
# Containers that reach for a cgroup which is not theirs, and configurations whose cgroup would be
# somewhere else than among cgroups: docs/threat-model.md.

load helpers

# Root, with what it takes to mount and to unshare.
mounting_rights() {
  config '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"]) | .process.noNewPrivileges = false
    | .linux.maskedPaths = [] | .linux.readonlyPaths = []
    | .linux.namespaces |= map(select(.type != "cgroup")) + [{type: "cgroup"}]'
  mkdir "$BUNDLE/rootfs/cgroups"
}

# The host's hierarchies that may be mounted by a name.
hierarchies() {
  awk -F: '$2 == "" { print "cgroup2"; next } { sub("name=.*", "none,&", $2); print $2 }' /proc/self/cgroup
}

# For a script: WHAT is done in each hierarchy that can be mounted.
in_each_hierarchy() {
  local hierarchy
  for hierarchy in $(hierarchies); do
    case $hierarchy in
      cgroup2) echo "mount -t cgroup2 none /cgroups" ;;
      *) echo "mount -t cgroup -o $hierarchy none /cgroups" ;;
    esac
    echo "[ -e /cgroups/cgroup.procs ] && { $1; umount /cgroups; }"
  done
}

@test "a cgroups path does not climb out of its hierarchy" {
  local outside=$BATS_TEST_TMPDIR/outside path
  mkdir "$outside"
  args cat /proc/self/cgroup
  for path in "/../../../../../../../../../../../..$outside/made" "../../../../../../../../../../..$outside/made" \
    "/$ID/../../../../../../../../../../..$outside/made"; do
    config --arg path "$path" '.linux.cgroupsPath = $path | .linux.namespaces |= map(select(.type != "cgroup"))'
    run foreground
    [[ "$output" != *..* || "$output" == *cgroup* ]]
    expect "$(ls -A "$outside")" = ""
  done
  # Who takes it as a way below the top, leaves that.
  find /sys/fs/cgroup -depth -type d -path "*$outside*" -exec rmdir {} + 2>/dev/null || true
  find /sys/fs/cgroup -depth -type d -path "*${BATS_RUN_TMPDIR#/}*" -exec rmdir {} + 2>/dev/null || true
}

@test "rights over mounts give no cgroup but the container's own" {
  mounting_rights
  local root victims=()
  for root in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    if [ -e "$root/cgroup.procs" ] && mkdir "$root/victim-$ID" 2>/dev/null; then
      victims+=("$root/victim-$ID")
    fi
  done
  script "exec 2>/dev/null
    $(in_each_hierarchy 'echo mounted; find /cgroups/ /cgroups/.. -name "victim*" | sed "s/^/seen /"
      for f in /cgroups/*victim*/cgroup.procs /cgroups/../*victim*/cgroup.procs; do echo $$ >$f && echo seen; done')
    grep victim /proc/self/cgroup && echo seen"
  run foreground
  expect_match "$output" mounted
  [[ "$output" != *seen* ]]
  rmdir "${victims[@]}" # nobody is in them
}

@test "a program for the end of cgroups cannot be set" {
  mounting_rights
  {
    echo 'exec 2>/dev/null'
    # What is there already, so that nobody is hurt where it can be written.
    in_each_hierarchy 'for f in $(find /cgroups -name release_agent); do
      agent=$(cat $f); echo "$agent" >$f && echo taken; done'
  } >"$BUNDLE/rootfs/deed"
  # As itself, and as the root of a user namespace of its own (CVE-2022-0492).
  script 'sh /deed; unshare -U -r -m sh /deed 2>/dev/null; echo tried'
  run foreground
  expect_match "$output" tried
  [[ "$output" != *taken* ]]
}
