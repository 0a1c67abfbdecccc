# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the developer's scripts share: progress lines, and logs that do not fill the screen.

# A progress line with the time since the script began.
say() {
  printf '[%2d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# The end of a log, without the names of package mirrors, which are this machine's business.
show_log() {
  tail -n "${2-25}" "build/log/$1.log" | sed -E 's#(https?|ftp)://[^ ]*#(mirror)#g; s/^/    /' >&2
}

# logged NAME COMMAND…: runs it with its output in build/log/NAME.log; shows the end on failure.
logged() {
  local name=$1
  shift
  mkdir -p build/log
  if ! "$@" </dev/null >"build/log/$name.log" 2>&1; then
    show_log "$name"
    fail "'$1' failed; the whole output is in build/log/$name.log"
  fi
}
