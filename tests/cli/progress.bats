#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How the developer's scripts show how far they are.

load helpers

setup()
{
	cd "$BATS_TEST_TMPDIR" || return 1
	source "$SOURCE_DIR/tests/lib/common.sh"
}

@test "without a terminal there is a line for each fifth of the work" {
	run bash -c "source '$SOURCE_DIR/tests/lib/common.sh'
		last=-1; for percent in 0 3 19 20 25 59 60 61 100; do progress work \$percent \$last; last=\$percent; done"
	check "$(sed 's/^\[[ 0-9:]*\] //' <<<"$output" | paste -sd ,)" "work: 20 %,work: 40 %,work: 60 %,work: 100 %"
}

@test "on a terminal there is a bar, which goes when the work is done" {
	run script -qec "bash -c 'source $SOURCE_DIR/tests/lib/common.sh; progress work 48 -1; progress work 100 48'" /dev/null
	[[ $output == *"work [############             ]  48 %"* ]]
	[[ $output == *$'\r\e[K' ]]
}

@test "a command that counts its steps is followed, and its status and log are as they were" {
	run bash -c "source '$SOURCE_DIR/tests/lib/common.sh'
		logged count bash -c 'echo \"[7/10] seven\"; for i in {1..200}; do [[ ! -e seen ]] || exit 0; sleep 0.1; done; exit 1' \
			> >(while read -r line; do echo \"\$line\"; : >seen; done)
		echo ended"
	check "$status" 0
	[[ $output == *"count: 60 %"* && $output == *ended* ]]
	grep -qx '\[7/10\] seven' build/log/count.log
	run bash -c "source '$SOURCE_DIR/tests/lib/common.sh'; logged broken bash -c 'echo oops; exit 7'"
	check "$status" 1
	[[ $output == *oops*"'bash' failed"* ]]
}
