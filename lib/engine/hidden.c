/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/linux/mount.h"

/*
 * linux.maskedPaths and linux.readonlyPaths, each opened beneath the root and covered by
 * descriptor. What is not there needs no cover.
 */

/* Where even root of the container's user namespace may not search, there is nothing to cover. */
static int open_present(const struct rootfs *rootfs, const char *path, struct error *err)
{
	int fd = beneath_open(rootfs->fd, path, O_PATH, 0);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return -ENOENT;
	return fd < 0 ? error_sys(err, fd, "open '%s'", path) : fd;
}

/* All masked directories show one and the same empty file system. Only what is attached can be
 * cloned, so the first use takes the mount itself. */
static int next_empty(int *first, struct error *err)
{
	int fd;

	if (*first >= 0) {
		fd = mount_clone(*first, "", false);
		return fd < 0 ? error_sys(err, fd, "clone empty directory") : fd;
	}
	*first = mount_make_empty();
	if (*first < 0)
		return error_sys(err, *first, "mount empty directory");
	fd = fcntl(*first, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? error_sys(err, errno, "duplicate descriptor") : fd;
}

static int mask(const struct rootfs *rootfs, const char *path, int *empty, struct error *err)
{
	cleanup_fd int target = open_present(rootfs, path, err);
	cleanup_fd int cover = -1;
	struct stat st;
	int r;

	if (target == -ENOENT)
		return 0;
	if (target < 0)
		return target;
	if (fstat(target, &st) < 0)
		return error_sys(err, errno, "stat '%s'", path);
	if (S_ISDIR(st.st_mode)) {
		cover = next_empty(empty, err);
		if (cover < 0)
			return cover;
	} else {
		cover = mount_clone(rootfs->null_fd, "", false);
		if (cover < 0)
			return error_sys(err, cover, "clone '/dev/null'");
	}
	r = mount_attach(cover, target);
	return r < 0 ? error_sys(err, r, "cover '%s'", path) : 0;
}

static int make_read_only(const struct rootfs *rootfs, const char *path, struct error *err)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };
	cleanup_fd int target = open_present(rootfs, path, err);
	cleanup_fd int tree = -1;
	int r;

	if (target == -ENOENT)
		return 0;
	if (target < 0)
		return target;
	tree = mount_clone(target, "", true);
	if (tree < 0)
		return error_sys(err, tree, "clone '%s'", path);
	r = mount_change(tree, &read_only, false);
	if (r == 0)
		r = mount_attach(tree, target);
	return r < 0 ? error_sys(err, r, "make '%s' read-only", path) : 0;
}

int rootfs_hide(struct rootfs *rootfs, struct error *err)
{
	const struct oci_linux *l = &rootfs->c->config->linux_;
	cleanup_fd int empty = -1;
	int r;

	strv_each(path, l->readonly_paths) {
		r = make_read_only(rootfs, path, err);
		if (r < 0)
			return error_wrap(err, r, "linux.readonlyPaths");
	}
	strv_each(path, l->masked_paths) {
		r = mask(rootfs, path, &empty, err);
		if (r < 0)
			return error_wrap(err, r, "linux.maskedPaths");
	}
	return 0;
}
