/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct guest_memory;
struct vring_avail;
struct vring_desc;
struct vring_used;

/*
 * A split virtqueue (VIRTIO 1.2, 2.7) from the device's side. Everything in it is written by the
 * guest, at any time: each field is read once and judged by that copy. What breaks the rules of a
 * ring makes the queue broken for good, -EBADMSG from here on; its device then needs a reset.
 * Nothing here loops longer than a chain may be long. One thread: the one that serves the device.
 */
#define VIRTQUEUE_SIZE_MAX 1024
/* Descriptors of a chain, those of an indirect table among them; and its pieces, of which a
 * descriptor that reaches over a border of memory regions makes two. */
#define VIRTQUEUE_CHAIN_MAX 1024

struct virtqueue {
	/* As the transport set it up. */
	const struct guest_memory *mem;
	uint16_t size; /* a power of two, at most VIRTQUEUE_SIZE_MAX */
	uint64_t desc; /* addresses of the guest's */
	uint64_t avail;
	uint64_t used;
	bool has_event_idx; /* negotiated */
	bool has_indirect;
	uint16_t next_avail; /* how far it got: 0, or as it was saved */
	uint16_t next_used;

	/* From virtqueue_start() on. */
	bool is_started;
	bool is_broken;
	bool is_silenced;	 /* the guest was asked not to notify */
	uint16_t signalled_used; /* next_used when the guest was last told */
	const struct vring_desc *descs;
	const struct vring_avail *avail_ring;
	struct vring_used *used_ring;
};

/* A chain of descriptors: what the guest gives to read, then what it wants written. The pieces lie
 * in guest memory, none of them empty. */
struct virtqueue_chain {
	uint16_t head;
	struct iovec *readable; /* both within the iovecs that virtqueue_pop() was given */
	struct iovec *writable;
	unsigned int readable_count;
	unsigned int writable_count;
	uint64_t readable_bytes; /* together less than 4 GiB */
	uint64_t writable_bytes;
};

/* Where a chain keeps its pieces: 16 KiB, so a device has one for all of its queues. */
struct virtqueue_iovecs {
	struct iovec iov[VIRTQUEUE_CHAIN_MAX];
};

/* Takes the rings into use, from .next_avail and .next_used on. -EINVAL: its size or an address is
 * none that a queue can have. */
int virtqueue_start(struct virtqueue *vq);
void virtqueue_stop(struct virtqueue *vq);

/* 1 and the next chain, which virtqueue_push() gives back; 0: there is none, and the guest was
 * asked to notify of the next one; -EBADMSG. */
int virtqueue_pop(struct virtqueue *vq, struct virtqueue_iovecs *iovecs,
		  struct virtqueue_chain *ret);
/* As if the last chain had not been popped; it comes again, and may be another one by then. */
void virtqueue_unpop(struct virtqueue *vq);
/* Gives a chain back of which @written bytes were written; or several, which the guest sees all at
 * once. */
struct virtqueue_used {
	uint16_t head;
	uint32_t written;
};
void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t written);
void virtqueue_push_all(struct virtqueue *vq, const struct virtqueue_used *used, size_t count);

/* Whether the guest wants an interrupt for what was pushed since it was last asked. */
bool virtqueue_wants_interrupt(struct virtqueue *vq);

/* A part of a chain as bytes. They return how many were copied, fewer at its end. */
size_t iovec_read(const struct iovec *iov, unsigned int count, uint64_t offset, void *buf,
		  size_t len);
size_t iovec_write(const struct iovec *iov, unsigned int count, uint64_t offset, const void *data,
		   size_t len);
/* At most @len bytes from @offset on as at most @max pieces, for readv(2) and its kin. Returns how
 * many those are; together as many bytes as fit. */
unsigned int iovec_slice(const struct iovec *iov, unsigned int count, uint64_t offset, uint64_t len,
			 struct iovec *ret, unsigned int max);
