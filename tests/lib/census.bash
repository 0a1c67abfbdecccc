# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The kernel's own counts, of the whole machine, before and after many containers. Others work on the
# machine too, but a leak is one a container.

# A removed memory cgroup is kept for as long as pages of files that were read in it are cached, which
# only says that there is memory: a virtual machine's has many, and CENSUS_WITHOUT=memory leaves it out.
census() {
  awk -v without="${CENSUS_WITHOUT-}" '!/^#/ && $1 != without { print "cgroups:" $1, $3 }' \
    /proc/cgroups 2>/dev/null
  [ "${CENSUS_WITHOUT-}" = memory ] ||
    awk '$1 == "nr_dying_descendants" { print "cgroups:dying", $2 }' /sys/fs/cgroup/cgroup.stat 2>/dev/null
  awk '$1 ~ /^(net|pid)_namespace$/ { print "objects:" $1, $2 }' /proc/slabinfo 2>/dev/null
  echo "keys $(wc -l </proc/keys)"
  echo "mounts $(wc -l </proc/self/mountinfo)"
  echo "files $(cut -f 1 /proc/sys/fs/file-nr)"
  echo "processes $(awk '{ print $4 }' /proc/loadavg | cut -d / -f 2)"
}

census_begin() {
  census | sort >"$BATS_TEST_TMPDIR/census"
}

grown_by() {
  census | sort | join "$BATS_TEST_TMPDIR/census" - | awk -v most="$1" '$3 - $2 > most'
}

has_grown_by_less() {
  [ -z "$(grown_by "$1")" ]
}

# What a container had is freed a moment after it.
expect_growth_below() {
  if ! eventually 60 has_grown_by_less "$1"; then
    echo "grown by more than $1 (before, after):"
    grown_by "$1"
    return 1
  fi
}
