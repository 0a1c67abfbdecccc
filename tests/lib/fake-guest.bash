# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Virtual machines without a machine: `moat --isolation vm` with fake-vmm.c instead of QEMU.

# use_fake_guest DIRECTORY: what it needs is made there; every VM from then on is a fake one.
use_fake_guest() {
  local dir=$1
  mkdir -p "$dir/image"
  cc -std=gnu17 -O1 -g -o "$dir/fake-vmm" "${BASH_SOURCE[0]%/*}"/fake-vmm{,-wire,-deeds}.c || return
  touch "$dir/image/kernel" "$dir/image/initramfs"
  cat >"$dir/image/guest.json" <<'JSON'
{ "kernel": "kernel", "initrd": "initramfs", "elf": true, "9p": true, "mmio": true, "pci": true }
JSON
  # What it reports of others it finds and leaves by name.
  printf '{ "vm": { "hypervisor": "%s", "jail": false } }\n' "$dir/fake-vmm" >"$dir/moat.json"
  export MOAT_CONFIG=$dir/moat.json MOAT_GUEST=$dir/image MOAT_ACCEL=tcg MOAT_SHARE=9p
  unset FAKE_GUEST FAKE_CUT FAKE_EXIT FAKE_REPORT
}

# What FAKE_GUEST and the others say is so for the machine of $ID, which does not get them otherwise.
tell_fake_guest() {
  env | grep '^FAKE_' >"${MOAT_CONFIG%/*}/$ID.settings" || true
}
