#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Man pages say what the programs do: tests/lint/documents compares them, and finds what it should.

load helpers

BIN=$(dirname "$MOAT")

documents()
{
	run "$SOURCE_DIR/tests/lint/documents" "$@"
}

# A directory with the programs, of which moat says of itself what this sed script makes of it.
doctored_programs()
{
	mkdir -p programs
	ln -sf "$(realpath "$BIN")"/* programs/
	rm programs/moat
	printf '#!/bin/bash\nset -o pipefail\n%q "$@" | if [[ $1 == __options ]]; then sed %q; else cat; fi\n' \
		"$(realpath "$MOAT")" "$1" >programs/moat
	chmod +x programs/moat
}

@test "nothing is missing in the man pages, and nothing stale" {
	documents "$BIN"
	check "$output" ""
	check "$status" 0
}

@test "an option, argument, command or key that comes, changes or goes is noticed" {
	doctored_programs 's/^option\tlist\t--quiet.*/&\noption\tlist\t--new\t-n\tWHAT\tsomething new/'
	documents programs
	check "$status" 1
	check "$output" "moat-list.1: not documented: option --new -n WHAT"

	doctored_programs '/^option\tlist\t--quiet/d'
	documents programs
	check "$output" "moat-list.1: there is no such thing: option --quiet -q -"

	doctored_programs 's/^option\t-\t--isolation\t-\tvm|native/option\t-\t--isolation\t-\tvm|native|other/'
	documents programs
	check "${lines[0]}" "moat.1: not documented: option --isolation - VM|NATIVE|OTHER"
	check "${lines[1]}" "moat.1: there is no such thing: option --isolation - VM|NATIVE"

	doctored_programs 's/^command\tlist.*/&\ncommand\tlog\tID\tshow a log/; s/^command\tkill\tID /&WHO /'
	documents programs
	check "$(sort <<<"$output" | sed -n 1p)" "moat-kill.1: not documented: arguments IDWHOSIGNAL"
	check "$(sort <<<"$output" | sed -n 3p)" "moat-log.1: not documented: command log"
	grep -qx "moat.1: not documented: command log" <<<"$output"
}

@test "a page that is missing, not installed or of another command is noticed" {
	cp -r "$SOURCE_DIR/man" man
	mv man/moat-check.1 man/moat-chek.1
	sed -i 's/^\.It Cm vm\.vcpus$/.It Cm vm.cpus/' man/moat.json.5
	sed -i 's/io\.moat\.vm\.share/io.moat.vm.shared/' man/moat-annotations.7
	documents "$BIN" man
	check "$status" 1
	for line in "moat-check.1: not documented: command check" "there is no such page: moat-check(1)" \
		"moat-chek.1: is not installed by man/meson.build" \
		"moat.json.5: not documented: key vm.vcpus" "moat.json.5: there is no such thing: key vm.cpus" \
		"moat-annotations.7: not documented: annotation io.moat.vm.share"; do
		grep -qxF "$line" <<<"$output" || { printf 'no: %s\n%s\n' "$line" "$output" >&2; return 1; }
	done
}

@test "mandoc finds nothing wrong in any page" {
	type -P mandoc >/dev/null || skip "no mandoc here (./dev setup --test)"
	# Which other pages are installed does not matter; ours refer to ours, see above.
	run bash -c "mandoc -Tlint '$SOURCE_DIR'/man/*.[1-8] 2>/dev/null |
		grep -v 'referenced manual not found'"
	check "$output" ""
}
