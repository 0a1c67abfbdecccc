# SPDX-License-Identifier: Apache-2.0
# Containers of an ordinary user, whose cgroups his own manager makes. Not in a process namespace of the
# suite's: systemd's clients refuse a manager that is outside of theirs.

# bats file_tags=kvm-host

bats_require_minimum_version 1.5.0

load ../lib/rootfs
load ../lib/obstacle
load ../lib/expect

obstacle() {
  [ -e /run/systemd/private ] || echo "systemd does not run here"
}

setup_file() {
  is_possible || return 0
  make_rootfs "$BATS_FILE_TMPDIR/rootfs"
}

setup() {
  skip_impossible
}

# users_script: standard input is run by the user, in a directory of his own, with a copy of the
# program: he may not search this checkout, if it is beneath somebody's home.
users_script() {
  local work=$BATS_TEST_TMPDIR/users
  mkdir "$work"
  cp -a "$BATS_FILE_TMPDIR/rootfs" "$work/rootfs"
  install -m 755 "$(readlink -f "$MOAT")" "$work/moat"
  cat >"$work/script"
  chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*/ "$BATS_TEST_TMPDIR" "${work%/*}"
  cd "$work"
  "$BATS_TEST_DIRNAME/as-user" true 3>&-
  chown -R moat-tester "$work"
  MOAT=$work/moat run "$BATS_TEST_DIRNAME/as-user" bash -e script 3>&-
  expect "$status" = 0 || { echo "$output" && false; }
}

# bats test_tags=brief
@test "a user's container is a scope of his own manager's, with limits and without traces" {
  local uid
  users_script <<'SCRIPT'
"$MOAT" spec --rootless
jq '.process.terminal = false | .process.args = ["sleep", "1000"]
  | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 20}}' config.json >part
mv part config.json
"$MOAT" --systemd-cgroup --isolation native create users </dev/null >out 2>&1 || { cat out; exit 1; }
path=$(jq -r .cgroup "$XDG_RUNTIME_DIR/moat/users/state.json")
echo "path $path"
echo "memory $(cat "/sys/fs/cgroup$path/memory.max") pids $(cat "/sys/fs/cgroup$path/pids.max")"
systemctl --user is-active moat-users.scope
"$MOAT" start users
"$MOAT" exec users sh -c 'echo entered $(id -u)' </dev/null
"$MOAT" update --memory 50M users
echo "memory $(cat "/sys/fs/cgroup$path/memory.max")"
"$MOAT" delete --force users
systemctl --user is-active moat-users.scope || true
SCRIPT
  uid=$(id -u moat-tester)
  expect "${lines[0]}" = "path /user.slice/user-$uid.slice/user@$uid.service/user.slice/moat-users.scope"
  expect "${lines[1]}" = "memory 67108864 pids 20"
  expect "${lines[2]}" = active
  expect "${lines[3]}" = "entered 0"
  expect "${lines[4]}" = "memory 52428800"
  expect "${lines[5]}" = inactive
}
