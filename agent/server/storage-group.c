/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/*
 * Kubernetes' fsGroup: everything in a volume becomes the group's, and writable for it. What is in
 * a volume may be hostile, and be changed by another container meanwhile: every file is opened
 * first, without following links, and then changed by that descriptor.
 */
#define DEPTH_MAX 512

struct group_change {
	uint32_t gid;
	mode_t file_mode; /* bits to add */
	mode_t dir_mode;
};

static struct group_change plan_change(uint32_t gid, bool is_readonly)
{
	mode_t bits = S_IRGRP | (is_readonly ? 0 : S_IWGRP);

	return (struct group_change){ gid, bits, bits | S_IXGRP | S_ISGID };
}

/* @fd: O_PATH. */
static int change(const struct group_change *c, int fd)
{
	char path[32];
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (fchownat(fd, "", (uid_t)-1, (gid_t)c->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	mode = (st.st_mode & 07777) | (S_ISDIR(st.st_mode) ? c->dir_mode : c->file_mode);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, mode) < 0 ? -errno : 0;
}

static int change_below(const struct group_change *c, int dirfd, int depth)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return -errno;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	while (r == 0 && (entry = readdir(dir))) {
		cleanup_fd int file = -1;
		struct stat st;

		if (is_dots(entry->d_name))
			continue;
		file = openat(dirfd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (file < 0 && errno == ENOENT)
			continue;
		r = file < 0 ? -errno : change(c, file);
		if (r == 0 && fstat(file, &st) == 0 && S_ISDIR(st.st_mode))
			r = change_below(c, file, depth + 1);
	}
	return r;
}

static bool fits(const struct group_change *c, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_gid == c->gid &&
	       (st.st_mode & c->dir_mode) == c->dir_mode;
}

int storage_set_group(const char *path, uint32_t gid, bool is_if_needed, struct error *err)
{
	cleanup_fd int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct group_change c;
	struct statvfs vfs;
	struct stat st;
	int r;

	if (fd < 0 || fstatvfs(fd, &vfs) < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "open '%s'", path);
	c = plan_change(gid, vfs.f_flag & ST_RDONLY);
	if (is_if_needed && fits(&c, fd))
		return 0;
	r = change(&c, fd);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = change_below(&c, fd, 0);
	return r < 0 ? error_sys(err, r, "give '%s' to group %u", path, gid) : 0;
}
