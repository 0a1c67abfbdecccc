/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct virtio_device;

/*
 * Memory that the guest gives back (VIRTIO 1.2, 5.5): what it is asked for by
 * virtio_balloon_resize(), and, where it reports free pages, what it does not use. Both are taken
 * out of the host's memory at once, and come back as zeroes when the guest touches them.
 */
struct virtio_device *virtio_balloon_new(void);

/* How many MiB the guest shall do without; it does so when it can. */
void virtio_balloon_resize(struct virtio_device *dev, uint32_t mib);
/* How many bytes it does without by now. */
uint64_t virtio_balloon_actual(const struct virtio_device *dev);
