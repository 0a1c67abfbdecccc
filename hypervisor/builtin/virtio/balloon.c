/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/virtio/device.h"
#include "lib/base/str.h"
#include "lib/base/wire.h"

/*
 * Without the features that queues 2 and 3 are for, older Linux gave their numbers to what is
 * behind them, and reported free pages in queue 2 instead of 4 (VIRTIO 1.2, 5.5.2). So all behind
 * the first two are for reports.
 */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_REPORT_FIRST, QUEUES_COUNT = 5 };

#define PAGE_SHIFT VIRTIO_BALLOON_PFN_SHIFT
#define PAGE (1ULL << PAGE_SHIFT)
#define PAGES_PER_MIB (1024 * 1024 / PAGE)
/* Pages that one chain may name; Linux names 256. */
#define PFNS_MAX 1024

enum { SAVED_WANTED = 1, SAVED_ACTUAL };

struct balloon {
	struct virtio_device dev;
	bool is_private; /* memory that no file has, or not for us to change */
	uint32_t wanted; /* pages */
	uint32_t actual; /* as the guest says */
	struct virtqueue_iovecs iovecs;
	uint32_t pfns[PFNS_MAX];
};

static struct balloon *balloon_of(struct virtio_device *dev)
{
	return (struct balloon *)dev;
}

/* A file's pages are given back by punching holes into it, others by forgetting them. */
static void release(struct balloon *b, void *host, uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t skipped = -(uintptr_t)host & (page - 1);

	if (len < skipped + page)
		return;
	host = (uint8_t *)host + skipped;
	len = (len - skipped) & ~(page - 1);
	if (!b->is_private && madvise(host, len, MADV_REMOVE) == 0)
		return;
	b->is_private = true;
	(void)madvise(host, len, MADV_DONTNEED); /* huge pages stay */
}

static void release_guest(struct balloon *b, uint64_t gpa, uint64_t len)
{
	uint64_t here;
	void *host;

	for (; len; gpa += here, len -= here) {
		host = guest_memory_span(b->dev.mem, gpa, len, &here);
		if (!host)
			return;
		release(b, host, here);
	}
}

/* Neighbours, in either order, are given back together. */
static void inflate(struct balloon *b, const struct virtqueue_chain *chain)
{
	size_t count =
		iovec_read(chain->readable, chain->readable_count, 0, b->pfns, sizeof(b->pfns)) /
		sizeof(*b->pfns);
	uint64_t first = 0, pages = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t pfn = le32toh(b->pfns[i]);

		if (pages && pfn == first + pages) {
			pages++;
		} else if (pages && pfn + 1 == first) {
			first--;
			pages++;
		} else {
			release_guest(b, first << PAGE_SHIFT, pages << PAGE_SHIFT);
			first = pfn;
			pages = 1;
		}
	}
	release_guest(b, first << PAGE_SHIFT, pages << PAGE_SHIFT);
	b->dev.metrics.writes++;
}

static bool serve_inflate(struct virtio_device *dev, unsigned int queue)
{
	struct balloon *b = balloon_of(dev);
	struct virtqueue_chain chain;

	if (!virtio_device_pop(dev, queue, &b->iovecs, &chain))
		return false;
	inflate(b, &chain);
	virtqueue_push(&dev->queues[queue], chain.head, 0);
	return true;
}

/* The guest takes pages back, which come when they are touched. */
static bool serve_deflate(struct virtio_device *dev, unsigned int queue)
{
	struct virtqueue_chain chain;

	if (!virtio_device_pop(dev, queue, &balloon_of(dev)->iovecs, &chain))
		return false;
	dev->metrics.reads++;
	virtqueue_push(&dev->queues[queue], chain.head, 0);
	return true;
}

static bool serve_report(struct virtio_device *dev, unsigned int queue)
{
	struct balloon *b = balloon_of(dev);
	struct virtqueue_chain chain;

	if (!virtio_device_pop(dev, queue, &b->iovecs, &chain))
		return false;
	for (unsigned int i = 0; i < chain.writable_count; i++)
		release(b, chain.writable[i].iov_base, chain.writable[i].iov_len);
	dev->metrics.writes++;
	dev->metrics.written_bytes += chain.writable_bytes;
	virtqueue_push(&dev->queues[queue], chain.head, 0);
	return true;
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	if (queue == QUEUE_INFLATE)
		virtio_device_serve(dev, queue, serve_inflate);
	else if (queue == QUEUE_DEFLATE)
		virtio_device_serve(dev, queue, serve_deflate);
	else
		virtio_device_serve(dev, queue, serve_report);
}

static void write_config(struct virtio_device *dev, const uint8_t *config)
{
	uint32_t actual;

	memcpy(&actual, config + offsetof(struct virtio_balloon_config, actual), sizeof(actual));
	balloon_of(dev)->actual = le32toh(actual);
}

static int activate(struct virtio_device *dev)
{
	return 0;
}

/* Its driver begins with nothing. */
static void reset(struct virtio_device *dev)
{
	balloon_of(dev)->actual = 0;
}

static void tell_wanted(struct balloon *b)
{
	uint32_t pages = htole32(b->wanted);

	virtio_device_change_config(&b->dev, offsetof(struct virtio_balloon_config, num_pages),
				    &pages, sizeof(pages));
}

static void save(const struct virtio_device *dev, struct strbuf *out)
{
	const struct balloon *b = (const struct balloon *)dev;

	wire_add_varint(out, SAVED_WANTED, b->wanted);
	wire_add_varint(out, SAVED_ACTUAL, b->actual);
}

static int restore(struct virtio_device *dev, const void *data, size_t len)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	struct balloon *b = balloon_of(dev);
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0) {
		if (f.type == WIRE_VARINT && f.number == SAVED_WANTED)
			b->wanted = (uint32_t)f.value;
		if (f.type == WIRE_VARINT && f.number == SAVED_ACTUAL)
			b->actual = (uint32_t)f.value;
	}
	tell_wanted(b);
	return r;
}

static void free_balloon(struct virtio_device *dev)
{
	free(dev);
}

static const struct virtio_device_ops balloon_ops = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.queues_count = QUEUES_COUNT,
	.queue_size_max = 64,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.write_config = write_config,
	.save = save,
	.restore = restore,
	.free = free_balloon,
};

struct virtio_device *virtio_balloon_new(void)
{
	struct balloon *b = xcalloc(1, sizeof(*b));

	b->dev.ops = &balloon_ops;
	b->dev.features =
		1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1ULL << VIRTIO_BALLOON_F_REPORTING;
	b->dev.config_size = sizeof(struct virtio_balloon_config);
	b->dev.config_writable_from = offsetof(struct virtio_balloon_config, actual);
	b->dev.config_writable_to = b->dev.config_writable_from + sizeof(uint32_t);
	return &b->dev;
}

void virtio_balloon_resize(struct virtio_device *dev, uint32_t mib)
{
	balloon_of(dev)->wanted =
		mib < UINT32_MAX / PAGES_PER_MIB ? mib * (uint32_t)PAGES_PER_MIB : UINT32_MAX;
	tell_wanted(balloon_of(dev));
}

uint64_t virtio_balloon_actual(const struct virtio_device *dev)
{
	return (uint64_t)((const struct balloon *)dev)->actual << PAGE_SHIFT;
}
