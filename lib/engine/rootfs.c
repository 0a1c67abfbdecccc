/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/linux/mount.h"

void rootfs_done(struct rootfs *rootfs)
{
	for (size_t i = 0; i < rootfs->late_count; i++)
		close(rootfs->late[i].fd);
	free(rootfs->late);
	rootfs->late = NULL;
	rootfs->late_count = 0;
	close_fdp(&rootfs->fd);
	close_fdp(&rootfs->null_fd);
	rootfs->fd = rootfs->null_fd = -1;
}

void rootfs_add_late(struct rootfs *rootfs, int fd, const char *destination)
{
	rootfs->late = xrealloc(rootfs->late, rootfs->late_count + 1, sizeof(*rootfs->late));
	rootfs->late[rootfs->late_count].fd = fd;
	rootfs->late[rootfs->late_count++].destination = destination;
}

/* Masked files are covered by this one. Taken from the host before anything of the container's is
 * mounted, so that an image's own /dev/null cannot take its place (CVE-2025-31133). */
static int open_null(struct rootfs *rootfs, struct error *err)
{
	struct stat st;

	rootfs->null_fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (rootfs->null_fd < 0)
		return error_sys(err, errno, "open '/dev/null'");
	if (fstat(rootfs->null_fd, &st) < 0)
		return error_sys(err, errno, "stat '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return error_set(err, -EINVAL, "'/dev/null' is not the null device");
	return 0;
}

static bool is_own_namespace(const struct rootfs *rootfs)
{
	return rootfs->plan->namespaces.private_flags & CLONE_NEWNS;
}

/* Nothing that is mounted from here on may show up on the host. */
static int cut_propagation(const struct rootfs *rootfs, struct error *err)
{
	const struct mount_change change = { .propagation = rootfs->plan->propagation.host };
	cleanup_fd int fd = -1;
	int r;

	if (!is_own_namespace(rootfs) || mount_change_is_empty(&change))
		return 0;
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open '/'");
	r = mount_change(fd, &change, true);
	if (r == -ENOSYS)
		return error_set(err, r, "this kernel has no mount_setattr: Linux 5.12 is needed");
	return r < 0 ? error_sys(err, r, "set propagation of '/'") : 0;
}

/* pivot_root(2) refuses a root whose parent mount is shared, and a mount attached there would
 * appear on the host: the mount that holds @path becomes private, whichever that is. */
static int make_parent_private(const char *path, struct error *err)
{
	static const struct mount_change private = { .propagation = MS_PRIVATE };
	cleanup_free char *dir = xstrdup(path);

	for (;;) {
		cleanup_fd int fd = open(*dir ? dir : "/", O_PATH | O_CLOEXEC);
		int r;

		if (fd < 0)
			return error_sys(err, errno, "open '%s'", dir);
		r = mount_change(fd, &private, false);
		/* EINVAL: not the root of a mount, so look further up. */
		if (r != -EINVAL || !*dir)
			return r < 0 ? error_sys(err, r, "make parent of '%s' private", path) : 0;
		*strrchr(dir, '/') = '\0';
	}
}

int rootfs_attach(struct rootfs *rootfs, struct error *err)
{
	static const struct mount_change private = { .propagation = MS_PRIVATE };
	const char *path = rootfs->plan->rootfs;
	bool is_shared = !is_own_namespace(rootfs) || !rootfs->plan->propagation.host;
	cleanup_fd int target = -1;
	int r;

	r = open_null(rootfs, err);
	if (r < 0)
		return r;
	r = cut_propagation(rootfs, err);
	if (r < 0)
		return r;
	target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return error_sys(err, errno, "open '%s'", path);
	rootfs->fd = mount_clone(target, "", true);
	if (rootfs->fd < 0)
		return error_sys(err, rootfs->fd, "clone mount of '%s'", path);
	if (is_shared) {
		r = mount_change(rootfs->fd, &private, true);
		if (r < 0)
			return error_sys(err, r, "make '%s' private", path);
	}
	if (is_shared && is_own_namespace(rootfs)) {
		r = make_parent_private(path, err);
		if (r < 0)
			return r;
	}
	r = mount_attach(rootfs->fd, target);
	return r < 0 ? error_sys(err, r, "mount '%s'", path) : 0;
}

/* pivot_root(2) with "." twice puts the old root on top of the new one, whence it is unmounted
 * without ever having had a place inside the container. */
static int pivot(struct rootfs *rootfs, struct error *err)
{
	static const struct mount_change slave = { .propagation = MS_SLAVE };
	cleanup_fd int old = -1;
	int r;

	if (!rootfs->plan->propagation.host) {
		old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (old < 0)
			return error_sys(err, errno, "open '/'");
	}
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_sys(err, errno, "pivot_root to '%s'", rootfs->plan->rootfs);
	/* Else the host would see everything of its own being unmounted. */
	if (old >= 0) {
		r = mount_change(old, &slave, true);
		if (r < 0)
			return error_sys(err, r, "cut old root from the host");
	}
	if (umount2(".", MNT_DETACH) < 0)
		return error_sys(err, errno, "unmount old root");
	return 0;
}

/* For roots that cannot be pivoted from (an initramfs). The old root stays, hidden below. */
static int move(struct error *err)
{
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_sys(err, errno, "move root");
	if (chroot(".") < 0)
		return error_sys(err, errno, "chroot");
	return 0;
}

int rootfs_change(struct rootfs *rootfs, struct error *err)
{
	int r = 0;

	if (fchdir(rootfs->fd) < 0)
		return error_sys(err, errno, "enter '%s'", rootfs->plan->rootfs);
	if (!is_own_namespace(rootfs)) {
		if (chroot(".") < 0)
			r = error_sys(err, errno, "chroot to '%s'", rootfs->plan->rootfs);
	} else if (rootfs->c->no_pivot) {
		r = move(err);
	} else {
		r = pivot(rootfs, err);
	}
	if (r < 0)
		return r;
	return chdir("/") < 0 ? error_sys(err, errno, "enter '/'") : 0;
}

int rootfs_seal(struct rootfs *rootfs, struct error *err)
{
	const struct propagation_plan *propagation = &rootfs->plan->propagation;
	struct mount_change change = { .propagation = propagation->root };
	int r;

	if (is_own_namespace(rootfs)) {
		r = mount_change(rootfs->fd, &change, propagation->is_root_recursive);
		if (r < 0)
			return error_sys(err, r, "set propagation of '/'");
	}
	if (!rootfs->c->config->root.readonly)
		return 0;
	change = (struct mount_change){ .set = MOUNT_ATTR_RDONLY };
	r = mount_change(rootfs->fd, &change, false);
	return r < 0 ? error_sys(err, r, "make '/' read-only") : 0;
}
