#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What commands say when no container is needed for it.

load helpers

@test "--version has the three lines that engines look for" {
	moat --version
	check "$status" 0
	[[ ${lines[0]} =~ ^moat\ version\ [0-9]+\.[0-9]+\.[0-9]+ ]]
	[[ ${lines[1]} =~ ^commit:\ .+ ]]
	check "${lines[2]}" "spec: 1.3.0"
}

@test "--help lists every command, and each command explains its options" {
	"$MOAT" __options >options
	moat --help
	check "$status" 0
	local all=$output
	for command in $(awk -F '\t' '$1 == "command" { print $2 }' options); do
		grep -q "^  $command " <<<"$all" || { echo "missing: $command" >&2; return 1; }
		run "$MOAT" "$command" --help
		check "$status" 0
		for option in $(awk -F '\t' -v c="$command" '$1 == "option" && $2 == c { print $3 }' options); do
			grep -qe " $option\b" <<<"$output"
		done
	done
	for command in create start state kill delete run exec list spec features; do
		grep -q "^command	$command	" options
	done
}

@test "options are taken in every spelling" {
	for args in "list --format json" "list --format=json" "list -f json" "list -f=json" \
		"list -fjson" "list -format json" "list -format=json" "list -q=false -f json"; do
		moat $args
		check "$status" 0
		check "$output" "[]"
	done
	moat list -qf json
	check "$status" 0
	check "$output" ""
}

@test "the peers' global options are taken in front of any command" {
	moat --log-level=debug --rootless auto --systemd-cgroup --cgroup-manager disabled list -q
	check "$status" 0
}

@test "list of nothing is a header, or an empty array" {
	moat list
	check "$status" 0
	[[ $output =~ ^ID\ +PID\ +STATUS\ +ISOLATION\ +VMM\ +MEMORY\ +AGE\ +OWNER\ +BUNDLE$ ]]
	moat list --format json
	check "$output" "[]"
	[[ ! -e $ROOT ]]
}

@test "an unknown id: state, start, kill, exec and delete say so" {
	fails_with 1 "state 'x': container does not exist" state x
	fails_with 1 "start 'x': container does not exist" start x
	fails_with 1 "kill 'x': container does not exist" kill x
	fails_with 1 "kill 'x': container does not exist" kill x 9
	fails_with 1 "kill 'x': container does not exist" kill --all x SIGKILL
	fails_with 1 "delete 'x': container does not exist" delete x
	fails_with 255 "exec failed: container does not exist" exec x true
}

@test "delete --force of an unknown id is silent success" {
	moat delete --force x
	check "$status" 0
	check "$output$stderr" ""
}

@test "delete --force removes a directory that was left without a record" {
	mkdir -p "$ROOT/x"
	moat delete --force x
	check "$status" 0
	[[ ! -e $ROOT/x ]]
}

@test "delete --force removes a container whose record cannot be read" {
	mkdir -p "$ROOT/x"
	echo '{' >"$ROOT/x/state.json"
	moat delete x
	check "$status" 1
	moat delete --force x
	check "$status" 0
	[[ ! -e $ROOT/x ]]
}

@test "a directory without a record is a stopped container" {
	mkdir -p "$ROOT/x"
	moat state x
	check "$status" 0
	check "$(jq -r '.id + " " + .status + " " + (.pid | tostring)' <<<"$output")" "x stopped 0"
	moat list -q
	check "$output" "x"
}

@test "state and list show a running container" {
	fake_container x
	moat state x
	check "$status" 0
	check "$stderr" ""
	check "$(jq -r '[.ociVersion, .id, .status, .pid, .bundle, .rootfs, .created] | map(tostring) | join(" ")' <<<"$output")" \
		"1.3.0 x running $FAKE_PID /bundle /bundle/rootfs 2026-01-02T03:04:05.000000006Z"
	moat list
	[[ ${lines[1]} =~ ^x\ +$FAKE_PID\ +running\ +native\ +-\ +(-|[0-9.]+[KMG])\ +(-|[0-9]+[smhd])\ +root\ +/bundle$ ]]
	moat list --format json
	check "$(jq -r '.[0].id + " " + .[0].owner' <<<"$output")" "x root"
	moat state --format text x
	check "$(awk '{ print $1 }' <<<"$output" | paste -sd ' ')" \
		"id status pid isolation vmm memory age created owner bundle rootfs"
	grep -qx "isolation  native" <<<"$output"
}

@test "kill and delete end a running container" {
	fake_container x
	moat kill x sigterm
	check "$status" 0
	wait "$FAKE_PID" || check $? 143
	fails_with 1 "kill 'x': container not running" kill x TERM
	moat kill --all x TERM
	check "$status" 0
	moat state x
	check "$(jq -r '.status + " " + (.pid | tostring)' <<<"$output")" "stopped 0"
	moat delete x
	check "$status" 0
	[[ ! -e $ROOT/x ]]
}

