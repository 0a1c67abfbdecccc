# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Files of tests in groups that run side by side.

# group_files COUNT FILE…: the files in as many groups, of about as many tests each; a line a group.
group_files() {
  grep -cH '^@test' "${@:2}" | tr ':' ' ' | sort -k 2 -n -r |
    awk -v count="$1" '{ least = 0
        for (i = 1; i < count; i++) if (sum[i] < sum[least]) least = i
        sum[least] += $2; group[least] = group[least] " " $1 }
      END { for (i = 0; i < count; i++) if (group[i]) print group[i] }'
}

# merge_tap FILE…: one TAP stream of several.
merge_tap() {
  awk '/^1\.\./ { next }
    /^(not )?ok [0-9]/ { sub(/ok [0-9]+/, "ok " ++count) }
    { print; fflush() }
    END { print "1.." count + 0 }' "$@"
}
