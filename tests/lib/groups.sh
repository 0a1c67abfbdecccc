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

# crashed_cases TAP: the names of those that failed, and said that the kernel of their guest crashed at a
# fault of its own before the container was made: not that its first process, which is ours, ended.
crashed_cases() {
  awk '/^(not )?ok [0-9]/ { name = "" }
    /^not ok [0-9]/ { name = $0; sub(/^not ok [0-9]+ /, "", name) }
    name && /^#.*ended before the container was made;.*(\[#1\]|Kernel panic - not syncing: Fatal exception)/ {
      print name
      name = ""
    }' "$1"
}

# replace_case TAP NAME: the failed case passed when it was repeated; what it had said stays, and how it
# ended then stands in its line.
replace_case() {
  local part
  part=$(mktemp)
  name=$2 awk '/^not ok [0-9]/ { line = $0; sub(/^not ok [0-9]+ /, "", line)
      if (line == ENVIRON["name"]) { sub(/^not /, ""); $0 = $0 " # repeated: the guest'"'"'s kernel crashed" } }
    { print }' "$1" >"$part"
  mv "$part" "$1"
}

# is_complete TAP: whether all tests that are announced have said how they ended.
is_complete() {
  local planned
  [[ -e $1 ]] || return
  planned=$(sed -nE '1s/^1\.\.([0-9]+).*$/\1/p' "$1")
  [[ -n $planned ]] && (($(grep -cE '^(not )?ok ' "$1") == planned))
}

has_passed() {
  is_complete "$1" && ! grep -q '^not ok ' "$1"
}
