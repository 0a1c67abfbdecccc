# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Comparisons that say what they found.

expect() {
  if ! test "$1" "$2" "$3"; then
    printf 'expected: %s %s\ngot:      %s\n' "$2" "$3" "$1"
    return 1
  fi
}

expect_match() {
  if [[ "$1" != *"$2"* ]]; then
    printf 'expected in it: %s\ngot: %s\n' "$2" "$1"
    return 1
  fi
}
