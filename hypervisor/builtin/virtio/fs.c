/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/fs.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <sched.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/fs-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"

/* One for what must not wait (the guest forgets), and one for all else. */
#define QUEUES 2
#define QUEUE_SIZE 512

static struct fs *fs_of(struct virtio_device *dev)
{
	return (struct fs *)dev;
}

/* --- what a request has --------------------------------------------------------------------- */

const void *fs_take(struct fs_request *r, size_t size)
{
	const void *p = r->args;

	if (size > r->args_len)
		return NULL;
	r->args += size;
	r->args_len -= size;
	return p;
}

const char *fs_take_text(struct fs_request *r)
{
	const uint8_t *end = r->args_len ? memchr(r->args, '\0', r->args_len) : NULL;

	return end ? fs_take(r, (size_t)(end - r->args) + 1) : NULL;
}

const char *fs_take_name(struct fs_request *r)
{
	const char *name = fs_take_text(r);

	if (!name || !*name || strchr(name, '/') || is_dots(name))
		return NULL;
	return name;
}

size_t fs_room(const struct fs_request *r)
{
	const size_t header = sizeof(struct fuse_out_header);

	return r->chain->writable_bytes > header ? r->chain->writable_bytes - header : 0;
}

int fs_answer(struct fs_request *r, const void *data, size_t len)
{
	if (len > sizeof(r->fs->answer) || len > fs_room(r))
		return -EINVAL;
	memcpy(r->fs->answer, data, len);
	r->answer_len = len;
	return 0;
}

/* --- requests of the device's own ------------------------------------------------------------ */

#define WANTED                                                                                     \
	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS | FUSE_AUTO_INVAL_DATA |         \
	 FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO)

/* Older drivers than 7.31, of Linux 5.4, know no such device. */
static int init(struct fs_request *r)
{
	const struct fuse_init_in *in = fs_take(r, offsetof(struct fuse_init_in, flags) + 4);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = FS_WRITE_MAX,
		.time_gran = 1,
		.max_pages = FS_WRITE_MAX / 4096,
	};

	if (!in || in->major < FUSE_KERNEL_VERSION || (in->major == 7 && in->minor < 31))
		return -EPROTO;
	out.max_readahead = in->max_readahead;
	out.flags = in->flags & WANTED;
	r->fs->is_mounted = true;
	return fs_answer(r, &out, sizeof(out));
}

/* The next one who mounts it numbers files anew. */
static int forget_all(struct fs *fs)
{
	const unsigned int max = fs->table.max;

	fs_table_done(&fs->table);
	fs->is_mounted = false;
	return fs_table_init(&fs->table, max, fs->root_fd);
}

static int destroy(struct fs_request *r)
{
	return forget_all(r->fs);
}

static int forget(struct fs_request *r)
{
	const struct fuse_forget_in *in = fs_take(r, sizeof(*in));

	if (in)
		fs_forget(&r->fs->table, r->in.nodeid, in->nlookup);
	return 0;
}

static int batch_forget(struct fs_request *r)
{
	const struct fuse_batch_forget_in *in = fs_take(r, sizeof(*in));
	const struct fuse_forget_one *one;

	for (uint32_t i = 0; in && i < in->count; i++) {
		one = fs_take(r, sizeof(*one));
		if (!one)
			break;
		fs_forget(&r->fs->table, one->nodeid, one->nlookup);
	}
	return 0;
}

/* Requests are done one after the other: what is interrupted was answered by then. */
static int interrupt(struct fs_request *r)
{
	return 0;
}

/* --- a request ------------------------------------------------------------------------------ */

static const struct kind {
	fs_op *run;
	bool is_silent; /* there is no answer */
} kinds[] = {
	[FUSE_INIT] = { init },
	[FUSE_DESTROY] = { destroy },
	[FUSE_FORGET] = { forget, true },
	[FUSE_BATCH_FORGET] = { batch_forget, true },
	[FUSE_INTERRUPT] = { interrupt, true },
	[FUSE_LOOKUP] = { fs_op_lookup },
	[FUSE_GETATTR] = { fs_op_getattr },
	[FUSE_SETATTR] = { fs_op_setattr },
	[FUSE_READLINK] = { fs_op_readlink },
	[FUSE_SYMLINK] = { fs_op_symlink },
	[FUSE_MKNOD] = { fs_op_mknod },
	[FUSE_MKDIR] = { fs_op_mkdir },
	[FUSE_UNLINK] = { fs_op_unlink },
	[FUSE_RMDIR] = { fs_op_rmdir },
	[FUSE_RENAME] = { fs_op_rename },
	[FUSE_RENAME2] = { fs_op_rename2 },
	[FUSE_LINK] = { fs_op_link },
	[FUSE_CREATE] = { fs_op_create },
	[FUSE_STATFS] = { fs_op_statfs },
	[FUSE_SETXATTR] = { fs_op_setxattr },
	[FUSE_GETXATTR] = { fs_op_getxattr },
	[FUSE_LISTXATTR] = { fs_op_listxattr },
	[FUSE_REMOVEXATTR] = { fs_op_removexattr },
	[FUSE_OPEN] = { fs_op_open },
	[FUSE_OPENDIR] = { fs_op_opendir },
	[FUSE_READ] = { fs_op_read },
	[FUSE_WRITE] = { fs_op_write },
	[FUSE_READDIR] = { fs_op_readdir },
	[FUSE_READDIRPLUS] = { fs_op_readdirplus },
	[FUSE_RELEASE] = { fs_op_release },
	[FUSE_RELEASEDIR] = { fs_op_releasedir },
	[FUSE_FSYNC] = { fs_op_fsync },
	[FUSE_FSYNCDIR] = { fs_op_fsyncdir },
	[FUSE_SYNCFS] = { fs_op_syncfs },
	[FUSE_FALLOCATE] = { fs_op_fallocate },
	[FUSE_LSEEK] = { fs_op_lseek },
	[FUSE_COPY_FILE_RANGE] = { fs_op_copy },
};

