/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/builtin/rate.h"

struct virtio_device;

/* Randomness of the host's for the guest (VIRTIO 1.2, 5.4), in pieces of at most VIRTIO_RNG_MAX.
 * @limit: bytes; NULL: none. */
#define VIRTIO_RNG_MAX 4096
struct virtio_device *virtio_rng_new(const struct rate_limit *limit);
