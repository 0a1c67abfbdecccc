/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/builtin/memory.h"

struct loop;
struct virtio_device;
struct virtio_mmio;

/*
 * A guest's driver, well-behaved and tiny, for tests of one device: it has a memory of its own,
 * sets the device up by its registers, and knows what it put into which queue. Everything is one
 * thread; driver_turn() lets the device have its turn.
 */
#define DRIVER_MEMORY (4u << 20)
#define DRIVER_GPA 0x10000u /* where it begins */
#define DRIVER_QUEUE_SIZE 16

struct driver_queue {
	uint64_t desc, avail, used;
	uint16_t next_desc; /* descriptors go round; a test never has more than fit in use */
	uint16_t next_avail;
	uint16_t next_used;
};

struct driver {
	uint8_t *ram;
	uint64_t next_gpa;
	struct guest_memory mem;
	struct loop *loop;
	struct virtio_mmio *mmio;
	int interrupt_fd;
	uint64_t features;
	struct driver_queue queues[8];
};

/* A part of a chain. */
struct driver_buffer {
	uint64_t gpa;
	uint32_t len;
	bool is_written; /* by the device */
};

/* Takes @dev; fails the test if it cannot. */
void driver_init(struct driver *d, struct virtio_device *dev);
void driver_done(struct driver *d);
/* The steps of a driver up to DRIVER_OK, with those of @features that are offered. */
void driver_start(struct driver *d, uint64_t features);
void driver_reset(struct driver *d);

uint32_t driver_read(struct driver *d, uint64_t offset);
void driver_write(struct driver *d, uint64_t offset, uint32_t value);
uint32_t driver_status(struct driver *d);

/* Zeroed memory of the guest's, of which a test takes as much as it likes. */
uint64_t driver_alloc(struct driver *d, size_t size);
void *driver_at(const struct driver *d, uint64_t gpa);

/* Puts a chain into the queue, without telling. Returns its head. */
uint16_t driver_add(struct driver *d, unsigned int queue, const struct driver_buffer *buffers,
		    size_t count);
/* The same behind one descriptor of a table. */
uint16_t driver_add_indirect(struct driver *d, unsigned int queue,
			     const struct driver_buffer *buffers, size_t count);
void driver_kick(struct driver *d, unsigned int queue);
void driver_turn(struct driver *d);
/* Whether the device gave one back since this was last asked. */
bool driver_take(struct driver *d, unsigned int queue, uint16_t *ret_head, uint32_t *ret_len);
/* One that has to come, in its turn; how many bytes were written. */
uint32_t driver_await(struct driver *d, unsigned int queue);
/* Interrupts since this was last asked. */
uint64_t driver_interrupts(struct driver *d);

/* Saves the device, and makes a new machine with the same memory go on with @dev. */
void driver_move(struct driver *d, struct virtio_device *dev);
