#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Wrong command lines: each gets a message that says what is wrong, and its exit status.

load helpers

@test "no command" {
	fails_with 1 "no command given: see 'moat --help'"
}

@test "an unknown command" {
	fails_with 3 "unknown command 'frobnicate': see 'moat --help'" frobnicate
}

@test "an unknown long option" {
	fails_with 1 "create: unknown option '--frobnicate'" create --frobnicate x
}

@test "an unknown letter among bundled ones" {
	fails_with 1 "run: unknown option '-x' in '-dx'" run -dx name
}

@test "an unknown global option" {
	fails_with 1 "unknown option '--frobnicate'" --frobnicate list
}

@test "an option without its argument" {
	fails_with 1 "create: option '--pid-file' requires an argument" create --pid-file
}

@test "an empty path" {
	fails_with 1 "create: option '--bundle': the path is empty" create --bundle= x
}

@test "no id" {
	fails_with 1 "start needs an argument: moat start ID" start
}

@test "too many arguments" {
	fails_with 1 "state: unexpected argument 'b'" state a b
}

@test "a flag with a value that is no truth" {
	fails_with 1 "delete: option '--force': neither 'true' nor 'false': 'perhaps'" \
		delete --force=perhaps x
}

@test "a number that is none" {
	fails_with 1 "create: option '--preserve-fds': not a number: 'three'" \
		create --preserve-fds three x
}

@test "a log format that does not exist" {
	fails_with 1 "invalid log-format: 'xml': not one of text|json" --log-format xml list
}

@test "an isolation that does not exist" {
	fails_with 1 "invalid isolation: 'chroot': not one of vm|native" \
		--isolation chroot create x
}

@test "an isolation in the environment that does not exist" {
	MOAT_ISOLATION=chroot fails_with 1 \
		"create 'x': MOAT_ISOLATION: neither 'vm' nor 'native': 'chroot'" create x
}

@test "a hypervisor that does not exist" {
	fails_with 1 "invalid hypervisor: 'bhyve': not one of auto|qemu|cloud-hypervisor|firecracker|builtin" \
		--hypervisor bhyve create x
}

@test "the file system's root as the root directory" {
	run --separate-stderr "$MOAT" --root / list
	check "$status" 1
	check "$stderr" "moat: list: Option --root argument should not be set to /"
}

@test "a log that cannot be opened" {
	fails_with 1 "open log '/nonexistent/log': No such file or directory" \
		--log /nonexistent/log list
}

@test "a log that is not a file" {
	fails_with 1 "open log 'syslog:x': only files are supported" --log syslog:x list
}

@test "ids that are none" {
	for id in a/b .. . "a b" "ä"; do
		fails_with 1 "create '$id': invalid container ID format: '$id'" \
			--isolation native create "$id"
	done
	fails_with 1 "create '': invalid container ID format: ''" --isolation native create ""
}

@test "a bundle that does not exist" {
	moat --isolation native create --bundle nowhere x
	check "$status" 1
	check "$stderr" "moat: create 'x': bundle '$PWD/nowhere': No such file or directory"
}

@test "a bundle whose config.json has no process" {
	mkdir -p bundle/rootfs
	echo '{"ociVersion": "1.3.0", "root": {"path": "rootfs"}}' >bundle/config.json
	fails_with 1 "create 'x': config.json: process: missing" --isolation native create --bundle bundle x
	[[ ! -e $ROOT/x ]]
}

@test "a bundle without config.json" {
	mkdir bundle
	fails_with 1 "create 'x': open '$PWD/bundle/config.json': No such file or directory" \
		--isolation native create --bundle bundle x
	[[ ! -e $ROOT/x ]]
}

@test "a terminal without anybody to take it" {
	make_bundle
	fails_with 1 "create 'x': cannot allocate tty if moat will detach without setting console socket" \
		--isolation native create --bundle bundle x
	fails_with 1 "run 'x': cannot allocate tty if moat will detach without setting console socket" \
		--isolation native run --detach --bundle bundle x
	[[ ! -e $ROOT/x ]]
}

@test "a console socket in the foreground" {
	make_bundle
	fails_with 1 "run 'x': cannot use console socket if moat will not detach or allocate tty" \
		--isolation native run --console-socket s --bundle bundle x
}

@test "a console socket that nobody listens at" {
	make_bundle
	fails_with 1 "create 'x': console socket '$PWD/s': connect: No such file or directory" \
		--isolation native create --console-socket s --bundle bundle x
}

@test "users of exec that are not two clean numbers" {
	for user in "" a 4294967296 4294967295 -1 +1 " 1" 1:2:3 root; do
		fails_with 255 "exec failed: invalid user '$user': want UID or UID:GID in numbers" \
			exec --user "$user" x id
	done
	for user in 1: 1:b 1:4294967295 1:-1; do
		fails_with 255 "exec failed: invalid group in user '$user': want UID:GID in numbers" \
			exec --user "$user" x id
	done
}

