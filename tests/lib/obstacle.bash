# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For a file of tests that cannot run everywhere: its function `obstacle` prints why it cannot here,
# or nothing, and each of its tests is skipped with that reason. `skip` in setup_file is a failure
# with the bats of Debian 12.

# The first line of setup_file: is_possible || return 0
is_possible() {
  OBSTACLE=$(obstacle)
  OBSTACLE=${OBSTACLE%%$'\n'*}
  export OBSTACLE
  [ -z "$OBSTACLE" ]
}

# To be called by setup; teardown then finds $OBSTACLE.
skip_impossible() {
  [ -z "${OBSTACLE-}" ] || skip "$OBSTACLE"
}

# missing PROGRAM…: the obstacle that one of them is not here; a function of its name is none.
missing() {
  local program
  for program in "$@"; do
    if ! type -P "$program" >/dev/null; then
      echo "no ${program##*/} here (./dev setup --test)"
      return 0
    fi
  done
}
