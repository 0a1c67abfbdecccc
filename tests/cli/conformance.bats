#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The tables of the specification's clauses, and of attacks.

load helpers

TABLE=$SOURCE_DIR/tests/conformance/table

@test "each clause of the specification names tests that exist, and the documentation says so" {
	"$TABLE" >table.md
	diff "$SOURCE_DIR/docs/conformance.md" table.md ||
		{ echo "make it anew: tests/conformance/table >docs/conformance.md" >&2; return 1; }
	[[ $(grep -cE '^\| (MUST|SHOULD|REQUIRED) \|' table.md) -ge 350 ]]
}

@test "a test that there is not, or that failed, is not taken for a proof" {
	cp -r "$SOURCE_DIR/tests" .
	printf '%s\n' '[a#b]' 'MUST | c | lifecycle: no such test' >tests/conformance/clauses
	run tests/conformance/table
	check "$status" 1
	check "$output" "clauses:2: 'lifecycle' has no test 'no such test'"
	printf '%s\n' '[a#b]' 'MUST | c | lifecycle: starting twice is refused' >tests/conformance/clauses
	mkdir results
	echo 'ok 1 starting twice is refused' >results/behaviour-native.tap
	echo 'not ok 1 starting twice is refused' >results/behaviour-vm.tap
	run tests/conformance/table --results results
	check "$status" 1
	check "${lines[-1]}" "clauses:2: c: native: ok, vm: FAILED"
	echo 'ok 1 starting twice is refused # skip vm only: no reason' >results/behaviour-vm.tap
	run tests/conformance/table --results results
	check "$status" 0
	[[ $output == *"| ok | no reason |"* ]]
}

@test "each attack names tests that exist, and the documentation is about them" {
	"$SOURCE_DIR/tests/attack/table" --check "$SOURCE_DIR/docs/attacks.md" ||
		{ echo "make it anew: tests/attack/table >docs/attacks.md" >&2; return 1; }
	cp -r "$SOURCE_DIR/tests" .
	echo 'another | lifecycle: no such test' >>tests/attack/rows
	run tests/attack/table --check "$SOURCE_DIR/docs/attacks.md"
	check "$status" 1
	[[ $output == *"'lifecycle' has no test 'no such test'"* ]]
	sed -i '$s/no such test/starting twice is refused/' tests/attack/rows
	run tests/attack/table --check "$SOURCE_DIR/docs/attacks.md"
	check "$status" 1
	[[ $output == *"does not have, as it stands in rows: another"* ]]
}

# absent FILE: the tests that it names, and that there are not.
absent() {
	local name
	grep -oE '[a-z][a-z0-9-]*\.bats|test-[a-z0-9-]+\.c|fuzz-[a-z0-9-]+' "$1" | sort -u | while read -r name; do
		case $name in
		*.bats) compgen -G "$SOURCE_DIR/tests/*/$name" ;;
		test-*) compgen -G "$SOURCE_DIR/tests/unit/*/$name" ;;
		fuzz-*-) compgen -G "$SOURCE_DIR/tests/fuzz/${name#fuzz-}*.c" ;;
		*) compgen -G "$SOURCE_DIR/tests/fuzz/${name#fuzz-}.c" ;;
		esac >/dev/null || echo "$name"
	done
}

@test "the tests that the threat model names exist" {
	check "$(absent "$SOURCE_DIR/docs/threat-model.md")" ""
	echo 'gone.bats, attack-paths.bats; test-gone.c, fuzz-gone' >gone.md
	check "$(absent gone.md)" "$(printf '%s\n' fuzz-gone gone.bats test-gone.c)"
}
