# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

# make_rootfs DIRECTORY: a root file system of busybox and nothing else.
make_rootfs() {
  local root=$1 applet busybox
  busybox=$(command -v busybox)
  mkdir -p "$root"/{bin,dev,etc,proc,root,run,sys,tmp,var}
  chmod 1777 "$root/tmp"
  cp "$busybox" "$root/bin/busybox"
  for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/home/guest:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nguest:x:1000:\n' >"$root/etc/group"
}
