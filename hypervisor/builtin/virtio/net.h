/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "hypervisor/builtin/rate.h"

struct error;
struct virtio_device;

/*
 * A network interface (VIRTIO 1.2, 5.1) in front of a tap: packets and their headers go between tap
 * and guest as they are, with checksums left out and segments put together as the guest negotiated.
 * A datagram or sequenced-packet socket serves too, whose packets have a header of 12 bytes (struct
 * virtio_net_hdr_v1), and none of that.
 */
struct virtio_net_options {
	int fd; /* owned from success on; a tap has IFF_VNET_HDR. Becomes non-blocking. */
	uint8_t mac[6];
	uint16_t mtu;		    /* 0: the guest is not told one */
	struct rate_limit received; /* bytes, towards the guest */
	struct rate_limit sent;
};
int virtio_net_new(const struct virtio_net_options *options, struct virtio_device **ret,
		   struct error *err);
