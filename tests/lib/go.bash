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
