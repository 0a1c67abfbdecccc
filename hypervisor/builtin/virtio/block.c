/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/block.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/throttle.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/wire.h"

#define SECTOR 512
#define QUEUE_SIZE 128
/* A guest has some KiB ready for each request that there can be; where there may never be one, it
 * keeps less. */
#define EMPTY_QUEUE_SIZE 32
/* In one call to the kernel. */
#define PIECES 64
#define RANGES_MAX 16
/* Zeroes may have to be written one by one. */
#define ZEROES_MAX_SECTORS (4 * 1024 * 1024 / SECTOR)
#define DISCARD_MAX_SECTORS (1024 * 1024 * 1024 / SECTOR)

struct block {
	struct virtio_device dev;
	char id[VIRTIO_BLK_ID_BYTES];
	int fd;
	bool is_readonly;
	uint64_t sectors;
	struct rate_limit bytes, requests;
	struct throttle throttle;
	struct virtqueue_iovecs iovecs;
};

/* A request, without its header and the byte of its status. */
struct request {
	uint32_t type;
	uint64_t sector;
	const struct virtqueue_chain *chain;
	uint64_t data_bytes; /* what a read wants, or a write brings */
	uint32_t written;    /* into the guest, but for the status */
};

static struct block *block_of(struct virtio_device *dev)
{
	return (struct block *)dev;
}

static bool is_inside(const struct block *b, uint64_t sector, uint64_t sectors)
{
	return sector <= b->sectors && sectors <= b->sectors - sector;
}

typedef ssize_t transfer_fn(int fd, const struct iovec *iov, int count, off_t offset);

/* All of it, at the sector of the request; @from is where its data begin in the chain's part. */
static int transfer(const struct block *b, const struct request *r, const struct iovec *iov,
		    unsigned int count, uint64_t from, transfer_fn *fn)
{
	struct iovec pieces[PIECES];
	uint64_t done = 0;

	if (r->data_bytes % SECTOR || !is_inside(b, r->sector, r->data_bytes / SECTOR))
		return -EINVAL;
	while (done < r->data_bytes) {
		unsigned int n =
			iovec_slice(iov, count, from + done, r->data_bytes - done, pieces, PIECES);
		ssize_t now = fn(b->fd, pieces, (int)n, (off_t)(r->sector * SECTOR + done));

		if (now < 0 && errno != EINTR)
			return -errno;
		if (now == 0)
			return -EIO; /* somebody else has cut the file off */
		if (now > 0)
			done += (uint64_t)now;
	}
	return 0;
}

static int flush(struct block *b, struct request *r)
{
	if (b->is_readonly)
		return 0;
	return fdatasync(b->fd) < 0 ? -errno : 0;
}

static int read_sectors(struct block *b, struct request *r)
{
	int result = transfer(b, r, r->chain->writable, r->chain->writable_count, 0, preadv);

	if (result < 0)
		return result;
	b->dev.metrics.reads++;
	b->dev.metrics.read_bytes += r->data_bytes;
	r->written = (uint32_t)r->data_bytes;
	return 0;
}

static int write_sectors(struct block *b, struct request *r)
{
	int result = -EROFS;

	if (!b->is_readonly)
		result = transfer(b, r, r->chain->readable, r->chain->readable_count,
				  sizeof(struct virtio_blk_outhdr), pwritev);
	if (result < 0)
		return result;
	b->dev.metrics.writes++;
	b->dev.metrics.written_bytes += r->data_bytes;
	/* A driver that cannot flush takes what is answered for written. */
	return virtio_device_has(&b->dev, VIRTIO_BLK_F_FLUSH) ? 0 : flush(b, r);
}

static int get_id(struct block *b, struct request *r)
{
	r->written = (uint32_t)iovec_write(r->chain->writable, r->chain->writable_count, 0, b->id,
					   r->data_bytes < sizeof(b->id) ? r->data_bytes
									 : sizeof(b->id));
	return 0;
}

static int write_zeroes(const struct block *b, off_t offset, uint64_t len)
{
	static const uint8_t zeroes[65536];

	while (len) {
		ssize_t n =
			pwrite(b->fd, zeroes, len < sizeof(zeroes) ? len : sizeof(zeroes), offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n > 0) {
			offset += n;
			len -= (uint64_t)n;
		}
	}
	return 0;
}

static int discard_range(const struct block *b, const struct virtio_blk_discard_write_zeroes *range)
{
	off_t offset = (off_t)(le64toh(range->sector) * SECTOR);
	off_t len = (off_t)le32toh(range->num_sectors) * SECTOR;

	if (range->flags)
		return -EOPNOTSUPP;
	if (!len)
		return 0;
	return fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len) < 0
		       ? -errno
		       : 0;
}

