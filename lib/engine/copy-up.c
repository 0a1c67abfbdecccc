/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/copy-up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

/* Each level has three descriptors open. */
#define DEPTH_MAX 200
#define LINK_MAX_BYTES 4096
#define XATTR_NAMES_MAX 4096
#define XATTR_VALUE_MAX 65536
#define PAGE_BYTES 4096
#define COPY_BYTES (256 * 1024)

/* A file with several names that was copied under one of them. */
struct linked {
	ino_t ino;
	char *path; /* of the copy, beneath the new root */
};

struct copying {
	dev_t dev;
	int to_root;
	struct strbuf path; /* of the directory that is being copied, "" or "a/b/" */
	unsigned int depth;
	struct linked *linked;
	size_t linked_count;
};

/* One thing to be copied: what it is was decided by its descriptor, not by its name. */
struct item {
	const char *name;
	int fd; /* O_PATH | O_NOFOLLOW */
	int to; /* the directory for its copy */
	struct stat st;
};

static int copy_dir(struct copying *c, int from, int to);

static void copying_done(struct copying *c)
{
	for (size_t i = 0; i < c->linked_count; i++)
		free(c->linked[i].path);
	free(c->linked);
	strbuf_done(&c->path);
}

/* An O_PATH descriptor of a file can be used only through its entry in /proc. */
static char *fd_path(int fd)
{
	return xasprintf("/proc/self/fd/%d", fd);
}

static void copy_xattr(const char *from, const char *to, const char *name, char *value)
{
	ssize_t n = getxattr(from, name, value, XATTR_VALUE_MAX);

	if (n >= 0 && setxattr(to, name, value, (size_t)n, 0) < 0)
		log_debug("tmpcopyup: extended attribute '%s': %m", name);
}

static void copy_xattrs(int from_fd, int to_fd)
{
	cleanup_free char *from = fd_path(from_fd);
	cleanup_free char *to = fd_path(to_fd);
	char names[XATTR_NAMES_MAX];
	ssize_t n = listxattr(from, names, sizeof(names));
	cleanup_free char *value = NULL;

	if (n <= 0)
		return;
	value = xmalloc(XATTR_VALUE_MAX);
	for (const char *name = names; name < names + n; name += strlen(name) + 1)
		copy_xattr(from, to, name, value);
}

/* An owner that the user namespace has no number for stays what it is made as. */
static int copy_owner(int to_fd, const struct stat *st)
{
	if (fchownat(to_fd, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) == 0)
		return 0;
	return errno == EINVAL || errno == EPERM ? 0 : -errno;
}

/* In this order: a change of owner clears mode bits, one of attributes the time. */
static int copy_attributes(const struct item *item, int to_fd)
{
	const struct timespec times[2] = { item->st.st_atim, item->st.st_mtim };
	cleanup_free char *to = fd_path(to_fd);
	int r = copy_owner(to_fd, &item->st);

	if (r < 0)
		return r;
	copy_xattrs(item->fd, to_fd);
	if (chmod(to, item->st.st_mode & 07777) < 0)
		return -errno;
	return utimensat(AT_FDCWD, to, times, 0) < 0 ? -errno : 0;
}

