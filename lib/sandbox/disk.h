/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct hv_disk;
struct hypervisor;
struct sandbox_disk;

/*
 * Disks of the guest, from the host's side: opened here and given to the VMM as descriptors, so
 * that it reaches nothing else of what they lie in.
 */

/* For a VMM of @driver; ret->fd is the caller's to close. If that takes no locks (HV_FEATURE_LOCKS)
 * this does: nobody else writes to the disk, nor reads it if we write, as long as the descriptor
 * or a copy is open, the VMM's among them. It keeps to what QEMU locks; Cloud Hypervisor keeps
 * writers apart, too. -EBUSY: somebody else has it. */
int disk_open(const struct sandbox_disk *disk, const struct hypervisor *driver, struct hv_disk *ret,
	      struct error *err);

/* To and from the running VM whose sockets are in @vm_dir. What is plugged in has the path by which
 * the guest finds it from then on. */
int disk_plug(struct sandbox_disk *disk, const char *vm_dir, struct error *err);
int disk_unplug(const char *id, const char *vm_dir, struct error *err);