static const struct kind *kind_of(uint32_t opcode)
{
	static const struct kind none;

	return opcode < ARRAY_SIZE(kinds) ? &kinds[opcode] : &none;
}

/* Data that are written stay where they are. */
static size_t args_wanted(const struct fs_request *r)
{
	const uint64_t has = r->chain->readable_bytes - sizeof(r->in);
	const size_t max =
		r->in.opcode == FUSE_WRITE ? sizeof(struct fuse_write_in) : sizeof(r->fs->args);

	return has < max ? (size_t)has : max;
}

static bool begin(struct fs_request *r)
{
	const struct virtqueue_chain *chain = r->chain;

	if (iovec_read(chain->readable, chain->readable_count, 0, &r->in, sizeof(r->in)) <
	    sizeof(r->in))
		return false;
	r->args = r->fs->args;
	r->args_len = iovec_read(chain->readable, chain->readable_count, sizeof(r->in), r->fs->args,
				 args_wanted(r));
	return kind_of(r->in.opcode)->is_silent ||
	       chain->writable_bytes >= sizeof(struct fuse_out_header);
}

static int run(struct fs_request *r)
{
	const struct kind *kind = kind_of(r->in.opcode);

	if (!kind->run)
		return -ENOSYS;
	if (!r->fs->is_mounted && kind->run != init)
		return -EIO;
	return kind->run(r);
}

static uint32_t finish(struct fs_request *r, int result)
{
	const struct virtqueue_chain *chain = r->chain;
	struct fuse_out_header out = { .len = sizeof(out),
				       .error = result,
				       .unique = r->in.unique };

	if (kind_of(r->in.opcode)->is_silent)
		return 0;
	if (result == 0)
		out.len += (uint32_t)r->answer_len;
	iovec_write(chain->writable, chain->writable_count, 0, &out, sizeof(out));
	if (result == 0 && !r->is_in_place)
		iovec_write(chain->writable, chain->writable_count, sizeof(out), r->fs->answer,
			    r->answer_len);
	return out.len;
}

static bool serve(struct virtio_device *dev, unsigned int queue)
{
	struct fs *fs = fs_of(dev);
	struct virtqueue_chain chain;
	struct fs_request r = { .fs = fs, .chain = &chain };

	if (!virtio_device_pop(dev, queue, &fs->iovecs, &chain))
		return false;
	if (!begin(&r)) {
		virtio_device_fail(dev, "a request without header or place for its answer");
		return false;
	}
	virtqueue_push(&dev->queues[queue], chain.head, finish(&r, run(&r)));
	return true;
}

/* --- the device ----------------------------------------------------------------------------- */

static void notify(struct virtio_device *dev, unsigned int queue)
{
	virtio_device_serve(dev, queue, serve);
}

static int activate(struct virtio_device *dev)
{
	return 0;
}

static void reset(struct virtio_device *dev)
{
	/* What fails here, for want of a descriptor, every request then does. */
	(void)forget_all(fs_of(dev));
}

static void free_fs(struct virtio_device *dev)
{
	struct fs *fs = fs_of(dev);

	fs_table_done(&fs->table);
	close(fs->root_fd);
	close(fs->self_fd);
	free(fs);
}

static const struct virtio_device_ops fs_ops = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.queues_count = QUEUES,
	.queue_size_max = QUEUE_SIZE,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.free = free_fs,
};

static void describe(struct fs *fs, const char *tag)
{
	struct virtio_fs_config config = { .num_request_queues = htole32(QUEUES - 1) };

	_Static_assert(sizeof(config.tag) == VIRTIO_FS_TAG_MAX, "the tag has its place");
	memcpy(config.tag, tag, strnlen(tag, sizeof(config.tag)));
	memcpy(fs->dev.config, &config, sizeof(config));
	fs->dev.config_size = sizeof(config);
}

int virtio_fs_new(const struct virtio_fs_options *options, struct virtio_device **ret,
		  struct error *err)
{
	struct fs *fs = xcalloc(1, sizeof(*fs));
	int r = fs_table_init(&fs->table, options->descriptors_max, options->root_fd);

	if (r < 0) {
		fs_table_done(&fs->table);
		free(fs);
		return error_sys(err, r, "look at the shared directory");
	}
	fs->dev.ops = &fs_ops;
	fs->root_fd = options->root_fd;
	fs->self_fd = options->self_fd;
	describe(fs, options->tag);
	*ret = &fs->dev;
	return 0;
}

static int open_directory(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int virtio_fs_open_self(int *ret)
{
	int fd = mount_clone(AT_FDCWD, "/proc/self/fd", false);

	if (fd == -EPERM)
		fd = open_directory("/proc/self/fd");
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

int virtio_fs_enter(int self_fd, struct error *err)
{
	if (unshare(CLONE_FS) < 0 || fchdir(self_fd) < 0)
		return error_sys(err, errno, "enter the directory of descriptors");
	umask(0);
	return 0;
}
