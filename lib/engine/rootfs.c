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
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/linux/mount.h"

#define PATH_TEXT_MAX 4096

void rootfs_done(struct rootfs *rootfs)
{
	for (size_t i = 0; i < rootfs->late_count; i++)
		close(rootfs->late[i].fd);
	free(rootfs->late);
	rootfs->late = NULL;
	rootfs->late_count = 0;
	close_fdp(&rootfs->fd);
	close_fdp(&rootfs->null_fd);
	close_fdp(&rootfs->host_fd);
	close_fdp(&rootfs->base_fd);
	rootfs->fd = rootfs->null_fd = rootfs->host_fd = rootfs->base_fd = -1;
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

/* getcwd(2) says so at the root of the mount namespace, seen from a root below it. The library's
 * function hides that. */
#define OUTSIDE_TOP "(unreachable)/"

static int climb_to_top(struct error *err)
{
	char path[PATH_TEXT_MAX];

	for (;;) {
		if (chdir("..") < 0)
			return error_sys(err, errno, "leave chroot");
		if (syscall(SYS_getcwd, path, sizeof(path)) < 0)
			return error_sys(err, errno, "leave chroot");
		if (streq(path, OUTSIDE_TOP))
			return 0;
	}
}

/* A caller in a chroot: its "/" is no mount point, so that it can neither be cut from the host's
 * propagation nor be pivoted from. The root of the mount namespace can, and init, which may
 * chroot(2), gets there from a directory outside of a root that it goes down to first. */
static int enter_top(struct rootfs *rootfs, struct error *err)
{
	int r;

	if (rootfs->host_fd < 0)
		rootfs->host_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfs->host_fd < 0)
		return error_sys(err, errno, "open '/'");
	if (chroot(rootfs->plan->rootfs) < 0 || fchdir(rootfs->host_fd) < 0)
		return error_sys(err, errno, "leave chroot");
	r = climb_to_top(err);
	if (r < 0)
		return r;
	return chroot(".") < 0 ? error_sys(err, errno, "leave chroot") : 0;
}

/* The paths that the caller named start at its own root. */
static int enter_host(const struct rootfs *rootfs, struct error *err)
{
	if (fchdir(rootfs->host_fd) < 0 || chroot(".") < 0)
		return error_sys(err, errno, "go back into chroot");
	return 0;
}

static int change_top(const struct mount_change *change)
{
	cleanup_fd int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : mount_change(fd, change, true);
}

/* Nothing that is mounted from here on may show up on the host. */
static int cut_propagation(struct rootfs *rootfs, struct error *err)
{
	const struct mount_change change = { .propagation = rootfs->plan->propagation.host };
	int r, back = 0;

	if (!is_own_namespace(rootfs) || mount_change_is_empty(&change))
		return 0;
	r = change_top(&change);
	if (r == -EINVAL) {
		r = enter_top(rootfs, err);
		if (r < 0)
			return r;
		r = change_top(&change);
		back = enter_host(rootfs, err);
	}
	if (r == -ENOSYS)
		return error_set(err, r, "this kernel has no mount_setattr: Linux 5.12 is needed");
	return r < 0 ? error_sys(err, r, "set propagation of '/'") : back;
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

static int clone_root(int target, const char *path, struct error *err)
{
	int fd = mount_clone(target, "", true);

	return fd < 0 ? error_sys(err, fd, "clone mount of '%s'", path) : fd;
}

/* Without a mount namespace the container's mounts would be the host's, and stay there. So they are
 * made on a tree that is nowhere, and that ends with its last process. Linux 6.15 can do that; on
 * older ones they are made on the host, as other runtimes do. */
static int attach_nowhere(struct rootfs *rootfs, int target, struct error *err)
{
	int r;

	rootfs->base_fd = clone_root(target, rootfs->plan->rootfs, err);
	if (rootfs->base_fd < 0)
		return rootfs->base_fd;
	r = mount_attach(rootfs->fd, rootfs->base_fd);
	if (r == -EINVAL)
		r = mount_attach(rootfs->fd, target);
	return r < 0 ? error_sys(err, r, "mount '%s'", rootfs->plan->rootfs) : 0;
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
	rootfs->fd = clone_root(target, path, err);
	if (rootfs->fd < 0)
		return rootfs->fd;
	if (is_shared) {
		r = mount_change(rootfs->fd, &private, true);
		if (r < 0)
			return error_sys(err, r, "make '%s' private", path);
	}
	if (!is_own_namespace(rootfs))
		return attach_nowhere(rootfs, target, err);
	if (is_shared) {
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

/* What stays below is hidden, but root of a user namespace could mount a proc or sysfs without the
 * container's covers as long as the host's are in this namespace (mount_namespaces(7)). */
static void detach_host_kernel_mounts(void)
{
	static const char *const places[] = { "/proc", "/sys" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (umount2(places[i], MNT_DETACH) < 0)
			log_debug("unmount '%s' of the host: %m", places[i]);
}

/* For roots that cannot be pivoted from (an initramfs). The old root stays, hidden below. */
static int move(struct error *err)
{
	detach_host_kernel_mounts();
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_sys(err, errno, "move root");
	if (chroot(".") < 0)
		return error_sys(err, errno, "chroot");
	return 0;
}

int rootfs_make_read_only(const struct rootfs *rootfs, int *fd)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };
	cleanup_fd int cover = -1;
	int r;

	if (rootfs->base_fd < 0)
		return mount_change(*fd, &read_only, false);
	/* What is attached in a tree that is nowhere cannot be changed any more, but covered. */
	cover = mount_clone(*fd, "", true);
	if (cover < 0)
		return cover;
	r = mount_change(cover, &read_only, false);
	if (r == 0)
		r = mount_attach(cover, *fd);
	if (r < 0)
		return r;
	close(*fd);
	*fd = steal_fd(&cover);
	return 0;
}

static int enter_root(struct rootfs *rootfs, struct error *err)
{
	int r = 0;

	/* Not in rootfs_seal(): this one's "/" is another directory from then on. */
	if (rootfs->base_fd >= 0 && rootfs->c->config->root.readonly)
		r = rootfs_make_read_only(rootfs, &rootfs->fd);
	if (r < 0)
		return error_sys(err, r, "make '/' read-only");
	if (fchdir(rootfs->fd) < 0)
		return error_sys(err, errno, "enter '%s'", rootfs->plan->rootfs);
	return 0;
}

int rootfs_change(struct rootfs *rootfs, struct error *err)
{
	int r = rootfs->host_fd >= 0 ? enter_top(rootfs, err) : 0;

	if (r == 0)
		r = enter_root(rootfs, err);
	if (r < 0)
		return r;
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
	const struct mount_change change = { .propagation = propagation->root };
	int r;

	if (is_own_namespace(rootfs)) {
		r = mount_change(rootfs->fd, &change, propagation->is_root_recursive);
		if (r < 0)
			return error_sys(err, r, "set propagation of '/'");
	}
	if (!rootfs->c->config->root.readonly || rootfs->base_fd >= 0)
		return 0;
	r = rootfs_make_read_only(rootfs, &rootfs->fd);
	return r < 0 ? error_sys(err, r, "make '/' read-only") : 0;
}
