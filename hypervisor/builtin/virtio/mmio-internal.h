/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/mmio.h"

struct loop_source;

/* What the registers (mmio.c) and saving and restoring them (mmio-state.c) have in common. */
#define RING_FEATURES                                                                              \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC |                        \
	 1ULL << VIRTIO_RING_F_EVENT_IDX)

/* A queue as the driver describes it; dev->queues gets that when the device becomes active. */
struct setup {
	uint16_t size;
	bool is_ready;
	uint64_t desc, avail, used;
};

struct notifier {
	struct virtio_mmio *mmio;
	unsigned int queue;
	int fd;			    /* eventfd */
	struct loop_source *source; /* while the queue is started */
};

/* What a vcpu has the thread that serves devices do. */
struct errand {
	void (*run)(struct virtio_mmio *m, uint32_t value);
	uint32_t value;
};

struct virtio_mmio {
	struct virtio_device *dev;
	struct loop *loop;
	int interrupt_fd;

	/* All below it but notifiers, whose descriptors never change. */
	pthread_mutex_t lock;
	uint32_t status;
	uint32_t interrupt_status;
	uint32_t generation;
	uint32_t features_page; /* which 32 bits of them are looked at, or written */
	uint32_t driver_features_page;
	uint32_t queue;
	uint64_t driver_features;
	struct setup setups[VIRTIO_QUEUES_MAX];
	/* The device has been activated, and not been reset since: nothing is set up any more. */
	bool is_engaged;

	/* One errand at a time; others wait. */
	bool is_threaded;
	struct errand errand;
	uint64_t errands_given, errands_done;
	pthread_cond_t errand_done;
	int errand_fd;
	struct loop_source *errand_source;

	/* The loop's thread alone. */
	struct notifier notifiers[VIRTIO_QUEUES_MAX];
	struct loop_source *failure; /* a reset that is due */
};

static inline uint64_t mmio_offered(const struct virtio_mmio *m)
{
	return m->dev->features | RING_FEATURES;
}

/* On the loop's thread. Makes the device active with the queues as they are set up; @progress says
 * how far these got (available, used), NULL: they begin. After a failure it is to be reset. */
int mmio_engage(struct virtio_mmio *m, const uint16_t (*progress)[2]);
/* As it was when it was made. */
void mmio_reset(struct virtio_mmio *m);
