/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/queue.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "hypervisor/builtin/memory.h"

/* Flags, index and the event index of the other side around a ring's entries. */
#define RING_EXTRA (3 * sizeof(uint16_t))

/* A chain as it is walked. */
struct walk {
	const struct virtqueue *vq;
	const uint8_t *table; /* of descriptors: the queue's own, or an indirect one */
	uint32_t table_count;
	bool is_indirect;
	struct iovec *iov;
	unsigned int count;
	unsigned int readable_count;
	uint64_t readable_bytes;
	uint64_t writable_bytes;
	bool is_writing; /* the parts to be written have begun */
};

/* What was copied from guest memory counts from here on: the compiler reads nothing again, which
 * the guest may have changed. */
static void keep_copy(void)
{
	__asm__ volatile("" ::: "memory");
}

static uint16_t load16(const void *p)
{
	return le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED));
}

static void store16(void *p, uint16_t value)
{
	__atomic_store_n((uint16_t *)p, htole16(value), __ATOMIC_RELAXED);
}

/* Behind the entries of each ring stands at which index the one side wants to hear of the other. */
static uint16_t used_event(const struct virtqueue *vq)
{
	return load16(&vq->avail_ring->ring[vq->size]);
}

static void set_avail_event(struct virtqueue *vq, uint16_t index)
{
	store16(&vq->used_ring->ring[vq->size], index);
}

int virtqueue_start(struct virtqueue *vq)
{
	if (!vq->size || vq->size > VIRTQUEUE_SIZE_MAX || (vq->size & (vq->size - 1)) ||
	    vq->desc % VRING_DESC_ALIGN_SIZE || vq->avail % VRING_AVAIL_ALIGN_SIZE ||
	    vq->used % VRING_USED_ALIGN_SIZE)
		return -EINVAL;
	vq->descs = guest_memory_at(vq->mem, vq->desc, vq->size * sizeof(struct vring_desc));
	vq->avail_ring =
		guest_memory_at(vq->mem, vq->avail, vq->size * sizeof(uint16_t) + RING_EXTRA);
	vq->used_ring = guest_memory_at(vq->mem, vq->used,
					vq->size * sizeof(struct vring_used_elem) + RING_EXTRA);
	if (!vq->descs || !vq->avail_ring || !vq->used_ring)
		return -EINVAL;
	vq->signalled_used = vq->next_used;
	vq->is_silenced = false;
	vq->is_broken = false;
	vq->is_started = true;
	return 0;
}

void virtqueue_stop(struct virtqueue *vq)
{
	vq->is_started = false;
}

static int break_queue(struct virtqueue *vq)
{
	vq->is_broken = true;
	return -EBADMSG;
}

/* One descriptor reaches over a border of regions only where these touch. */
static int add_pieces(struct walk *w, uint64_t gpa, uint64_t len)
{
	uint64_t here;

	for (; len; gpa += here, len -= here) {
		void *host = guest_memory_span(w->vq->mem, gpa, len, &here);

		if (!host || w->count == VIRTQUEUE_CHAIN_MAX)
			return -EBADMSG;
		w->iov[w->count++] = (struct iovec){ host, here };
	}
	return 0;
}

static int add_buffer(struct walk *w, const struct vring_desc *d)
{
	uint32_t len = le32toh(d->len);

	if (le16toh(d->flags) & VRING_DESC_F_WRITE) {
		w->is_writing = true;
		w->writable_bytes += len;
	} else {
		if (w->is_writing)
			return -EBADMSG;
		w->readable_bytes += len;
	}
	if (w->readable_bytes + w->writable_bytes > UINT32_MAX ||
	    add_pieces(w, le64toh(d->addr), len) < 0)
		return -EBADMSG;
	if (!w->is_writing)
		w->readable_count = w->count;
	return 0;
}

static int enter_table(struct walk *w, const struct vring_desc *d)
{
	uint32_t len = le32toh(d->len);

	if (w->is_indirect || !w->vq->has_indirect || (le16toh(d->flags) & VRING_DESC_F_NEXT) ||
	    len % sizeof(*d))
		return -EBADMSG;
	w->table = guest_memory_at(w->vq->mem, le64toh(d->addr), len);
	w->table_count = len / sizeof(*d);
	w->is_indirect = true;
	return w->table ? 0 : -EBADMSG;
}

static void read_descriptor(const struct walk *w, uint32_t index, struct vring_desc *ret)
{
	memcpy(ret, w->table + index * sizeof(*ret), sizeof(*ret));
	keep_copy();
}

static int walk_chain(struct walk *w, uint32_t index)
{
	struct vring_desc d;
	int r;

	/* The one more leads into an indirect table. */
	for (unsigned int left = VIRTQUEUE_CHAIN_MAX + 1; left; left--) {
		if (index >= w->table_count)
			return -EBADMSG;
		read_descriptor(w, index, &d);
		if (le16toh(d.flags) & VRING_DESC_F_INDIRECT) {
			r = enter_table(w, &d);
			index = 0;
		} else {
			r = add_buffer(w, &d);
			index = le16toh(d.next);
		}
		if (r < 0)
			return r;
		if (!(le16toh(d.flags) & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)))
			return 0;
	}
	return -EBADMSG;
}

