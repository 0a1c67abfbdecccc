/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/str.h"

/* As many symbolic links as the kernel follows (path_resolution(7)). */
#define LINKS_MAX 40
#define LINK_MAX_BYTES 4096

/* O_TMPFILE contains O_DIRECTORY's bit, and openat2(2) refuses a mode that is not needed. */
static bool may_create(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

int beneath_open(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.mode = may_create(flags) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: a rename or mount raced with the walk over "..", openat2(2) asks to try again. */
	for (int tries = 0; tries < 128; tries++) {
		fd = (int)syscall(SYS_openat2, rootfd, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

/* Where the symbolic link @name in @dir leads, as a path beneath the root with @rest behind it.
 * @prefix: the path of the link itself. */
static int follow(int dir, const char *name, const char *prefix, char *const *rest, char **ret)
{
	cleanup_free char *tail = strv_join(rest, "/");
	char target[LINK_MAX_BYTES];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));
	const char *slash = strrchr(prefix, '/');

	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(target))
		return -ENAMETOOLONG;
	target[n] = '\0';
	*ret = *target == '/' ? xasprintf("%s/%s", target, tail)
			      : xasprintf("%.*s/%s/%s", slash ? (int)(slash - prefix) : 0, prefix,
					  target, tail);
	return 0;
}

/* Opens directory @prefix, making its last component when only that is missing. -ENOENT: it is a
 * symbolic link to what is missing. */
static int open_or_make(int rootfd, int parent, const char *prefix, const char *name, mode_t mode)
{
	int fd = beneath_open(rootfd, prefix, O_PATH | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return beneath_open(rootfd, prefix, O_PATH | O_DIRECTORY, 0);
}

/* One piece of the way after the other. Where a link's target is missing, the walk starts again at
 * the root, along that target: every piece is opened beneath the root once more. */
static int make_dirs(int rootfd, const char *path, mode_t mode, unsigned int links)
{
	cleanup_strbuf struct strbuf prefix = STRBUF_INIT;
	cleanup_strv char **parts = strv_split(path, '/');
	cleanup_fd int dir = beneath_open(rootfd, "/", O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return dir;
	for (char **part = parts; *part; part++) {
		cleanup_free char *target = NULL;
		int next;

		if (!**part || streq(*part, "."))
			continue;
		strbuf_addf(&prefix, "/%s", *part);
		next = open_or_make(rootfd, dir, prefix.buf, *part, mode);
		if (next == -ENOENT && links &&
		    follow(dir, *part, prefix.buf, part + 1, &target) == 0)
			return make_dirs(rootfd, target, mode, links - 1);
		if (next < 0)
			return next;
		close(dir);
		dir = next;
	}
	return steal_fd(&dir);
}

/* Where the last piece alone is missing. -ENOENT: there is more to it. */
static int make_last(int rootfd, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	cleanup_free char *before = xstrndup(path, (size_t)(last - path));
	cleanup_fd int dir = -1;

	if (!*last || is_dots(last))
		return -ENOENT;
	dir = beneath_open(rootfd, before, O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, last, mode) < 0 && errno != EEXIST)
		return -errno;
	return beneath_open(rootfd, path, O_PATH | O_DIRECTORY, 0);
}

int beneath_mkdirs(int rootfd, const char *path, mode_t mode)
{
	/* The usual cases, everything or all but the last piece there, cost few system calls. */
	int dir = beneath_open(rootfd, path, O_PATH | O_DIRECTORY, 0);

	if (dir == -ENOENT)
		dir = make_last(rootfd, path, mode);
	return dir == -ENOENT ? make_dirs(rootfd, path, mode, LINKS_MAX) : dir;
}

int beneath_parent(int rootfd, const char *path, mode_t mode, char **ret_name)
{
	cleanup_free char *copy = xstrdup(path);
	size_t len = strlen(copy);
	char *base;
	int fd;

	while (len && copy[len - 1] == '/')
		copy[--len] = '\0';
	base = strrchr(copy, '/');
	base = base ? base + 1 : copy;
	if (!*base || is_dots(base))
		return -EINVAL;
	*ret_name = xstrdup(base);
	*base = '\0';
	fd = beneath_mkdirs(rootfd, copy, mode);
	if (fd < 0) {
		free(*ret_name);
		*ret_name = NULL;
	}
	return fd;
}

static int touch(int rootfd, const char *path, mode_t mode, unsigned int links)
{
	static char *const nothing[] = { NULL };
	cleanup_free char *target = NULL;
	cleanup_free char *name = NULL;
	cleanup_fd int parent = beneath_parent(rootfd, path, 0755, &name);
	cleanup_fd int made = -1;
	int fd;

	if (parent < 0)
		return parent;
	made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode);
	if (made < 0 && errno != EEXIST)
		return -errno;
	fd = beneath_open(rootfd, path, O_PATH, 0);
	if (fd != -ENOENT || !links || follow(parent, name, path, nothing, &target) < 0)
		return fd;
	target[strlen(target) - 1] = '\0'; /* the '/' in front of nothing */
	return touch(rootfd, target, mode, links - 1);
}

int beneath_touch(int rootfd, const char *path, mode_t mode)
{
	int fd = beneath_open(rootfd, path, O_PATH, 0);

	return fd == -ENOENT ? touch(rootfd, path, mode, LINKS_MAX) : fd;
}
