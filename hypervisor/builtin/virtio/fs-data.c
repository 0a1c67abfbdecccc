/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/fs-internal.h"
#include "lib/base/str.h"

/* What is in open files and directories. */

static struct fs_handle *file_of(struct fs_request *r, uint64_t handle)
{
	return fs_handle(&r->fs->table, handle, false);
}

static bool is_same_time(struct statx_timestamp a, struct statx_timestamp b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What the guest has cached of a file is good for as long as nobody has touched it; its own writes
 * cost it that, too, at the next time it opens the file. */
static bool is_untouched(struct fs_inode *inode, int fd)
{
	struct statx stat;
	bool is_so;

	if (fs_stat(fd, &stat) < 0)
		return false;
	is_so = inode->was_opened && inode->size == stat.stx_size &&
		is_same_time(inode->modified, stat.stx_mtime) &&
		is_same_time(inode->changed, stat.stx_ctime);
	inode->was_opened = true;
	inode->size = stat.stx_size;
	inode->modified = stat.stx_mtime;
	inode->changed = stat.stx_ctime;
	return is_so;
}

int fs_opened(struct fs_request *r, uint64_t node, int fd, bool is_dir, struct fuse_open_out *ret)
{
	struct fuse_open_out out = { 0 };
	uint64_t handle;
	int result = fs_keep(&r->fs->table, fd, node, is_dir, &handle);

	if (result < 0)
		return result;
	out.fh = handle;
	if (!is_dir && is_untouched(fs_inode(&r->fs->table, node), fd))
		out.open_flags = FOPEN_KEEP_CACHE;
	*ret = out;
	return 0;
}

static int open_as(struct fs_request *r, bool is_dir)
{
	const struct fuse_open_in *in = fs_take(r, sizeof(*in));
	const struct fs_inode *inode = fs_inode(&r->fs->table, r->in.nodeid);
	struct fuse_open_out out;
	int fd;

	if (!in || !inode || fs_room(r) < sizeof(out))
		return -EINVAL;
	if (is_dir != (inode->type == S_IFDIR))
		return is_dir ? -ENOTDIR : -EISDIR;
	fd = fs_open(inode, in->flags);
	if (fd < 0)
		return fd;
	fd = fs_opened(r, r->in.nodeid, fd, is_dir, &out);
	return fd < 0 ? fd : fs_answer(r, &out, sizeof(out));
}

int fs_op_open(struct fs_request *r)
{
	return open_as(r, false);
}

int fs_op_opendir(struct fs_request *r)
{
	return open_as(r, true);
}

/* --- reading and writing ---------------------------------------------------------------------- */

typedef ssize_t transfer_fn(int fd, const struct iovec *iov, int count, off_t offset);

/* Until @len bytes are through, or the file is at its end. */
static int64_t transfer(const struct fs_handle *handle, const struct iovec *iov, unsigned int count,
			uint64_t from, uint64_t offset, uint64_t len, transfer_fn *fn)
{
	struct iovec pieces[64];
	uint64_t done = 0;

	while (done < len) {
		unsigned int n = iovec_slice(iov, count, from + done, len - done, pieces,
					     ARRAY_SIZE(pieces));
		ssize_t now = fn(handle->fd, pieces, (int)n, (off_t)(offset + done));

		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0)
			return done ? (int64_t)done : -errno;
		if (now == 0)
			break;
		done += (uint64_t)now;
	}
	return (int64_t)done;
}

int fs_op_read(struct fs_request *r)
{
	const struct virtqueue_chain *chain = r->chain;
	const struct fuse_read_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *handle = in ? file_of(r, in->fh) : NULL;
	int64_t n;

	if (!handle)
		return -EBADF;
	if (in->offset > INT64_MAX || in->size > fs_room(r))
		return -EINVAL;
	n = transfer(handle, chain->writable, chain->writable_count, sizeof(struct fuse_out_header),
		     in->offset, in->size, preadv);
	if (n < 0)
		return (int)n;
	r->answer_len = (size_t)n;
	r->is_in_place = true;
	r->fs->dev.metrics.reads++;
	r->fs->dev.metrics.read_bytes += (uint64_t)n;
	return 0;
}

