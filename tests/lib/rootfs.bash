# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

# make_rootfs DIRECTORY: a root file system of busybox and nothing else.
make_rootfs() {
  local root=$1
  mkdir -p "$root"/{bin,dev,etc,proc,root,run,sys,tmp,var}
  chmod 1777 "$root/tmp"
  cp "$(command -v busybox)" "$root/bin/busybox"
  # Hard links to itself: a process for each symbolic link would take a minute on the KVM host.
  "$root/bin/busybox" --install "$root/bin"
  printf 'root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/home/guest:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nguest:x:1000:\n' >"$root/etc/group"
}
