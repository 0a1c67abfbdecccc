# SPDX-License-Identifier: Apache-2.0
# The fragments of our minimal kernel configuration, and the script that builds it.

load helpers

setup()
{
	KERNEL=$SOURCE_DIR/agent/image/kernel
	cd "$BATS_TEST_TMPDIR"
}

settings()
{
	sed -nE 's/^(CONFIG_[A-Z0-9_]+)=.*/\1/p; s/^# (CONFIG_[A-Z0-9_]+) is not set$/\1/p' "$@"
}

@test "the fragments say what they are for, and nothing twice" {
	for file in "$KERNEL"/*.conf; do
		check "$(head -n 1 "$file")" '# SPDX-License-Identifier: Apache-2.0'
		[[ $(sed -n 2p "$file") == '# '[A-Z]*.* ]]
		check "$(grep -vnE '^(#.*|CONFIG_[A-Z0-9_]+=(y|[0-9-]+|"[^"]*"))$' "$file")" ""
		[[ $file == *-optional.conf ]] || settings "$file" >>all
	done
	check "$(sort all | uniq -d)" ""
}

@test "a kernel of the fragments has all that moat asks of one" {
	for file in "$KERNEL"/*.conf; do
		[[ $file == *-optional.conf ]] || cat "$file" >>all.conf
	done
	# A header is enough of a kernel.
	{ head -c 514 /dev/zero; printf 'HdrS'; head -c 8 /dev/zero; printf '\0\1'; head -c 240 /dev/zero; printf '6\0'; } >kernel
	run --separate-stderr "$(dirname "$MOAT")/moat-image" check-kernel --format json --kernel kernel --kernel-config all.conf
	check "$status" 0
	check "$(jq -c '[.missing, .advised]' <<<"$output")" '[[],[]]'
	check "$(jq -c '[.features | to_entries[] | select(.value | not).key]' <<<"$output")" '["pvh"]'
}

@test "what the script cannot do is told" {
	run "$KERNEL/build.sh" --sauce x
	check "$status" 1
	check "$output" "build.sh: unknown option '--sauce'"
	run "$KERNEL/build.sh" --source
	check "$output" "build.sh: option '--source': wants a value"
	run "$KERNEL/build.sh" --output out --source none.tar
	check "$status" 1
	check "$output" "build.sh: no kernel source: install the package linux-source, or name it with --source"
}

# bats test_tags=slow
@test "the fragments survive the distribution's kernel configuration" {
	source=$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' 2>/dev/null | sort -V | tail -n 1)
	[ -n "$source" ] || skip "no kernel source here (package linux-source)"
	command -v flex >/dev/null && command -v bison >/dev/null || skip "no flex and bison here"
	run "$KERNEL/build.sh" --source "$source" --output out --config-only
	check "$status" 0
	[[ $output == *"symbols built in, "* ]]
	# Linux 6.1 compiles BPF programs only when it has modules.
	check "$(grep '^not as asked: ' <<<"$output" | grep -v CONFIG_BPF_JIT)" ""
}
