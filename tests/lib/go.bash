# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Go programs of the tests, whose modules go.mod and go.sum beside them pin.

# go_in CACHE …: go with a module and build cache of its own, so that nothing else changes.
go_in() {
  local cache=$1
  shift
  GOPATH=$cache/go GOCACHE=$cache/cache GOFLAGS=-modcacherw GOTOOLCHAIN=local CGO_ENABLED=0 \
    go "$@"
}

# Reasons without the name of the module proxy, which is this machine's business.
without_addresses() {
  sed -E 's#(https?://|lookup )[^ ]*#(proxy)#g' >&2
}

# build_go_program SOURCES CACHE PROGRAM: the path of a program to be, unless that is made of the same sources. Fails
# with a word about it where its modules cannot be fetched.
build_go_program() {
  local sources=$1 cache=$2 program=$3 key
  key=$(cat "$sources"/go.* "$sources"/*.go | sha256sum)
  [[ ! -x $program || $(cat "$program.key" 2>/dev/null) != "$key" ]] || return 0
  mkdir -p "${program%/*}"
  if ! (cd "$sources" && go_in "$cache" mod download) >/dev/null 2>&1; then
    echo "${program##*/}: its Go modules cannot be fetched from here" >&2
    return 1
  fi
  (cd "$sources" && go_in "$cache" build -trimpath -ldflags '-s -w' -o "$program" .)
  echo "$key" >"$program.key"
}