static int zero_range(const struct block *b, const struct virtio_blk_discard_write_zeroes *range)
{
	off_t offset = (off_t)(le64toh(range->sector) * SECTOR);
	off_t len = (off_t)le32toh(range->num_sectors) * SECTOR;
	uint32_t flags = le32toh(range->flags);
	bool may_unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if (flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
		return -EOPNOTSUPP;
	if (le32toh(range->num_sectors) > ZEROES_MAX_SECTORS)
		return -EINVAL;
	if (len && fallocate(b->fd,
			     (may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) |
				     FALLOC_FL_KEEP_SIZE,
			     offset, len) == 0)
		return 0;
	return write_zeroes(b, offset, (uint64_t)len);
}

static int each_range(struct block *b, struct request *r,
		      int (*fn)(const struct block *b,
				const struct virtio_blk_discard_write_zeroes *range))
{
	struct virtio_blk_discard_write_zeroes ranges[RANGES_MAX];
	size_t count = r->data_bytes / sizeof(*ranges);
	int result = 0;

	if (b->is_readonly)
		return -EROFS;
	if (!count || count > RANGES_MAX || r->data_bytes % sizeof(*ranges))
		return -EINVAL;
	iovec_read(r->chain->readable, r->chain->readable_count, sizeof(struct virtio_blk_outhdr),
		   ranges, r->data_bytes);
	for (size_t i = 0; i < count && result == 0; i++)
		result = is_inside(b, le64toh(ranges[i].sector), le32toh(ranges[i].num_sectors))
				 ? fn(b, &ranges[i])
				 : -EINVAL;
	return result;
}

static int discard(struct block *b, struct request *r)
{
	return each_range(b, r, discard_range);
}

static int zero(struct block *b, struct request *r)
{
	return each_range(b, r, zero_range);
}

/* What each type of request does, and which side its data are on. */
static const struct {
	uint32_t type;
	bool is_written; /* by us, into the guest */
	int (*run)(struct block *b, struct request *r);
} kinds[] = {
	{ VIRTIO_BLK_T_IN, true, read_sectors },  { VIRTIO_BLK_T_OUT, false, write_sectors },
	{ VIRTIO_BLK_T_FLUSH, false, flush },	  { VIRTIO_BLK_T_GET_ID, true, get_id },
	{ VIRTIO_BLK_T_DISCARD, false, discard }, { VIRTIO_BLK_T_WRITE_ZEROES, false, zero },
};

static uint8_t status_of(int result)
{
	if (result == 0)
		return VIRTIO_BLK_S_OK;
	return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static uint8_t run(struct block *b, struct request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != r->type)
			continue;
		r->data_bytes = kinds[i].is_written ? r->chain->writable_bytes - 1
						    : r->chain->readable_bytes -
							      sizeof(struct virtio_blk_outhdr);
		return status_of(kinds[i].run(b, r));
	}
	return VIRTIO_BLK_S_UNSUPP;
}

/* False: there is no place for an answer. */
static bool read_header(const struct virtqueue_chain *chain, struct request *ret)
{
	struct virtio_blk_outhdr header;

	if (!chain->writable_bytes || iovec_read(chain->readable, chain->readable_count, 0, &header,
						 sizeof(header)) < sizeof(header))
		return false;
	*ret = (struct request){
		.type = le32toh(header.type),
		.sector = le64toh(header.sector),
		.chain = chain,
	};
	return true;
}

static bool serve(struct virtio_device *dev, unsigned int queue)
{
	struct block *b = block_of(dev);
	struct virtqueue_chain chain;
	struct request request;
	uint8_t status;

	if (!virtio_device_pop(dev, queue, &b->iovecs, &chain))
		return false;
	if (!read_header(&chain, &request)) {
		virtio_device_fail(dev, "a request without header or status");
		return false;
	}
	if (!throttle_pass(&b->throttle, chain.readable_bytes + chain.writable_bytes)) {
		virtqueue_unpop(&dev->queues[queue]);
		return false;
	}
	status = run(b, &request);
	iovec_write(chain.writable, chain.writable_count, chain.writable_bytes - 1, &status, 1);
	virtqueue_push(&dev->queues[queue], chain.head, request.written + 1);
	return true;
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	if (!throttle_is_waiting(&block_of(dev)->throttle))
		virtio_device_serve(dev, queue, serve);
}

static int activate(struct virtio_device *dev)
{
	struct block *b = block_of(dev);

	throttle_init(&b->throttle, dev, 0, &b->bytes, &b->requests);
	return 0;
}

