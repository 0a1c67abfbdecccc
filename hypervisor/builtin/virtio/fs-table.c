/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/fs-internal.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define BUCKETS 4096
/* Slots a table begins with; it doubles, and never gives back. */
#define SLOTS 64

int fs_stat(int fd, struct statx *ret)
{
	const unsigned int mask = STATX_BASIC_STATS | STATX_MNT_ID;

	return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, mask, ret) < 0 ? -errno : 0;
}

/* Beneath the directory lie mounts of several file systems, which the guest takes for one: it must
 * not take two files of the same number for one that has two names. */
uint64_t fs_ino(uint32_t dev_major, uint32_t dev_minor, uint64_t ino)
{
	return ino ^ (((uint64_t)dev_major << 20 | dev_minor) << 40);
}

/* A file is known by its mount, too: one that can be reached by a mount that is read-only must not
 * be written to by a descriptor of another one. */
static size_t bucket_of(uint64_t mount, uint64_t ino)
{
	return (size_t)((ino * 0x9e3779b97f4a7c15U ^ mount * 31) >> 20) % BUCKETS;
}

static bool is_same(const struct fs_inode *inode, const struct statx *stat)
{
	return inode->ino == stat->stx_ino && inode->mount == stat->stx_mnt_id &&
	       inode->dev_major == stat->stx_dev_major && inode->dev_minor == stat->stx_dev_minor;
}

static uint64_t find(const struct fs_table *t, const struct statx *stat)
{
	uint64_t node = t->buckets[bucket_of(stat->stx_mnt_id, stat->stx_ino)];

	while (node && !is_same(&t->inodes[node], stat))
		node = t->inodes[node].next;
	return node;
}

static void grow_inodes(struct fs_table *t)
{
	const size_t before = t->inodes_count, count = before ? 2 * before : SLOTS;

	t->inodes = xrealloc(t->inodes, count, sizeof(*t->inodes));
	for (size_t i = count; i-- > before;) {
		t->inodes[i] = (struct fs_inode){ .fd = -1, .next = t->free_inode };
		/* The root's comes first. */
		if (i >= FUSE_ROOT_ID)
			t->free_inode = i;
	}
	t->inodes_count = count;
}

static void grow_handles(struct fs_table *t)
{
	const size_t before = t->handles_count, count = before ? 2 * before : SLOTS;

	t->handles = xrealloc(t->handles, count, sizeof(*t->handles));
	for (size_t i = count; i-- > before;) {
		t->handles[i] = (struct fs_handle){ .fd = -1, .next = t->free_handle };
		if (i)
			t->free_handle = i;
	}
	t->handles_count = count;
}

static int add(struct fs_table *t, int fd, const struct statx *stat, uint64_t *ret)
{
	uint64_t *bucket = &t->buckets[bucket_of(stat->stx_mnt_id, stat->stx_ino)];
	uint64_t node;

	if (t->used >= t->max)
		return -ENFILE;
	if (!t->free_inode)
		grow_inodes(t);
	node = t->free_inode;
	t->free_inode = t->inodes[node].next;
	t->inodes[node] = (struct fs_inode){
		.fd = fd,
		.mount = stat->stx_mnt_id,
		.ino = stat->stx_ino,
		.dev_major = stat->stx_dev_major,
		.dev_minor = stat->stx_dev_minor,
		.type = stat->stx_mode & S_IFMT,
		.birth = ++t->births,
		.next = *bucket,
	};
	*bucket = node;
	t->used++;
	*ret = node;
	return 0;
}

int fs_remember(struct fs_table *t, int fd, struct statx *ret_stat, uint64_t *ret_node)
{
	uint64_t node;
	int r = fs_stat(fd, ret_stat);

	if (r < 0) {
		close(fd);
		return r;
	}
	node = find(t, ret_stat);
	if (node) {
		close(fd);
	} else {
		r = add(t, fd, ret_stat, &node);
		if (r < 0) {
			close(fd);
			return r;
		}
	}
	t->inodes[node].lookups++;
	*ret_node = node;
	return 0;
}

