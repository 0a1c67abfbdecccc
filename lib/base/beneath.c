/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/str.h"

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

/* Opens directory @prefix, making its last component when only that is missing. A dangling
 * symbolic link on the way stays an error: to follow it would mean to re-implement the walk. */
static int open_or_make(int rootfd, int parent, const char *prefix, const char *name, mode_t mode)
{
	int fd = beneath_open(rootfd, prefix, O_PATH | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return beneath_open(rootfd, prefix, O_PATH | O_DIRECTORY, 0);
}

int beneath_mkdirs(int rootfd, const char *path, mode_t mode)
{
	cleanup_strbuf struct strbuf prefix = STRBUF_INIT;
	cleanup_strv char **parts = NULL;
	cleanup_fd int dir = -1;

	/* The usual case, everything there, costs one system call. */
	dir = beneath_open(rootfd, path, O_PATH | O_DIRECTORY, 0);
	if (dir >= 0 || dir != -ENOENT)
		return steal_fd(&dir);

	parts = strv_split(path, '/');
	dir = beneath_open(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	strv_each(part, parts) {
		int next;

		if (!*part || streq(part, "."))
			continue;
		strbuf_addf(&prefix, "/%s", part);
		next = open_or_make(rootfd, dir, prefix.buf, part, mode);
		if (next < 0)
			return next;
		close(dir);
		dir = next;
	}
	return steal_fd(&dir);
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
	if (!*base || streq(base, ".") || streq(base, ".."))
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

int beneath_touch(int rootfd, const char *path, mode_t mode)
{
	cleanup_free char *name = NULL;
	cleanup_fd int parent = -1;
	cleanup_fd int made = -1;
	int fd = beneath_open(rootfd, path, O_PATH, 0);

	if (fd >= 0 || fd != -ENOENT)
		return fd;
	parent = beneath_parent(rootfd, path, 0755, &name);
	if (parent < 0)
		return parent;
	made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode);
	if (made < 0 && errno != EEXIST)
		return -errno;
	return beneath_open(rootfd, path, O_PATH, 0);
}
