# SPDX-License-Identifier: Apache-2.0
# Hooks: when and where they run, what they are told, and what their failure does.

load helpers

# hook KIND SCRIPT [MEMBERS]: appends one that a shell runs.
hook() {
  config --arg kind "$1" --arg script "$2" --argjson more "${3:-{\}}" \
    '.hooks[$kind] += [{path: "/bin/sh", args: ["sh", "-c", $script]} + $more]'
}

@test "hooks of the host run in the order of the specification, with the right state" {
  local log=$BATS_TEST_TMPDIR/log kind
  for kind in prestart createRuntime poststart poststop; do
    hook $kind "echo $kind \$(jq -r '.status + \" \" + .id + \" \" + (.pid > 0 | tostring)') >>$log" \
      '{"env": ["PATH=/usr/local/bin:/usr/bin:/bin"]}'
  done
  args sleep 1000
  create
  expect "$(cat "$log")" = "prestart created $ID true
createRuntime created $ID true"
  moat start "$ID"
  expect "$(tail -n 1 "$log")" = "poststart running $ID true"
  moat delete --force "$ID"
  expect "$(tail -n 1 "$log")" = "poststop stopped $ID false"
  expect "$(wc -l <"$log")" = 4
}

@test "the state has the bundle and the annotations" {
  config '.annotations = {"org.example.key": "value"}'
  hook createRuntime "cat >$BATS_TEST_TMPDIR/state" '{"env": ["PATH=/bin:/usr/bin"]}'
  args true
  run -0 foreground
  expect "$(jq -r .bundle "$BATS_TEST_TMPDIR/state")" = "$BUNDLE"
  expect "$(jq -r '.annotations["org.example.key"]' "$BATS_TEST_TMPDIR/state")" = value
  expect "$(jq -r .ociVersion "$BATS_TEST_TMPDIR/state")" != null
}

@test "a hook has the environment it is given and nothing else, and starts in the bundle" {
  export MOAT_TEST_SECRET=leaked
  hook createRuntime "env >$BATS_TEST_TMPDIR/env; pwd >$BATS_TEST_TMPDIR/cwd; ls /proc/self/fd >$BATS_TEST_TMPDIR/fds" \
    '{"env": ["PATH=/bin:/usr/bin", "ONE=1"]}'
  args true
  exec 7</etc/passwd
  run -0 foreground
  exec 7<&-
  expect_match "$(cat "$BATS_TEST_TMPDIR/env")" ONE=1
  [[ "$(cat "$BATS_TEST_TMPDIR/env")" != *leaked* ]]
  expect "$(cat "$BATS_TEST_TMPDIR/cwd")" = "$BUNDLE"
  expect "$(xargs <"$BATS_TEST_TMPDIR/fds")" = "0 1 2 3"
  config 'del(.hooks.createRuntime[0].env)'
  run -0 foreground
  [[ "$(cat "$BATS_TEST_TMPDIR/env")" != *leaked* && "$(cat "$BATS_TEST_TMPDIR/env")" != *ONE* ]]
}

@test "createContainer runs in the container's mount namespace, with the host's paths" {
  only_native "there the container's own mounts are the guest's"
  mount_at /mnt tmpfs tmpfs
  hook createContainer "exec >$BATS_TEST_TMPDIR/seen; readlink /proc/self/ns/mnt; pwd; grep -c ' $BUNDLE/rootfs/mnt ' /proc/self/mountinfo; umask" \
    '{"env": ["PATH=/bin:/usr/bin"]}'
  args readlink /proc/self/ns/mnt
  run -0 foreground
  local ns=$output
  run -0 cat "$BATS_TEST_TMPDIR/seen"
  expect "${lines[0]}" = "$ns"
  expect "${lines[1]}" = "$BUNDLE/rootfs"
  expect "${lines[2]}" = 1
  expect "${lines[3]}" = 0022
}

@test "startContainer runs in the container, at start, with the process's environment" {
  # Its path is one of the container's, and the rights are those of the process.
  config '.hooks.startContainer = [{path: "/bin/busybox", args: ["sh", "-c", "echo hook $$ $MINE $(pwd); cat /tmp/made"]}]
    | .process.env += ["MINE=yes"] | .process.cwd = "/tmp"'
  echo from the image >"$BUNDLE/rootfs/tmp/made"
  hook createRuntime 'true'
  script 'echo program'
  create
  expect "$(cat "$OUT")" = ""
  moat start "$ID"
  eventually 30 file_contains "$OUT" program
  # What it prints is only told when it fails.
  expect "$(cat "$OUT")" = program
  moat delete --force "$ID"
  config '.hooks.startContainer[0].args[2] += "; echo \"$MINE $PWD\" >seen"'
  script 'cat seen'
  run -0 foreground
  expect "$output" = "yes /tmp"
}

# fails_at_create KIND: nothing is left then, and the text says what and why.
fails_at_create() {
  local kind=$1
  config "del(.hooks)"
  hook "$kind" 'echo because >&2; exit 3' '{"env": ["PATH=/bin:/usr/bin"]}'
  hook poststop "echo poststop >>$BATS_TEST_TMPDIR/log" '{"env": ["PATH=/bin:/usr/bin"]}'
  args sh -c 'echo program'
  run ! moat create --bundle "$BUNDLE" "$ID" </dev/null
  expect_match "$output" "hooks.$kind[0] '/bin/sh': exit status 3: because"
  [[ "$output" != *program* ]]
  run ! moat state "$ID"
  expect_match "$output" "does not exist"
  expect "$(cat "$BATS_TEST_TMPDIR/log")" = poststop
  rm "$BATS_TEST_TMPDIR/log"
}