static bool has_chains(const struct virtqueue *vq)
{
	return le16toh(__atomic_load_n(&vq->avail_ring->idx, __ATOMIC_ACQUIRE)) != vq->next_avail;
}

/* With an event index the guest keeps silent by itself once it has passed it. */
static void silence(struct virtqueue *vq)
{
	if (!vq->is_silenced && !vq->has_event_idx)
		store16(&vq->used_ring->flags, VRING_USED_F_NO_NOTIFY);
	vq->is_silenced = true;
}

/* Asks for a notification of the next chain, and looks whether it has come by now. */
static bool listen_again(struct virtqueue *vq)
{
	if (vq->has_event_idx)
		set_avail_event(vq, vq->next_avail);
	else
		store16(&vq->used_ring->flags, 0);
	vq->is_silenced = false;
	/* The guest writes its index, then reads the event; we do the reverse. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return has_chains(vq);
}

/* 1, 0 or -EBADMSG, as virtqueue_pop(). */
static int next_head(struct virtqueue *vq, uint16_t *ret)
{
	uint16_t index = le16toh(__atomic_load_n(&vq->avail_ring->idx, __ATOMIC_ACQUIRE));
	uint16_t waiting = (uint16_t)(index - vq->next_avail);

	if (!waiting)
		return 0;
	if (waiting > vq->size)
		return -EBADMSG;
	*ret = load16(&vq->avail_ring->ring[vq->next_avail & (vq->size - 1)]);
	return *ret < vq->size ? 1 : -EBADMSG;
}

int virtqueue_pop(struct virtqueue *vq, struct virtqueue_iovecs *iovecs,
		  struct virtqueue_chain *ret)
{
	struct walk w = { .vq = vq,
			  .table = (const uint8_t *)vq->descs,
			  .table_count = vq->size,
			  .iov = iovecs->iov };
	uint16_t head;
	int r;

	if (!vq->is_started)
		return 0;
	if (vq->is_broken)
		return -EBADMSG;
	if (!has_chains(vq) && !listen_again(vq))
		return 0;
	silence(vq);
	r = next_head(vq, &head);
	if (r == 0)
		return 0; /* the guest took its index back, and gets no more for that */
	if (r < 0 || walk_chain(&w, head) < 0)
		return break_queue(vq);
	vq->next_avail++;
	*ret = (struct virtqueue_chain){
		.head = head,
		.readable = iovecs->iov,
		.readable_count = w.readable_count,
		.readable_bytes = w.readable_bytes,
		.writable = iovecs->iov + w.readable_count,
		.writable_count = w.count - w.readable_count,
		.writable_bytes = w.writable_bytes,
	};
	return 1;
}

void virtqueue_unpop(struct virtqueue *vq)
{
	vq->next_avail--;
}

void virtqueue_push_all(struct virtqueue *vq, const struct virtqueue_used *used, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct vring_used_elem *e = &vq->used_ring->ring[vq->next_used++ & (vq->size - 1)];

		e->id = htole32(used[i].head);
		e->len = htole32(used[i].written);
	}
	__atomic_store_n(&vq->used_ring->idx, htole16(vq->next_used), __ATOMIC_RELEASE);
}

void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	const struct virtqueue_used used = { head, written };

	virtqueue_push_all(vq, &used, 1);
}

bool virtqueue_wants_interrupt(struct virtqueue *vq)
{
	uint16_t before = vq->signalled_used;

	if (!vq->is_started || before == vq->next_used)
		return false;
	vq->signalled_used = vq->next_used;
	/* Our index is to be seen by a guest that then says whether it wants to hear of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->has_event_idx)
		return vring_need_event(used_event(vq), vq->next_used, before);
	return !(load16(&vq->avail_ring->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* A piece from @offset on, at most @len bytes of it; @offset becomes that of the next one. */
static struct iovec cut_piece(const struct iovec *piece, uint64_t *offset, uint64_t len)
{
	uint64_t skipped = *offset < piece->iov_len ? *offset : piece->iov_len;
	uint64_t here = piece->iov_len - skipped;

	*offset -= skipped;
	return (struct iovec){ (uint8_t *)piece->iov_base + skipped, here < len ? here : len };
}

unsigned int iovec_slice(const struct iovec *iov, unsigned int count, uint64_t offset, uint64_t len,
			 struct iovec *ret, unsigned int max)
{
	unsigned int used = 0;

	for (unsigned int i = 0; i < count && len && used < max; i++) {
		struct iovec piece = cut_piece(&iov[i], &offset, len);

		if (!piece.iov_len)
			continue;
		len -= piece.iov_len;
		ret[used++] = piece;
	}
	return used;
}

size_t iovec_read(const struct iovec *iov, unsigned int count, uint64_t offset, void *buf,
		  size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count && done < len; i++) {
		struct iovec piece = cut_piece(&iov[i], &offset, len - done);

		memcpy((uint8_t *)buf + done, piece.iov_base, piece.iov_len);
		done += piece.iov_len;
	}
	keep_copy();
	return done;
}

size_t iovec_write(const struct iovec *iov, unsigned int count, uint64_t offset, const void *data,
		   size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count && done < len; i++) {
		struct iovec piece = cut_piece(&iov[i], &offset, len - done);

		memcpy(piece.iov_base, (const uint8_t *)data + done, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}
