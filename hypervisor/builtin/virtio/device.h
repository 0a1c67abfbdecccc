/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/builtin/virtio/queue.h"

struct error;
struct guest_memory;
struct loop;
struct strbuf;
struct virtio_device;

/*
 * A virtio device, which knows nothing of how the guest reaches it. Everything of a device runs on
 * one thread, the one that runs its loop, and never waits: so none of them has a lock. A transport
 * (mmio.h) brings over what vcpus ask for, and carries interrupts to them.
 */
#define VIRTIO_QUEUES_MAX 8
#define VIRTIO_CONFIG_MAX 128

struct virtio_device_ops {
	const char *name; /* "console": for messages */
	uint32_t id;	  /* VIRTIO 1.2, 5 */
	unsigned int queues_count;
	uint16_t queue_size_max; /* a power of two */

	/* The driver is ready: dev->driver_features say what it took, and those of dev->queues that
	 * it set up are started. A failure puts the device into NEEDS_RESET. */
	int (*activate)(struct virtio_device *dev);
	/* There may be chains in the queue; may be called for nothing. Handles some, and asks to be
	 * called again by virtio_device_again(), so that no device keeps others waiting. */
	void (*notify)(struct virtio_device *dev, unsigned int queue);
	/* Forgets all since activate(), be it one that failed; the queues are stopped by now. */
	void (*reset)(struct virtio_device *dev);
	/* The driver wrote what it may of the configuration, of which this is a copy; NULL: nothing
	 * depends on that. */
	void (*write_config)(struct virtio_device *dev, const uint8_t *config);

	/* What an active device has besides its features, its queues and what the driver wrote of
	 * its configuration, as fields (lib/base/wire.h); NULL: nothing. */
	void (*save)(const struct virtio_device *dev, struct strbuf *out);
	/* The same into a device that is as activate() left it. -EBADMSG. */
	int (*restore)(struct virtio_device *dev, const void *data, size_t len);

	void (*free)(struct virtio_device *dev); /* closes what was handed to it */
};

struct virtio_transport_ops {
	/* The queue has something for the guest, who wants to be told. */
	void (*interrupt)(struct virtio_device *dev);
	/* dev->config as the guest reads it becomes this, and the guest is told. */
	void (*change_config)(struct virtio_device *dev, size_t offset, const void *data,
			      size_t len);
	/* NEEDS_RESET: no notify() comes any more, and reset() soon. */
	void (*fail)(struct virtio_device *dev, const char *reason);
	/* notify() of this queue, after others had their turn. */
	void (*again)(struct virtio_device *dev, unsigned int queue);
};

/* What became of it, since it was made; read on its thread. */
struct virtio_metrics {
	uint64_t notifications;
	uint64_t interrupts;
	uint64_t failures;	/* times that it needed a reset */
	uint64_t read_bytes;	/* towards the guest */
	uint64_t written_bytes; /* from the guest */
	uint64_t reads;		/* requests, packets, chains, as it counts them */
	uint64_t writes;
	uint64_t throttled; /* times that a rate limit held something back */
	uint64_t dropped;   /* what had no place to go */
};

/* The beginning of each device's own struct. */
struct virtio_device {
	const struct virtio_device_ops *ops;
	uint64_t features; /* offered, its own ones; the transport adds those of the rings */
	/* The device's configuration. Only for its constructor, and for the transport from then on:
	 * change_config() changes it. */
	uint8_t config[VIRTIO_CONFIG_MAX];
	size_t config_size;
	/* What the driver may write of it; empty: nothing. */
	size_t config_writable_from;
	size_t config_writable_to;

	/* Set by the transport before anything is called. */
	const struct guest_memory *mem;
	struct loop *loop;
	const struct virtio_transport_ops *transport;
	void *transport_ctx;

	/* What is in its queues has to wait, as if they were empty. */
	bool is_held;

	/* Between activate() and reset(). */
	bool is_active;
	uint64_t driver_features;
	struct virtqueue queues[VIRTIO_QUEUES_MAX];

	struct virtio_metrics metrics;
};

/* For devices. */
bool virtio_device_has(const struct virtio_device *dev, unsigned int feature_bit);
/* Pops from a queue; a broken one fails the device. True and a chain, else false. */
bool virtio_device_pop(struct virtio_device *dev, unsigned int queue,
		       struct virtqueue_iovecs *iovecs, struct virtqueue_chain *ret);
/* Interrupts the guest if it wants that for what was pushed. */
void virtio_device_signal(struct virtio_device *dev, unsigned int queue);
/* Calls @serve, which handles one chain and says whether to go on, some times in a row; if it would
 * go on still, the queue is notified again after others had their turn. Then signals. */
void virtio_device_serve(struct virtio_device *dev, unsigned int queue,
			 bool (*serve)(struct virtio_device *dev, unsigned int queue));
void virtio_device_again(struct virtio_device *dev, unsigned int queue);
void virtio_device_change_config(struct virtio_device *dev, size_t offset, const void *data,
				 size_t len);
/* @reason: what the driver did: "a request without header or status". */
void virtio_device_fail(struct virtio_device *dev, const char *reason);
void virtio_device_free(struct virtio_device *dev); /* NULL is accepted */
