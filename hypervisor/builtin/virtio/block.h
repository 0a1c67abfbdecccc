/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "hypervisor/builtin/rate.h"

struct error;
struct virtio_device;

/*
 * A disk (VIRTIO 1.2, 5.2): a raw file or a block device. Requests are done one after the other by
 * the thread that serves the device, straight between file and guest memory; who does not want
 * other devices to wait for them gives disks a loop and a thread of their own. Writes are in the
 * host's page cache when they are answered, and on the disk when a flush is.
 */
struct virtio_block_options {
	const char *id; /* serial number, of which the guest sees 20 bytes */
	/* Owned from success on; opened for reading, or for both. -1: none yet, the disk is empty
	 * until it is changed. */
	int fd;
	bool is_readonly;
	struct rate_limit bytes; /* read and written, together */
	struct rate_limit requests;
};
int virtio_block_new(const struct virtio_block_options *options, struct virtio_device **ret,
		     struct error *err);

/* The file has grown (@options: NULL), or is another one: the guest is told its size. Its limits
 * stay. The guest does not learn anew whether it may write; if not, that fails. */
int virtio_block_change(struct virtio_device *dev, const struct virtio_block_options *options,
			struct error *err);