@test "a process document that does not exist" {
	fake_container x
	fails_with 255 "exec failed: read process '$PWD/p.json': No such file or directory" \
		exec --process p.json x
}

@test "a process document that is none" {
	fake_container x
	echo '{"args": "not a list"}' >p.json
	moat exec --process p.json x
	check "$status" 255
	[[ $stderr == "moat: exec failed: $PWD/p.json:1: args: "* ]]
}

@test "a signal that does not exist" {
	for name in NOSUCH SIG 65 1x RTMIN-1 RTMIN+31 "" SIGSIGTERM; do
		fails_with 1 "kill 'x': unknown signal \"$name\"" kill x "$name"
	done
}

@test "exec without a command" {
	fails_with 255 "exec failed: no command given: moat exec ID COMMAND" exec x
}

@test "start and delete of what runs" {
	fake_container x
	fails_with 1 "start 'x': cannot start an already running container" start x
	fails_with 1 "delete 'x': cannot delete container x that is not stopped: running" delete x
}

@test "a config.json that is there already" {
	moat spec
	check "$status" 0
	cp config.json before.json
	fails_with 1 "spec: File config.json exists. Remove it first" spec
	cmp config.json before.json
}

@test "templates: what is to be done with which of them" {
	fails_with 1 "template: neither 'create' nor 'list' nor 'remove': 'make'" template make
	fails_with 1 "template: create: unexpected argument 'x'" template create x
	fails_with 1 "template: list: unexpected argument 'x'" template list x
	fails_with 1 "template: remove: either names or --all or --stale" template remove
	fails_with 1 "template: remove: either names or --all or --stale" template remove --all x
}

@test "options of checkpoint and restore that say nothing or contradict each other" {
	# By the first podman finds out whether there is such an option.
	fails_with 1 "restore: option '--lsm-mount-context' requires an argument" restore --lsm-mount-context
	# All that conmon says.
	fails_with 1 "restore 'x': bundle '/none': No such file or directory" restore --bundle /none --pid-file pid --no-pivot \
		--no-new-keyring --detach --image-path image --work-path work --console-socket socket x
	fails_with 1 "checkpoint 'x': --pre-dump and --lazy-pages exclude each other" \
		checkpoint --pre-dump --lazy-pages x
	fails_with 1 "checkpoint 'x': container does not exist" checkpoint x
	moat checkpoint --help
	check "$status" 0
}

@test "a regular expression that is none" {
	mkdir -p "$ROOT"
	moat kill --regex '(' TERM
	check "$status" 1
	[[ $stderr == "moat: kill '(': invalid regular expression: "* ]]
}

@test "an interval that is none" {
	fails_with 1 "events: option '--interval': want a time like 5s or 1m30s, not '5'" \
		events --interval 5 x
}

@test "sizes and numbers of update that are none" {
	fails_with 1 "update: option '--memory': invalid size: 'foo'" update --memory foo x
	fails_with 1 "update: option '--cpu-period': not a number: '-1'" update --cpu-period -1 x
	fails_with 1 "update: option '--pids-limit': not a number: '1k'" update --pids-limit=1k x
}

@test "an unknown container: pause, resume, ps, update and events say so" {
	fails_with 1 "pause 'x': container does not exist" pause x
	fails_with 1 "resume 'x': container does not exist" resume x
	fails_with 1 "ps 'x': container does not exist" ps x
	fails_with 1 "ps 'x': container does not exist" ps --format json x
	fails_with 1 "update 'x': container does not exist" update --memory 1g x
	fails_with 1 "events 'x': container does not exist" events --stats x
}

@test "a moat.json that is wrong stops those commands alone that make containers" {
	make_bundle
	echo '{ "isolation": "chroot" }' >moat.json
	moat --config moat.json create --bundle bundle x
	check "$status" 1
	[[ $stderr == "moat: create 'x': $PWD/moat.json:1: isolation: "* ]]
	moat --config moat.json list
	check "$status" 0
	check "$stderr" ""
	moat --config nowhere.json run --bundle bundle x
	check "$status" 1
	[[ $stderr == "moat: run 'x': read configuration '$PWD/nowhere.json': No such file or directory" ]]
}

@test "a key of moat.json that nobody knows is warned of with its line" {
	make_bundle
	printf '{\n  // misspelt\n  "isolaton": "vm", "isolation": "native" }\n' >moat.json
	moat --config moat.json create --bundle bundle x
	check "$status" 1
	[[ $stderr == "moat: warning: $PWD/moat.json:3: isolaton: unknown key"* ]]
	[[ $stderr == *"cannot allocate tty"* ]]
	moat --config moat.json list
	check "$stderr" ""
}