static void reset(struct virtio_device *dev)
{
	throttle_stop(&block_of(dev)->throttle);
}

static void free_block(struct virtio_device *dev)
{
	close_fdp(&block_of(dev)->fd);
	free(dev);
}

#define FIELD_SECTORS 1

static void save(const struct virtio_device *dev, struct strbuf *out)
{
	wire_add_varint(out, FIELD_SECTORS, ((const struct block *)dev)->sectors);
}

/* The guest hears of another size. */
static int restore(struct virtio_device *dev, const void *data, size_t len)
{
	const uint64_t capacity = htole64(block_of(dev)->sectors);
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	uint64_t sectors = 0;
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0)
		if (f.number == FIELD_SECTORS && f.type == WIRE_VARINT)
			sectors = f.value;
	if (r == 0 && sectors != block_of(dev)->sectors)
		virtio_device_change_config(dev, offsetof(struct virtio_blk_config, capacity),
					    &capacity, sizeof(capacity));
	return r;
}

#define OPS(size)                                                                                  \
	{                                                                                          \
		.name = "block", .id = VIRTIO_ID_BLOCK, .queues_count = 1, .queue_size_max = size, \
		.activate = activate, .notify = notify, .reset = reset, .save = save,              \
		.restore = restore, .free = free_block,                                            \
	}

static const struct virtio_device_ops block_ops = OPS(QUEUE_SIZE);
static const struct virtio_device_ops empty_ops = OPS(EMPTY_QUEUE_SIZE);

static int measure(int fd, uint64_t *ret_sectors)
{
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	*ret_sectors = (uint64_t)end / SECTOR;
	return 0;
}

/* Asked beyond the end, where there is nothing to lose. Block devices say so only when it is tried
 * on what they have; theirs is refused then, as is that of what is not there yet. */
static bool can_discard(int fd, uint64_t sectors)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return true;
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)((sectors + 1) * SECTOR), SECTOR) == 0;
}

static void describe(struct block *b)
{
	struct virtio_blk_config config = {
		.capacity = htole64(b->sectors),
		.seg_max = htole32(b->dev.ops->queue_size_max - 2u),
		.blk_size = htole32(SECTOR),
		.max_discard_sectors = htole32(DISCARD_MAX_SECTORS),
		.max_discard_seg = htole32(RANGES_MAX),
		.discard_sector_alignment = htole32(1),
		.max_write_zeroes_sectors = htole32(ZEROES_MAX_SECTORS),
		.max_write_zeroes_seg = htole32(RANGES_MAX),
		.write_zeroes_may_unmap = 1,
	};

	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "the configuration has its place");
	b->dev.config_size = sizeof(config);
	memcpy(b->dev.config, &config, sizeof(config));
	b->dev.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE;
	if (b->is_readonly) {
		b->dev.features |= 1ULL << VIRTIO_BLK_F_RO;
		return;
	}
	b->dev.features |= 1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	if (can_discard(b->fd, b->sectors))
		b->dev.features |= 1ULL << VIRTIO_BLK_F_DISCARD;
}

static void take_file(struct block *b, const struct virtio_block_options *options)
{
	close_fdp(&b->fd);
	b->fd = options->fd;
	b->is_readonly = options->is_readonly;
	memset(b->id, 0, sizeof(b->id));
	memcpy(b->id, options->id, strnlen(options->id, sizeof(b->id)));
}

int virtio_block_new(const struct virtio_block_options *options, struct virtio_device **ret,
		     struct error *err)
{
	struct block *b;
	uint64_t sectors = 0;
	int r = measure(options->fd, &sectors);

	if (r < 0)
		return error_sys(err, r, "measure disk '%s'", options->id);
	b = xcalloc(1, sizeof(*b));
	b->dev.ops = options->fd < 0 ? &empty_ops : &block_ops;
	b->fd = -1;
	b->bytes = options->bytes;
	b->requests = options->requests;
	take_file(b, options);
	b->sectors = sectors;
	describe(b);
	*ret = &b->dev;
	return 0;
}

int virtio_block_change(struct virtio_device *dev, const struct virtio_block_options *options,
			struct error *err)
{
	struct block *b = block_of(dev);
	uint64_t sectors = 0, capacity;
	int r = measure(options ? options->fd : b->fd, &sectors);

	if (r < 0)
		return error_sys(err, r, "measure disk '%.*s'", (int)sizeof(b->id),
				 options ? options->id : b->id);
	if (options)
		take_file(b, options);
	b->sectors = sectors;
	capacity = htole64(sectors);
	virtio_device_change_config(dev, offsetof(struct virtio_blk_config, capacity), &capacity,
				    sizeof(capacity));
	return 0;
}