struct fs_inode *fs_inode(const struct fs_table *t, uint64_t node)
{
	return node < t->inodes_count && t->inodes[node].fd >= 0 ? &t->inodes[node] : NULL;
}

static void drop(struct fs_table *t, uint64_t node)
{
	struct fs_inode *inode = &t->inodes[node];
	uint64_t *at = &t->buckets[bucket_of(inode->mount, inode->ino)];

	while (*at != node)
		at = &t->inodes[*at].next;
	*at = inode->next;
	close(inode->fd);
	*inode = (struct fs_inode){ .fd = -1, .next = t->free_inode };
	t->free_inode = node;
	t->used--;
}

void fs_forget(struct fs_table *t, uint64_t node, uint64_t lookups)
{
	struct fs_inode *inode = fs_inode(t, node);

	if (!inode || node == FUSE_ROOT_ID)
		return;
	inode->lookups -= lookups < inode->lookups ? lookups : inode->lookups;
	if (!inode->lookups)
		drop(t, node);
}

bool fs_is_crowded(const struct fs_table *t)
{
	return t->used > t->max / 2;
}

struct fs_handle *fs_handle(const struct fs_table *t, uint64_t handle, bool is_dir)
{
	if (handle >= t->handles_count || t->handles[handle].fd < 0)
		return NULL;
	return t->handles[handle].is_dir == is_dir ? &t->handles[handle] : NULL;
}

int fs_keep(struct fs_table *t, int fd, uint64_t node, bool is_dir, uint64_t *ret_handle)
{
	uint64_t handle;

	if (t->used >= t->max) {
		close(fd);
		return -ENFILE;
	}
	if (!t->free_handle)
		grow_handles(t);
	handle = t->free_handle;
	t->free_handle = t->handles[handle].next;
	t->handles[handle] = (struct fs_handle){ .fd = fd, .node = node, .is_dir = is_dir };
	t->used++;
	*ret_handle = handle;
	return 0;
}

void fs_release(struct fs_table *t, uint64_t handle)
{
	close(t->handles[handle].fd);
	t->handles[handle] = (struct fs_handle){ .fd = -1, .next = t->free_handle };
	t->free_handle = handle;
	t->used--;
}

int fs_table_init(struct fs_table *t, unsigned int max, int root_fd)
{
	struct statx stat;
	uint64_t node;
	int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	*t = (struct fs_table){ .max = max };
	t->buckets = xcalloc(BUCKETS, sizeof(*t->buckets));
	return fs_remember(t, fd, &stat, &node);
}

void fs_table_done(struct fs_table *t)
{
	for (size_t i = 0; i < t->inodes_count; i++)
		if (t->inodes[i].fd >= 0)
			close(t->inodes[i].fd);
	for (size_t i = 0; i < t->handles_count; i++)
		if (t->handles[i].fd >= 0)
			close(t->handles[i].fd);
	free(t->inodes);
	free(t->handles);
	free(t->buckets);
	*t = (struct fs_table){ 0 };
}

struct fs_path fs_path(int fd)
{
	struct fs_path path;

	snprintf(path.text, sizeof(path.text), "%d", fd);
	return path;
}

/* A device's or pipe's driver is nobody that a guest talks to. What O_PATH holds cannot become
 * another file meanwhile. */
int fs_open(const struct fs_inode *inode, uint32_t flags)
{
	const int kept = O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC;
	const bool is_dir = inode->type == S_IFDIR;
	const struct fs_path path = fs_path(inode->fd);
	int fd;

	if (!is_dir && inode->type != S_IFREG)
		return inode->type == S_IFLNK ? -ELOOP : -ENXIO;
	fd = open(path.text, (is_dir ? O_RDONLY | O_DIRECTORY : (int)flags & kept) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
