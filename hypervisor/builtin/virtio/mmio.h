/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct loop;
struct strbuf;
struct virtio_device;
struct virtio_mmio;

/*
 * virtio over memory-mapped registers (VIRTIO 1.2, 4.2; version 2 alone): the register file of one
 * device as a function of offset, size and value. It knows no hypervisor: whoever owns the bus
 * calls virtio_mmio_read() and virtio_mmio_write() for what vcpus do within the window, makes an
 * ioeventfd of each queue's notify descriptor and an irqfd of the interrupt descriptor.
 *
 * Threads: vcpus come in by read and write, any number at a time; registers are under the window's
 * lock, and what concerns the device itself (activation, reset, its configuration) is done by the
 * thread that runs its loop, for which the vcpu waits. So that thread never waits for a vcpu, and
 * its loop runs for as long as vcpus do: who pauses vcpus waits for them in the loop. All other
 * functions here belong to that thread, or are called while it does not run.
 *
 * Devices and their metrics are that thread's, too (device.h).
 */
#define VIRTIO_MMIO_WINDOW 0x200 /* registers, and the configuration from 0x100 on */
#define VIRTIO_MMIO_NOTIFY 0x050 /* offset for ioeventfds: 4 bytes, whose value is the queue */

struct virtio_mmio_options {
	struct virtio_device *device;	   /* owned from success on */
	const struct guest_memory *memory; /* borrowed, as are the rest */
	struct loop *loop;
	/* An eventfd: 1 is added whenever the guest is to be interrupted. Edges: a new one comes
	 * for each reason, whether or not the guest has acknowledged the one before. */
	int interrupt_fd;
	/* The loop runs on another thread than those that call read and write. Without it
	 * everything is done by the caller at once. */
	bool is_threaded;
};

int virtio_mmio_new(const struct virtio_mmio_options *options, struct virtio_mmio **ret,
		    struct error *err);
void virtio_mmio_free(struct virtio_mmio *mmio); /* no vcpu is in it; NULL is accepted */

struct virtio_device *virtio_mmio_device(const struct virtio_mmio *mmio);
unsigned int virtio_mmio_queues(const struct virtio_mmio *mmio);
/* An eventfd, non-blocking, that stays ours; the loop serves the queue when it is written. */
int virtio_mmio_notify_fd(const struct virtio_mmio *mmio, unsigned int queue);

/* @offset + @size may lie anywhere: what is no register reads as zero and is ignored when written.
 * @size: 1 to 8 bytes. */
void virtio_mmio_read(struct virtio_mmio *mmio, uint64_t offset, void *data, size_t size);
void virtio_mmio_write(struct virtio_mmio *mmio, uint64_t offset, const void *data, size_t size);

/* A device that is held leaves its queues and with them the guest's memory alone, until it is
 * released: so what is saved and what stays belong together. On the loop's thread. */
void virtio_mmio_hold(struct virtio_mmio *mmio);
void virtio_mmio_release(struct virtio_mmio *mmio);

/* The window and its device, while vcpus are stopped: bytes for virtio_mmio_restore() of a new
 * window with a device of the same kind, whose guest memory is as it was. What the device is joined
 * with on the host may be another. */
void virtio_mmio_save(struct virtio_mmio *mmio, struct strbuf *out);
/* -EBADMSG for what is not of such a device; the window is as new then. */
int virtio_mmio_restore(struct virtio_mmio *mmio, const void *data, size_t len, struct error *err);