@test "a prestart or createRuntime hook that fails ends the creation" {
  fails_at_create prestart
  fails_at_create createRuntime
}

@test "what a createContainer hook mounts is the container's alone" {
  mkdir -p "$BATS_TEST_TMPDIR/gift" "$BUNDLE/rootfs/mnt"
  echo wrapped >"$BATS_TEST_TMPDIR/gift/file"
  hook createContainer "mount --bind $BATS_TEST_TMPDIR/gift $BUNDLE/rootfs/mnt && touch $BATS_TEST_TMPDIR/\$(readlink /proc/self/ns/net)" \
    '{"env": ["PATH=/bin:/usr/bin"]}'
  hook createRuntime "jq .pid >$BATS_TEST_TMPDIR/pid-of-hook; [ ! -e $BATS_TEST_TMPDIR/net:* ]" \
    '{"env": ["PATH=/usr/local/bin:/bin:/usr/bin"]}'
  args cat /mnt/file
  create
  expect "$(cat "$BATS_TEST_TMPDIR/pid-of-hook")" = "$(cat "$PID_FILE")"
  [ -e "$BATS_TEST_TMPDIR/$(readlink "/proc/$(cat "$PID_FILE")/ns/net")" ]
  [ ! -e "$BUNDLE/rootfs/mnt/file" ]
  moat start "$ID"
  eventually 30 file_contains "$OUT" wrapped
  wait_status stopped
  moat delete "$ID"
}

@test "a createContainer hook that fails ends the creation" {
  fails_at_create createContainer
}

@test "after a hook that fails the next ones do not run" {
  hook createRuntime false '{"env": ["PATH=/bin:/usr/bin"]}'
  hook createRuntime "touch $BATS_TEST_TMPDIR/second" '{"env": ["PATH=/bin:/usr/bin"]}'
  args true
  run ! foreground
  [ ! -e "$BATS_TEST_TMPDIR/second" ]
}

@test "a startContainer hook that fails is the error of start, and the program does not run" {
  only_native "the guest's agent answers before the hooks have run"
  config '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "echo because; exit 3"]}]'
  script 'echo program'
  create
  run ! moat start "$ID"
  expect_match "$output" "hooks.startContainer[0] '/bin/sh': exit status 3: because"
  wait_status stopped
  expect "$(cat "$OUT")" = ""
  moat delete "$ID"
  run ! foreground
  expect_match "$output" "hooks.startContainer[0]"
}

@test "a poststart hook that fails is an error, and the container is stopped" {
  hook poststart 'echo because; exit 3' '{"env": ["PATH=/bin:/usr/bin"]}'
  args sleep 1000
  create
  run ! moat start "$ID"
  expect_match "$output" "hooks.poststart[0] '/bin/sh': exit status 3: because"
  wait_status stopped
  moat delete "$ID"
  run ! foreground
  expect_match "$output" "hooks.poststart[0]"
  run ! moat state "$ID"
}

@test "a poststop hook that fails is a warning, and the next ones run" {
  hook poststop 'echo because; exit 3' '{"env": ["PATH=/bin:/usr/bin"]}'
  hook poststop "touch $BATS_TEST_TMPDIR/second" '{"env": ["PATH=/bin:/usr/bin"]}'
  detached_sleep
  moat kill "$ID" KILL
  wait_status stopped
  run -0 moat delete "$ID"
  expect_match "$output" "warning: hooks.poststop[0] '/bin/sh': exit status 3: because"
  [ -e "$BATS_TEST_TMPDIR/second" ]
}

@test "a hook that takes longer than its time is killed, and what it started with it" {
  hook createRuntime "sleep 1000 & echo \$! >$BATS_TEST_TMPDIR/child; wait" \
    '{"env": ["PATH=/bin:/usr/bin"], "timeout": 1}'
  args true
  run ! foreground
  expect_match "$output" "hook ran past specified timeout of 1.0s"
  run ! kill -0 "$(cat "$BATS_TEST_TMPDIR/child")"
}

@test "a hook that writes without end holds nobody up, and its text is cut" {
  hook createRuntime 'head -c 3000000 /dev/zero | tr "\0" x; exit 1' '{"env": ["PATH=/bin:/usr/bin"]}'
  args true
  run ! foreground
  [ "${#output}" -lt 1200 ]
}

@test "a hook that cannot be executed says why" {
  config '.hooks.createRuntime = [{path: "/no/such/hook"}]'
  args true
  run ! foreground
  expect_match "$output" "hooks.createRuntime[0] '/no/such/hook'"
  expect_match "$output" "No such file or directory"
}

@test "a hook needs an absolute path and a time limit above zero" {
  args true
  config '.hooks.prestart = [{path: "bin/sh"}]'
  run ! foreground
  expect_match "$output" "hooks.prestart[0].path: must be an absolute path"
  config '.hooks.prestart = [{path: "/bin/sh", timeout: 0}]'
  run ! foreground
  expect_match "$output" "hooks.prestart[0].timeout"
}

@test "the arguments of a hook are as given, its own name too" {
  config --arg log "$BATS_TEST_TMPDIR/args" \
    '.hooks.createRuntime = [{path: "/bin/sh", args: ["renamed", "-c", "echo $0 $1 $2 >" + $log, "zero", "one", "two"]}]'
  args true
  run -0 foreground
  expect "$(cat "$BATS_TEST_TMPDIR/args")" = "zero one two"
}
