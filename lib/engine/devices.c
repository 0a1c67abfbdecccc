/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"

/*
 * Device nodes and links, each made by name only in a directory that was opened beneath the root:
 * an image whose /dev is a link to a host path gets them in its own tree (CVE-2026-41579).
 */

static bool is_node(const struct stat *st, const struct device_plan *plan)
{
	return (st->st_mode & S_IFMT) == (plan->mode & S_IFMT) &&
	       (S_ISFIFO(st->st_mode) || st->st_rdev == plan->rdev);
}

/* @name, if it is the node that is wanted, as an O_PATH descriptor. */
static int open_node(const struct device_plan *plan, int dirfd, const char *name)
{
	cleanup_fd int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return is_node(&st, plan) ? steal_fd(&fd) : -EEXIST;
}

/* By descriptor: somebody who shares the root may put another file under the name. */
static int set_owner_and_mode(const struct device_plan *plan, int fd, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);

	if (fchownat(fd, "", plan->uid, plan->gid, AT_EMPTY_PATH) < 0)
		return error_sys(err, errno, "change owner of device '%s'", plan->path);
	/* Last, because a change of owner takes bits away. */
	if (chmod(path, plan->mode & 07777) < 0)
		return error_sys(err, errno, "change mode of device '%s'", plan->path);
	return 0;
}

static int clone_if_node(const struct device_plan *plan, const char *path)
{
	cleanup_fd int node = mount_clone(AT_FDCWD, path, false);
	struct stat st;

	if (node < 0)
		return node;
	if (fstat(node, &st) < 0)
		return -errno;
	return is_node(&st, plan) ? steal_fd(&node) : -ENODEV;
}

/* The host's node: under the same name, where udev keeps them by number, or as a default device of
 * that number. */
static int clone_host_node(const struct rootfs *rootfs, const struct device_plan *plan)
{
	const struct devices_plan *all = &rootfs->plan->devices;
	cleanup_free char *by_number = NULL;
	int fd = clone_if_node(plan, plan->path);

	if (fd >= 0)
		return fd;
	by_number = xasprintf("/dev/%s/%u:%u", S_ISBLK(plan->mode) ? "block" : "char",
			      major(plan->rdev), minor(plan->rdev));
	fd = clone_if_node(plan, by_number);
	for (size_t i = 0; i < all->count && fd < 0; i++)
		if (all->nodes[i].rdev == plan->rdev)
			fd = clone_if_node(plan, all->nodes[i].path);
	return fd;
}

/* Where nodes cannot be made (a user namespace, no CAP_MKNOD, a device cgroup, a shared file system
 * in a guest), or something else has the name, the host's node is bound over it. */
static int bind_host_node(const struct rootfs *rootfs, const struct device_plan *plan, int dirfd,
			  const char *name, int why, struct error *err)
{
	cleanup_fd int node = clone_host_node(rootfs, plan);
	cleanup_fd int target = -1;
	int made, r;

	if (node < 0)
		return error_sys(err, why, "make device '%s'", plan->path);
	made = openat(dirfd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (made >= 0)
		close(made);
	target = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return error_sys(err, errno, "open '%s'", plan->path);
	r = mount_attach(node, target);
	return r < 0 ? error_sys(err, r, "bind device '%s'", plan->path) : 0;
}

static int take_over(const struct rootfs *rootfs, const struct device_plan *plan, int dirfd,
		     const char *name, struct error *err)
{
	cleanup_fd int fd = open_node(plan, dirfd, name);

	if (fd == -EEXIST)
		return bind_host_node(rootfs, plan, dirfd, name, fd, err);
	if (fd < 0)
		return error_sys(err, fd, "open device '%s'", plan->path);
	return plan->is_strict ? set_owner_and_mode(plan, fd, err) : 0;
}

/* Permissions follow from mknod(2), because init's umask is 0. */
static int make_node(const struct rootfs *rootfs, const struct device_plan *plan, int dirfd,
		     const char *name, struct error *err)
{
	if (mknodat(dirfd, name, plan->mode, plan->rdev) == 0)
		return plan->uid || plan->gid ? take_over(rootfs, plan, dirfd, name, err) : 0;
	if (errno == EEXIST)
		return take_over(rootfs, plan, dirfd, name, err);
	return bind_host_node(rootfs, plan, dirfd, name, errno, err);
}

static int make_device(const struct rootfs *rootfs, const struct device_plan *plan, int dev_fd,
		       struct error *err)
{
	cleanup_free char *name = NULL;
	cleanup_fd int parent = -1;
	const char *in_dev = str_after(plan->path, "/dev/");

	if (in_dev && !strchr(in_dev, '/'))
		return make_node(rootfs, plan, dev_fd, in_dev, err);
	parent = beneath_parent(rootfs->fd, plan->path, 0755, &name);
	if (parent < 0)
		return error_sys(err, parent, "make directory of device '%s'", plan->path);
	return make_node(rootfs, plan, parent, name, err);
}

/* clang-format off */
static const struct {
	const char *name;
	const char *target;
	const char *needs; /* on the host, or NULL */
} links[] = {
	{ "fd",     "/proc/self/fd",   NULL },
	{ "stdin",  "/proc/self/fd/0", NULL },
	{ "stdout", "/proc/self/fd/1", NULL },
	{ "stderr", "/proc/self/fd/2", NULL },
	{ "core",   "/proc/kcore",     "/proc/kcore" },
};
/* clang-format on */

static int make_links(int dev_fd, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (links[i].needs && access(links[i].needs, F_OK) < 0)
			continue;
		/* What an image has there already is its own business. */
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make link '/dev/%s'", links[i].name);
	}
	/* A ptmx of another devpts than the container's would make terminals nobody there sees. */
	if (symlinkat("pts/ptmx", dev_fd, "ptmx") == 0)
		return 0;
	if (errno != EEXIST)
		return error_sys(err, errno, "make link '/dev/ptmx'");
	if (unlinkat(dev_fd, "ptmx", 0) < 0)
		return errno == EBUSY ? 0 : error_sys(err, errno, "replace '/dev/ptmx'");
	if (symlinkat("pts/ptmx", dev_fd, "ptmx") < 0)
		return error_sys(err, errno, "make link '/dev/ptmx'");
	return 0;
}

int rootfs_make_devices(struct rootfs *rootfs, struct error *err)
{
	const struct devices_plan *plan = &rootfs->plan->devices;
	cleanup_fd int dev_fd = -1;
	int r;

	if (!plan->count && !plan->has_links)
		return 0;
	dev_fd = beneath_mkdirs(rootfs->fd, "/dev", 0755);
	if (dev_fd < 0)
		return error_sys(err, dev_fd, "open '/dev'");
	for (size_t i = 0; i < plan->count; i++) {
		r = make_device(rootfs, &plan->nodes[i], dev_fd, err);
		if (r < 0)
			return r;
	}
	return plan->has_links ? make_links(dev_fd, err) : 0;
}