int fs_op_write(struct fs_request *r)
{
	const struct virtqueue_chain *chain = r->chain;
	const struct fuse_write_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *handle = in ? file_of(r, in->fh) : NULL;
	const uint64_t begin = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	struct fuse_write_out out = { 0 };
	int64_t n;

	if (!handle)
		return -EBADF;
	if (in->offset > INT64_MAX || in->size > FS_WRITE_MAX ||
	    in->size > chain->readable_bytes - begin || fs_room(r) < sizeof(out))
		return -EINVAL;
	n = transfer(handle, chain->readable, chain->readable_count, begin, in->offset, in->size,
		     pwritev);
	if (n < 0)
		return (int)n;
	out.size = (uint32_t)n;
	r->fs->dev.metrics.writes++;
	r->fs->dev.metrics.written_bytes += (uint64_t)n;
	return fs_answer(r, &out, sizeof(out));
}

/* --- directories ------------------------------------------------------------------------------ */

/* As getdents64(2) writes it. */
struct entry {
	uint64_t ino;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};
#define ENTRY_NAME offsetof(struct entry, name)

/* A directory that is read. What the table has may move while files are added to it. */
struct list {
	int fd;
	uint32_t dev_major, dev_minor;
	size_t room;
	bool is_plus; /* with what a look-up of each name would tell */
};

/* What stands above the directory is nothing to the guest. */
static uint64_t entry_ino(const struct list *list, const struct entry *entry)
{
	if (streq(entry->name, ".."))
		return UINT32_MAX; /* as the guest's kernel says that it does not know */
	return fs_ino(list->dev_major, list->dev_minor, entry->ino);
}

/* Without a node there is the name alone, and the guest asks if it wants to know: when it had
 * better not keep more files, or the file went meanwhile. */
static struct fuse_entry_out describe_entry(struct fs_request *r, const struct list *list,
					    const struct entry *entry)
{
	struct fuse_entry_out out;

	if (is_dots(entry->name) || fs_is_crowded(&r->fs->table) ||
	    fs_describe(r, list->fd, entry->name, &out) < 0)
		return (struct fuse_entry_out){ 0 };
	return out;
}

/* False: it has no room any more. A file is described last: what is, the guest has to forget, so it
 * has to be told of it. */
static bool add_entry(struct fs_request *r, const struct list *list, const struct entry *entry)
{
	const size_t len = strlen(entry->name);
	const size_t before = list->is_plus ? sizeof(struct fuse_entry_out) : 0;
	const struct fuse_dirent name = {
		.ino = entry_ino(list, entry),
		.off = (uint64_t)entry->next,
		.namelen = (uint32_t)len,
		.type = entry->type,
	};
	const size_t size = FUSE_DIRENT_ALIGN(before + FUSE_NAME_OFFSET + len);
	uint8_t *at = r->fs->answer + r->answer_len;
	struct fuse_entry_out file;

	if (size > list->room - r->answer_len)
		return false;
	memset(at, 0, size);
	if (list->is_plus) {
		file = describe_entry(r, list, entry);
		memcpy(at, &file, sizeof(file));
	}
	memcpy(at + before, &name, FUSE_NAME_OFFSET);
	memcpy(at + before + FUSE_NAME_OFFSET, entry->name, len);
	r->answer_len += size;
	return true;
}

static int begin_list(struct fs_request *r, bool is_plus, struct list *ret)
{
	const struct fuse_read_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *handle = in ? fs_handle(&r->fs->table, in->fh, true) : NULL;
	const struct fs_inode *dir = handle ? fs_inode(&r->fs->table, handle->node) : NULL;
	size_t room;

	if (!dir)
		return -EBADF;
	room = in->size < fs_room(r) ? in->size : fs_room(r);
	if (room > sizeof(r->fs->answer))
		room = sizeof(r->fs->answer);
	if (in->offset > INT64_MAX || lseek(handle->fd, (off_t)in->offset, SEEK_SET) < 0)
		return -EINVAL;
	*ret = (struct list){ handle->fd, dir->dev_major, dir->dev_minor, room, is_plus };
	return 0;
}

/* Not many more names than there is room for: each request begins where the guest was. */
static size_t names_wanted(const struct list *list, size_t max)
{
	const size_t wanted = list->is_plus ? list->room / 4 : list->room;
	const size_t longest = offsetof(struct entry, name) + NAME_MAX + 8;

	if (wanted < longest)
		return longest;
	return wanted < max ? wanted : max;
}

