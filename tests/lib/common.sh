# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the developer's scripts share: progress lines, and logs that do not fill the screen.

# A progress line with the time since the script began.
say() {
  printf '[%2d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

# progress WHAT PERCENT LAST: a bar on a terminal; else a line for each fifth of the work, when LAST is in an earlier one.
# LAST is what the previous call had, -1 at first.
progress() {
  local bar
  if [[ -t 1 ]]; then
    printf -v bar '%*s' $(($2 / 4)) ''
    printf '\r\e[K%s [%-25s] %3d %%' "$1" "${bar// /#}" "$2"
    if (($2 >= 100)); then printf '\r\e[K'; fi
  elif (($2 / 20 > ($3 < 0 ? 0 : $3) / 20)); then
    say "$1: $(($2 / 20 * 20)) %"
  fi
}

# follow NAME: shows how far a command is whose log counts its steps, as ninja's "[3/120]", until it is killed or the
# script has ended: an interrupt is not for what runs in the background.
follow() {
  local name=$1 count percent last=-1
  while sleep 0.5 && kill -0 $$ 2>/dev/null; do
    count=$(tail -c 4096 "build/log/$name.log" | grep -aoE '\[[0-9]+/[0-9]+\]' | tail -n 1 | tr -d '[]') || true
    [[ -n $count && ${count#*/} != 0 ]] || continue
    percent=$((100 * ${count%/*} / ${count#*/}))
    progress "$name" "$percent" "$last"
    last=$percent
  done
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
  local name=$1 follower status=0
  shift
  mkdir -p build/log
  : >"build/log/$name.log"
  follow "$name" &
  follower=$!
  "$@" </dev/null >"build/log/$name.log" 2>&1 || status=$?
  # Its own process and the sleep that it may wait for; the work is done, so nobody waits for them.
  kill "$follower" 2>/dev/null || true
  wait "$follower" 2>/dev/null || true
  if [[ -t 1 ]]; then printf '\r\e[K'; fi
  if ((status != 0)); then
    show_log "$name"
    fail "'$1' failed; the whole output is in build/log/$name.log"
  fi
}