@test "a JSON log holds exactly one object after a failure, and standard error the text" {
	fails_with 1 "state 'x': container does not exist" --log log --log-format json state x
	check "$(jq -s length log)" 1
	check "$(jq -r '.level + ": " + .msg' log)" "error: state 'x': container does not exist"
	jq -re .time log | grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z$'
}

@test "a wrong option is logged like any other failure" {
	moat --log=log --log-format=json create --frobnicate x
	check "$status" 1
	check "$(jq -r .msg log)" "create: unknown option '--frobnicate'"
}

@test "a text log, and file: in front of its name" {
	moat --log file:log state x
	check "$status" 1
	grep -qE "^time=\"[^\"]+\" level=error msg=\"state 'x': container does not exist\"$" log
}

@test "a success writes nothing into the log" {
	moat --log log --log-format json list
	check "$status" 0
	[[ ! -s log ]]
}

@test "spec writes a config.json that can be parsed" {
	mkdir bundle
	moat spec --bundle bundle
	check "$status" 0
	check "$output$stderr" ""
	check "$(jq -r .ociVersion bundle/config.json)" "1.3.0"
	check "$(jq -r '.process.args[0]' bundle/config.json)" "sh"
	jq -e '.linux.namespaces | map(.type) | index("user") | not' bundle/config.json
}

@test "spec --rootless maps the caller" {
	moat spec --rootless
	check "$status" 0
	jq -e '.linux.namespaces | map(.type) | index("user")' config.json
	check "$(jq '.linux.uidMappings[0].hostID' config.json)" "$(id -u)"
}

@test "spec --file names the file, beneath --bundle" {
	mkdir bundle
	moat spec --bundle bundle --file other.json
	check "$status" 0
	check "$(jq -r .ociVersion bundle/other.json)" "1.3.0"
	moat spec -b bundle -f "$PWD/absolute.json"
	check "$status" 0
	[[ -s absolute.json && ! -e bundle/config.json ]]
	fails_with 1 "spec: File other.json exists. Remove it first" spec --bundle bundle --file other.json
}

@test "features is the document of the specification" {
	moat features
	check "$status" 0
	check "$stderr" ""
	check "$(jq -r '.ociVersionMin + " " + .ociVersionMax' <<<"$output")" "1.0.0 1.3.0"
	check "$(jq -r '.hooks | join(" ")' <<<"$output")" \
		"prestart createRuntime createContainer startContainer poststart poststop"
	check "$(jq -r '.linux.namespaces | sort | join(" ")' <<<"$output")" \
		"cgroup ipc mount network pid time user uts"
	check "$(jq -c '.linux.cgroup' <<<"$output")" \
		'{"v1":true,"v2":true,"systemd":true,"systemdUser":true,"rdma":true}'
	# Strings, lists of strings and truths, as features-linux.md has them.
	jq -e '.linux | [.apparmor, .selinux, .netDevices, .mountExtensions.idmap] |
		all(keys == ["enabled"] and .enabled)' <<<"$output"
	jq -e '.linux.intelRdt == {enabled: true, schemata: true, monitoring: true}' <<<"$output"
	jq -e '.linux.memoryPolicy | (.modes | length) == 7 and (.flags | length) == 3' <<<"$output"
	jq -e '.linux.seccomp | .enabled and (.actions | length) == 9 and (.operators | length) == 7' \
		<<<"$output"
	jq -e '.linux.seccomp | (.supportedFlags - .knownFlags) == []' <<<"$output"
	jq -e '[.mountOptions, .linux.capabilities, .linux.seccomp.archs,
		.potentiallyUnsafeConfigAnnotations] |
		all(length > 0 and all(type == "string") and (unique | length) == length)' <<<"$output"
	jq -e '.annotations | all(type == "string")' <<<"$output"
}

@test "features warns of each annotation that the program asks for" {
	moat features
	# "fs-opt" is none, but a mount option for the agent.
	grep -rhoE '"(run\.oci|org\.systemd|io\.(moat|container|kubernetes|katacontainers))\.[A-Za-z._-]+"' \
		"$SOURCE_DIR/lib" "$SOURCE_DIR/oci" | tr -d '"' | grep -v 'fs-opt' | sort -u >asked
	check "$(wc -l <asked | awk '{ print ($1 > 15) }')" 1
	while read -r name; do
		jq -e --arg n "$name" 'any(.potentiallyUnsafeConfigAnnotations[];
			. == $n or (endswith(".") and (. as $start | $n | startswith($start))))' <<<"$output" ||
			{ echo "missing: $name" >&2; return 1; }
	done <asked
	# Nobody asks for it, so that CRIU reads no file that an image names; other runtimes do.
	jq -e '.potentiallyUnsafeConfigAnnotations | index("org.criu.")' <<<"$output"
}

