#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What engines make of `features`.

load helpers
load ../lib/go

build_reader()
{
	local cache
	command -v go >/dev/null || skip "no go here (./dev setup --test)"
	cache=$(readlink -f "$SOURCE_DIR")/build/features
	cd "$SOURCE_DIR/tests/cli/features"
	go_in "$cache" mod download 2> >(without_addresses) ||
		skip "the specification's types cannot be fetched from here"
	go_in "$cache" build -o "$BATS_TEST_TMPDIR/reader" . 2> >(without_addresses)
	cd "$BATS_TEST_TMPDIR"
}

@test "features is read by the specification's own types, and by the rules of CRI-O and containerd" {
	build_reader
	# CRI-O reads both streams as one document.
	"$MOAT" features >features.json 2>&1
	run ./reader <features.json
	printf '%s\n' "$output" >&2
	check "$status" 0
	# The reader finds what is not so.
	jq 'del(.linux.mountExtensions)' features.json >less.json
	run ./reader <less.json
	check "$status" 1
	[[ $output == *"not ok CRI-O, containerd: ids of mounts are mapped"* ]]
	jq '.linux.rdt = true' features.json >more.json
	run ./reader <more.json
	check "$status" 1
	[[ $output == *'unknown field "rdt"'* ]]
}
