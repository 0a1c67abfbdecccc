# SPDX-License-Identifier: Apache-2.0
# Every system call with a name that a container's configuration or image chose, as strace sees it: the name
# is looked up beneath the container's root, or is one component of a directory that was opened so.

load helpers

obstacle() {
  missing strace
}

# What every such name has in it, and nothing else has.
MARK=chosen-by-image

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

# traced N COMMAND…: it and all that it starts; the Nth trace.
traced() {
  local trace=$BATS_TEST_TMPDIR/trace.$1
  shift
  strace -f --seccomp-bpf -qq -s 4096 -e trace=%file,openat2,mount_setattr,move_mount,open_tree,fsconfig,setns \
    -e signal=none -o "$trace" "$MOAT" --root "$ROOT" "$@" 3>&-
}

# strays FILE…: the calls that break the rule. Who has changed its root, or entered a container, is inside.
strays() {
  awk -v mark="$MARK" '
    FNR == 1 { delete inside }
    { pid = $1; line = $0; sub(/^[0-9]+ +/, "", line) }
    line ~ /^(pivot_root|chroot)\(/ || line ~ /^setns\(.*CLONE_NEWNS/ { inside[pid] = 1 }
    inside[pid] || index(line, mark) == 0 { next }
    match(line, /^execve\("[^"]*"/) && !index(substr(line, 1, RLENGTH), mark) { next } # what it is told
    line ~ /^openat2\([0-9]+, .*resolve=[A-Z_|]*RESOLVE_(IN_ROOT|BENEATH)/ { next }
    # One component, by the descriptor of its directory.
    line ~ /^[a-z0-9_]+at[0-9]?\([0-9]+, "[^"\/]*"/ && line !~ /^(openat|openat2)\(/ { next }
    line ~ /^openat\([0-9]+, "[^"\/]*", [A-Z_|]*O_NOFOLLOW/ { next }
    # Where there is no such call with a descriptor, QEMU writes it so; it does not follow links.
    line ~ /^l(list|get|set|remove)xattr\("\/proc\/self\/fd\/[0-9]+\/[^"\/]*"/ { next }
    # What a link says is looked up by nobody here; where it is put is the last argument.
    line ~ /^symlinkat\("[^"]*", [0-9]+, "[^"\/]*"\)/ { next }
    { print FILENAME ": " line }' "$@"
}

# A configuration and an image with such names wherever there can be one.
choose_names() {
  local rootfs=$BUNDLE/rootfs
  mkdir -p "$rootfs/$MARK-copied/$MARK-dir" "$rootfs/$MARK-masked-dir" "$rootfs/$MARK-target/$MARK-sub"
  echo text | tee "$rootfs/$MARK-copied/$MARK-dir/$MARK-file" "$rootfs/$MARK-masked" >"$rootfs/$MARK-readonly"
  ln -s "/$MARK-target" "$rootfs/$MARK-link"
  ln -s "../$MARK-elsewhere" "$rootfs/$MARK-copied/$MARK-link"
  printf '#!/bin/sh\nexec "$@"\n' >"$rootfs/bin/$MARK-program"
  chmod 755 "$rootfs/bin/$MARK-program"
  mount_at "/$MARK-link/$MARK-sub" tmpfs tmpfs
  mount_at "/$MARK-new/$MARK-deep" tmpfs tmpfs
  mount_at "/$MARK-new-file" none "$BATS_TEST_TMPDIR/source" bind ro
  mount_at "/$MARK-copied" tmpfs tmpfs tmpcopyup
  echo source >"$BATS_TEST_TMPDIR/source"
  config --arg m "$MARK" '.process.cwd = "/\($m)-new/\($m)-cwd"
    | .linux.maskedPaths += ["/\($m)-masked", "/\($m)-masked-dir", "/\($m)-missing"]
    | .linux.readonlyPaths += ["/\($m)-readonly", "/\($m)-link/\($m)-sub"]
    | .linux.devices = [{path: "/dev/\($m)-dir/\($m)-node", type: "c", major: 1, minor: 3},
      {path: "/\($m)-node", type: "c", major: 1, minor: 5}]'
}

@test "names that a container chose are looked up beneath its root" {
  local found tracer
  choose_names
  args "/bin/$MARK-program" sleep 1000
  # The tracer is there for as long as the container.
  traced 1 create --bundle "$BUNDLE" "$ID" </dev/null >"$OUT" 2>"$ERR" &
  tracer=$!
  wait_status created
  traced 2 start "$ID"
  traced 3 exec --cwd "/$MARK-new" "$ID" "/bin/$MARK-program" true </dev/null
  if ! is_vm; then
    jq -n --arg m "$MARK" '[{destination: "/\($m)-link/\($m)-later", type: "tmpfs"}]' >"$BATS_TEST_TMPDIR/mounts.json"
    traced 4 mounts add "$ID" "$BATS_TEST_TMPDIR/mounts.json"
    grep -qF "$MARK-later" "$BATS_TEST_TMPDIR/trace.4"
    traced 5 mounts remove "$ID" "$BATS_TEST_TMPDIR/mounts.json"
  fi
  traced 6 delete --force "$ID"
  wait "$tracer"
  # There were such calls, by all that is to make things.
  found=$(cat "$BATS_TEST_TMPDIR"/trace.* | grep -cF "$MARK")
  echo "# $found calls with such names" >&3
  expect "$found" -gt 20
  expect "$(strays "$BATS_TEST_TMPDIR"/trace.*)" = ""
}

@test "the check of names finds what is wrong" {
  cat >"$BATS_TEST_TMPDIR/right" <<EOF
10 openat2(5, "$MARK/x", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT}, 24) = 6
10 mkdirat(6, "$MARK", 0755) = 0
10 openat(6, "$MARK", O_RDONLY|O_NOFOLLOW|O_CLOEXEC) = 7
10 symlinkat("/$MARK/x", 6, "$MARK") = 0
10 llistxattr("/proc/self/fd/6/$MARK", NULL, 0) = 0
10 execve("/usr/bin/moat", ["moat", "exec", "$MARK"], 0x0) = 0
10 openat(AT_FDCWD, "/etc/other", O_RDONLY) = 7
11 pivot_root(".", ".") = 0
11 chdir("/$MARK/x") = 0
10 openat2(5, "$MARK/x", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT}, 24) = 6
10 mkdirat(6, "$MARK", 0755) = 0
10 openat(6, "$MARK", O_RDONLY|O_NOFOLLOW|O_CLOEXEC) = 7
10 symlinkat("/$MARK/x", 6, "$MARK") = 0
10 execve("/usr/bin/moat", ["moat", "exec", "$MARK"], 0x0) = 0
10 openat(AT_FDCWD, "/etc/other", O_RDONLY) = 7
11 pivot_root(".", ".") = 0
11 chdir("/$MARK/x") = 0
EOF
  cat >"$BATS_TEST_TMPDIR/wrong" <<EOF
10 openat2(5, "$MARK/x", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS}, 24) = 6
10 openat2(AT_FDCWD, "$MARK/x", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_IN_ROOT}, 24) = 6
10 mkdirat(6, "$MARK/x", 0755) = 0
10 openat(6, "$MARK", O_RDONLY|O_CLOEXEC) = 7
10 openat(AT_FDCWD, "/rootfs/$MARK", O_RDONLY|O_NOFOLLOW) = 7
10 stat("/rootfs/$MARK", {}) = 0
10 mount("tmpfs", "/rootfs/$MARK", "tmpfs", 0, NULL) = 0
10 execve("/rootfs/$MARK", ["x"], 0x0) = 0
10 symlinkat("x", AT_FDCWD, "/rootfs/$MARK") = 0
10 chdir("/$MARK/x") = 0
10 listxattr("/proc/self/fd/6/$MARK", NULL, 0) = 0
10 llistxattr("/proc/self/fd/6/$MARK/x", NULL, 0) = 0
EOF
  expect "$(strays "$BATS_TEST_TMPDIR/right")" = ""
  expect "$(strays "$BATS_TEST_TMPDIR/wrong" | wc -l)" = "$(wc -l <"$BATS_TEST_TMPDIR/wrong")"
}
