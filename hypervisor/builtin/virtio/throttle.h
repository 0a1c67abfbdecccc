/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/builtin/rate.h"

struct loop_source;
struct virtio_device;

/* Rate limits in front of a queue of a device, whose notify() is called when it may go on. */
struct throttle {
	struct virtio_device *dev;
	unsigned int queue;
	struct rate_bucket bytes;
	struct rate_bucket requests;
	struct loop_source *timer; /* while something is held back */
};

/* NULL: no limit. */
void throttle_init(struct throttle *throttle, struct virtio_device *dev, unsigned int queue,
		   const struct rate_limit *bytes, const struct rate_limit *requests);
/* Whether one request of so many bytes may pass, which it then has to. */
bool throttle_pass(struct throttle *throttle, uint64_t bytes);
/* Something waits already: there is no need to look at the queue. */
bool throttle_is_waiting(const struct throttle *throttle);
void throttle_stop(struct throttle *throttle);