static int read_list(struct fs_request *r, bool is_plus)
{
	_Alignas(8) char entries[16384];
	struct list list;
	long n;
	int result = begin_list(r, is_plus, &list);

	if (result < 0)
		return result;
	n = syscall(SYS_getdents64, list.fd, entries, names_wanted(&list, sizeof(entries)));
	if (n < 0)
		return -errno;
	for (long at = 0; at < n;) {
		const struct entry *entry = (const struct entry *)(entries + at);

		if (!add_entry(r, &list, entry))
			break;
		at += entry->size;
	}
	return n && !r->answer_len ? -EINVAL : 0;
}

int fs_op_readdir(struct fs_request *r)
{
	return read_list(r, false);
}

int fs_op_readdirplus(struct fs_request *r)
{
	return read_list(r, true);
}

/* --- the rest --------------------------------------------------------------------------------- */

static int release(struct fs_request *r, bool is_dir)
{
	const struct fuse_release_in *in = fs_take(r, sizeof(*in));

	if (!in || !fs_handle(&r->fs->table, in->fh, is_dir))
		return -EBADF;
	fs_release(&r->fs->table, in->fh);
	return 0;
}

int fs_op_release(struct fs_request *r)
{
	return release(r, false);
}

int fs_op_releasedir(struct fs_request *r)
{
	return release(r, true);
}

static int sync_as(struct fs_request *r, bool is_dir)
{
	const struct fuse_fsync_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *handle = in ? fs_handle(&r->fs->table, in->fh, is_dir) : NULL;
	int result;

	if (!handle)
		return -EBADF;
	result = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(handle->fd) : fsync(handle->fd);
	return result < 0 ? -errno : 0;
}

int fs_op_fsync(struct fs_request *r)
{
	return sync_as(r, false);
}

int fs_op_fsyncdir(struct fs_request *r)
{
	return sync_as(r, true);
}

/* Of that file system on which the file is; one may be lent to several guests, which wait. */
int fs_op_syncfs(struct fs_request *r)
{
	const struct fs_inode *inode = fs_inode(&r->fs->table, r->in.nodeid);
	int fd = inode ? fs_open(inode, O_RDONLY) : -ESTALE, result;

	if (fd < 0)
		return fd;
	result = syncfs(fd) < 0 ? -errno : 0;
	close(fd);
	return result;
}

int fs_op_fallocate(struct fs_request *r)
{
	const struct fuse_fallocate_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *handle = in ? file_of(r, in->fh) : NULL;

	if (!handle)
		return -EBADF;
	return fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0
		       ? -errno
		       : 0;
}

int fs_op_lseek(struct fs_request *r)
{
	const struct fuse_lseek_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *handle = in ? file_of(r, in->fh) : NULL;
	struct fuse_lseek_out out = { 0 };
	off_t at;

	if (!handle)
		return -EBADF;
	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE)
		return -EINVAL;
	at = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
	if (at < 0)
		return -errno;
	out.offset = (uint64_t)at;
	return fs_answer(r, &out, sizeof(out));
}

int fs_op_copy(struct fs_request *r)
{
	const struct fuse_copy_file_range_in *in = fs_take(r, sizeof(*in));
	const struct fs_handle *from = in ? file_of(r, in->fh_in) : NULL;
	const struct fs_handle *to = in ? file_of(r, in->fh_out) : NULL;
	struct fuse_write_out out = { 0 };
	off_t from_at, to_at;
	uint64_t len;
	ssize_t n;

	if (!from || !to)
		return -EBADF;
	if (fs_room(r) < sizeof(out))
		return -EINVAL;
	from_at = (off_t)in->off_in;
	to_at = (off_t)in->off_out;
	/* Others wait meanwhile; who copies asks again for the rest. */
	len = in->len < FS_WRITE_MAX * 16 ? in->len : FS_WRITE_MAX * 16;
	n = copy_file_range(from->fd, &from_at, to->fd, &to_at, len, 0);
	if (n < 0)
		return -errno;
	out.size = (uint32_t)n;
	return fs_answer(r, &out, sizeof(out));
}