static bool is_zero(const char *data, size_t len)
{
	return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* Pages that hold nothing take no memory, on file systems too that do not tell of holes (9p). */
static int write_pages(int to, const char *data, size_t len, off_t at)
{
	while (len) {
		size_t n = len < PAGE_BYTES ? len : PAGE_BYTES;

		if (!is_zero(data, n) && pwrite(to, data, n, at) != (ssize_t)n)
			return errno ? -errno : -ENOSPC;
		data += n;
		len -= n;
		at += (off_t)n;
	}
	return 0;
}

static int copy_range(int from, int to, off_t start, off_t end)
{
	cleanup_free char *buf = xmalloc(COPY_BYTES);

	while (start < end) {
		off_t rest = end - start;
		ssize_t n = pread(from, buf, rest < COPY_BYTES ? (size_t)rest : COPY_BYTES, start);
		int r;

		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it became shorter meanwhile */
		r = write_pages(to, buf, (size_t)n, start);
		if (r < 0)
			return r;
		start += n;
	}
	return 0;
}

/* Of a sparse file only what is data. */
static int copy_data(int from, int to, off_t size)
{
	off_t end = 0;

	for (;;) {
		off_t start = lseek(from, end, SEEK_DATA);
		int r;

		if (start < 0 && errno != ENXIO)
			return -errno;
		if (start < 0 || start >= size)
			break;
		end = lseek(from, start, SEEK_HOLE);
		if (end < 0)
			return -errno;
		r = copy_range(from, to, start, end);
		if (r < 0)
			return r;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

static const char *find_linked(const struct copying *c, const struct stat *st)
{
	for (size_t i = 0; st->st_nlink > 1 && i < c->linked_count; i++)
		if (c->linked[i].ino == st->st_ino)
			return c->linked[i].path;
	return NULL;
}

static void remember_linked(struct copying *c, const struct item *item)
{
	struct linked *entry;

	if (item->st.st_nlink < 2)
		return;
	c->linked = xrealloc(c->linked, c->linked_count + 1, sizeof(*c->linked));
	entry = &c->linked[c->linked_count++];
	entry->ino = item->st.st_ino;
	entry->path = xasprintf("%s%s", c->path.buf ? c->path.buf : "", item->name);
}

static int copy_file(struct copying *c, const struct item *item)
{
	const char *linked = find_linked(c, &item->st);
	cleanup_free char *path = NULL;
	cleanup_fd int from = -1;
	cleanup_fd int to = -1;
	int r;

	if (linked)
		return linkat(c->to_root, linked, item->to, item->name, 0) < 0 ? -errno : 0;
	path = fd_path(item->fd);
	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = openat(item->to, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (to < 0)
		return -errno;
	r = copy_data(from, to, item->st.st_size);
	if (r == 0)
		r = copy_attributes(item, to);
	if (r == 0)
		remember_linked(c, item);
	return r;
}

static int copy_subdir(struct copying *c, const struct item *item)
{
	size_t len = c->path.len;
	cleanup_fd int to = -1;
	int r = 0;

	if (c->depth == DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(item->to, item->name, 0700) < 0)
		return -errno;
	to = openat(item->to, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	strbuf_addf(&c->path, "%s/", item->name);
	c->depth++;
	/* What is mounted there is not this file system's. */
	if (item->st.st_dev == c->dev)
		r = copy_dir(c, item->fd, to);
	if (r < 0)
		return r; /* the path is for the message */
	c->depth--;
	c->path.len = len;
	c->path.buf[len] = '\0';
	return copy_attributes(item, to);
}

static int copy_link(struct copying *c, const struct item *item)
{
	char target[LINK_MAX_BYTES];
	ssize_t n = readlinkat(item->fd, "", target, sizeof(target) - 1);

	(void)c; /* as the other kinds take it */
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, item->to, item->name) < 0)
		return -errno;
	if (fchownat(item->to, item->name, item->st.st_uid, item->st.st_gid, AT_SYMLINK_NOFOLLOW) <
		    0 &&
	    errno != EINVAL && errno != EPERM)
		return -errno;
	return 0;
}

static int copy_node(struct copying *c, const struct item *item)
{
	cleanup_fd int to = -1;

	(void)c; /* as the other kinds take it */
	if (mknodat(item->to, item->name, (item->st.st_mode & S_IFMT) | 0600, item->st.st_rdev) <
	    0) {
		if (errno != EPERM)
			return -errno;
		log_debug("tmpcopyup: device '%s' is left out", item->name);
		return 0;
	}
	to = openat(item->to, item->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return to < 0 ? -errno : copy_attributes(item, to);
}

/* clang-format off */
static const struct {
	mode_t type;
	int (*copy)(struct copying *c, const struct item *item);
} kinds[] = {
	{ S_IFREG,  copy_file },
	{ S_IFDIR,  copy_subdir },
	{ S_IFLNK,  copy_link },
	{ S_IFCHR,  copy_node },
	{ S_IFBLK,  copy_node },
	{ S_IFIFO,  copy_node },
	{ S_IFSOCK, copy_node },
};
/* clang-format on */

static int copy_item(struct copying *c, int from, int to, const char *name)
{
	cleanup_fd int fd = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct item item = { .name = name, .fd = fd, .to = to };

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* gone meanwhile */
	if (fstat(fd, &item.st) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((item.st.st_mode & S_IFMT) == kinds[i].type)
			return kinds[i].copy(c, &item);
	return 0;
}

static int copy_dir(struct copying *c, int from, int to)
{
	cleanup_dir DIR *dir = NULL;
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (;;) {
		struct dirent *entry;
		int r;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (is_dots(entry->d_name))
			continue;
		r = copy_item(c, fd, to, entry->d_name);
		if (r < 0)
			return r;
	}
}

int copy_up(int from_fd, int to_fd, struct error *err)
{
	CLEANUP(copying_done) struct copying c = { .to_root = to_fd };
	struct stat st;
	int r;

	if (fstat(from_fd, &st) < 0)
		return error_sys(err, errno, "stat");
	c.dev = st.st_dev;
	r = copy_dir(&c, from_fd, to_fd);
	return r < 0 ? error_sys(err, r, "copy '%s'", c.path.len ? c.path.buf : ".") : 0;
}