@test "features has every mount option that the specification asks for" {
	moat features
	local wanted="async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime
		nodev nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid nosymfollow
		private ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec
		rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave
		rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow
		sync tmpcopyup unbindable idmap ridmap mand nomand"
	for option in $wanted; do
		jq -e --arg o "$option" '.mountOptions | index($o)' <<<"$output" >/dev/null ||
			{ echo "missing: $option" >&2; return 1; }
	done
}

# "acl" and "noacl" are words for a file system, not for a runtime; runc lists them no longer.
@test "features says whatever runc's says" {
	command -v runc >/dev/null || skip "no runc here"
	runc features >runc.json || skip "this runc has no features command"
	moat features
	jq -n --slurpfile ours <(echo "$output") --slurpfile runc runc.json '
		def leaves: [paths(scalars) as $p | [$p[] | select(type == "string")] +
			(if ($p[-1] | type) == "number" then [getpath($p)] else [] end)];
		($runc[0] | leaves) - ($ours[0] | leaves) |
		map(select(.[0] != "annotations") | join(".")) - ["mountOptions.acl", "mountOptions.noacl"]
		' >missing
	check "$(jq -c . missing)" "[]"
}

@test "output that cannot be written is a failure" {
	[[ -e /dev/full ]] || skip "no /dev/full here"
	run --separate-stderr bash -c '"$1" --help >/dev/full' _ "$MOAT"
	check "$status" 1
	check "$stderr" "moat: write to standard output: No space left on device"
}

@test "options that some caller gives and that mean nothing are taken" {
	moat --criu /usr/sbin/criu --rootless=true list
	check "$status" 0
	moat -V
	check "$status" 0
	[[ ${lines[0]} =~ ^moat\ version ]]
	moat --isolation native create --detach --no-subreaper --bundle nowhere x
	[[ $stderr == *"No such file or directory" ]]
}

@test "kill --regex and delete --regex are for every id that matches" {
	fake_container web-1
	mkdir "$ROOT/web-2" "$ROOT/db"
	moat delete --regex '^web-'
	check "$status" 1
	check "$stderr" "moat: delete '^web-': 'web-1': cannot delete container web-1 that is not stopped: running"
	[[ ! -e $ROOT/web-2 && -e $ROOT/db ]]
	moat kill --regex 'eb-[0-9]+$' KILL
	check "$status" 0
	wait "$FAKE_PID" || true
	moat delete --regex .
	check "$status" 0
	moat list -q
	check "$output" ""
}

@test "the configuration chooses the isolation, and what is said closer to the container wins" {
	make_bundle
	echo '{ "isolation": "native", "allow_annotations": ["io.moat.isolation"] }' >moat.json
	jq '.process.args = ["nowhere"] | .process.terminal = false' bundle/config.json >part
	mv part bundle/config.json
	moat --config moat.json create --bundle bundle x
	[[ $stderr == *'executable file not found in $PATH'* ]]
	MOAT_CONFIG=$PWD/moat.json MOAT_ISOLATION=chroot moat create --bundle bundle x
	check "$stderr" "moat: create 'x': MOAT_ISOLATION: neither 'vm' nor 'native': 'chroot'"
	jq '.annotations = {"io.moat.isolation": "none"}' bundle/config.json >part
	mv part bundle/config.json
	moat --config moat.json create --bundle bundle x
	check "$stderr" "moat: create 'x': annotation io.moat.isolation: neither 'vm' nor 'native': 'none'"
}

@test "the root of a user namespace has state and configuration of its own" {
	unshare --user --map-root-user true 2>/dev/null || skip "no user namespaces here"
	mkdir -p run/moat/mine conf/moat/moat.json.d
	run --separate-stderr env XDG_RUNTIME_DIR="$PWD/run" USER=somebody \
		unshare --user --map-root-user "$MOAT" list -q
	check "$output" "mine"
	run --separate-stderr env XDG_RUNTIME_DIR="$PWD/run" USER=root \
		unshare --user --map-root-user "$MOAT" list -q
	[[ $output != *mine* ]]
	make_bundle
	echo '{ "vm": { "vcpus": 2 } }' >conf/moat/moat.json
	echo '{ "vm": { "vcpus": 0 } }' >conf/moat/moat.json.d/10-mine.json
	echo 'not read' >conf/moat/moat.json.d/notes.txt
	run --separate-stderr env XDG_CONFIG_HOME="$PWD/conf" XDG_RUNTIME_DIR="$PWD/run" \
		USER=somebody unshare --user --map-root-user "$MOAT" create --bundle bundle x
	check "$status" 1
	check "$stderr" "moat: create 'x': $PWD/conf/moat/moat.json.d/10-mine.json: vm.vcpus: must not be 0"
}
