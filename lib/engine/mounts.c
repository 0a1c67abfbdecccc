/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/linux/mount.h"

/*
 * The `mounts` of the configuration, in their order. A target is opened beneath the root, and the
 * mount attached to that descriptor: links in an image or in a shared volume, swapped at whatever
 * moment, lead to another place in the container, and never out of it (CVE-2021-30465).
 */

/* What tools like lxcfs stand in for, and /proc itself. */
static const char *const places_in_proc[] = {
	"/proc",
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/meminfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/uptime",
	"/proc/loadavg",
	"/proc/slabinfo",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/sys/crypto/fips_enabled",
};

/* Nothing else covers a part of procfs, by whatever links it was reached: security decisions of
 * this runtime and of the container's own tools are read from there and written to it
 * (CVE-2019-16884). */
static int check_place(int target, const char *destination, struct error *err)
{
	cleanup_free char *path = path_clean(destination);
	struct statfs fs;

	if (fstatfs(target, &fs) < 0)
		return error_sys(err, errno, "stat mount point '%s'", destination);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(places_in_proc); i++)
		if (streq(path, places_in_proc[i]))
			return 0;
	return error_set(err, -EINVAL, "'%s' cannot be mounted because it is inside /proc",
			 destination);
}

/* @is_file: a file, made when it is missing, instead of a directory. */
static int open_target(const struct rootfs *rootfs, const struct mount_plan *plan, bool is_file,
		       struct error *err)
{
	const char *destination = plan->mount->destination;
	cleanup_fd int fd = is_file ? beneath_touch(rootfs->fd, destination, 0755)
				    : beneath_mkdirs(rootfs->fd, destination, 0755);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "make mount point '%s'", destination);
	r = check_place(fd, destination, err);
	return r < 0 ? r : steal_fd(&fd);
}

static int open_target_dir(const struct rootfs *rootfs, const struct mount_plan *plan,
			   struct error *err)
{
	return open_target(rootfs, plan, false, err);
}

/* Tools inside and outside believe what they read in /proc and /sys, so those are not put where an
 * image's symbolic link points (CVE-2019-19921). */
static int open_ordinary_dir(const struct rootfs *rootfs, const struct mount_plan *plan,
			     struct error *err)
{
	/* Cleaned, because a '/' at the end would have the kernel follow a link after all. */
	cleanup_free char *destination = path_clean(plan->mount->destination);
	int fd = beneath_open(rootfs->fd, destination, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -ENOTDIR || fd == -ELOOP)
		return error_set(err, fd, "filesystem '%s' must be mounted on ordinary directory",
				 plan->mount->type);
	if (fd == -ENOENT)
		return open_target_dir(rootfs, plan, err);
	return fd < 0 ? error_sys(err, fd, "open mount point '%s'", destination) : fd;
}

/* What holds for every mount that was attached as it is: flags of this one, of all below it. */
static int change_both(int fd, const struct mount_plan *plan, const struct mount_change *own,
		       struct error *err)
{
	int r = mount_change(fd, &plan->recursive, true);

	if (r == 0)
		r = mount_change(fd, own, false);
	return r < 0 ? error_sys(err, r, "set flags of '%s'", plan->mount->destination) : 0;
}

/* The tree at a host path; relative ones start at the bundle. */
static int clone_source(const struct rootfs *rootfs, const struct mount_plan *plan,
			struct error *err)
{
	const char *source = plan->mount->source;
	size_t index = (size_t)(plan - rootfs->plan->mounts);
	cleanup_free char *joined = NULL;
	int fd;

	if (index < rootfs->sources->mounts_count && rootfs->sources->mounts[index] >= 0)
		return steal_fd(&rootfs->sources->mounts[index]);
	if (*source != '/')
		source = joined = xasprintf("%s/%s", rootfs->c->bundle, source);
	fd = mount_clone(AT_FDCWD, source, plan->is_recursive);
	return fd < 0 ? error_sys(err, fd, "bind source '%s'", source) : fd;
}

static int mount_bind(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	const char *destination = plan->mount->destination;
	cleanup_fd int source = clone_source(rootfs, plan, err);
	cleanup_fd int target = -1;
	struct stat st;
	int r;

	if (source < 0)
		return source;
	if (fstat(source, &st) < 0)
		return error_sys(err, errno, "stat '%s'", plan->mount->source);
	target = open_target(rootfs, plan, !S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	r = change_both(source, plan, &plan->change, err);
	if (r < 0)
		return r;
	r = mount_attach(source, target);
	if (r < 0)
		return error_sys(err, r, "bind '%s' on '%s'", plan->mount->source, destination);
	return 0;
}

static int report(int code, const struct mount_plan *plan, const char *reason, struct error *err)
{
	error_sys(err, code, "mount '%s' on '%s'", plan->mount->type, plan->mount->destination);
	if (*reason && err)
		error_set(err, code, "mount '%s' on '%s': %s", plan->mount->type,
			  plan->mount->destination, reason);
	return code;
}

static int mount_old_way(struct rootfs *rootfs, const struct mount_plan *plan,
			 const struct mount_fs *fs, int target, const char *reason,
			 struct error *err)
{
	cleanup_fd int fd = -1;
	int r = mount_make_legacy(fs, 0, target);

	if (r < 0)
		return report(r, plan, reason, err);
	/* @target is below what was just mounted, so its root has to be looked up again. */
	fd = beneath_open(rootfs->fd, plan->mount->destination, O_PATH, 0);
	if (fd < 0)
		return error_sys(err, fd, "open '%s'", plan->mount->destination);
	return change_both(fd, plan,
			   &(struct mount_change){ .propagation = plan->change.propagation }, err);
}

static int mount_fs_on(struct rootfs *rootfs, const struct mount_plan *plan, char *const *data,
		       int target, struct error *err)
{
	const struct oci_mount *m = plan->mount;
	const struct mount_fs fs = {
		.type = m->type,
		.source = m->source && *m->source ? m->source : m->type,
		.options = data,
		.sb_flags = plan->sb_flags,
		.attrs = plan->change.set,
	};
	/* Attributes came with the mount; only its propagation is left. */
	const struct mount_change rest = { .propagation = plan->change.propagation };
	char reason[MOUNT_REASON_MAX] = "";
	cleanup_fd int fd = -1;
	int r;

	if (mount_fs_is_legacy(&fs))
		return mount_old_way(rootfs, plan, &fs, target, "", err);
	fd = mount_make(&fs, reason);
	/* Drivers that were not converted to fsopen(2) may still know the option. */
	if (fd == -EINVAL && plan->kind == MOUNT_FS)
		return mount_old_way(rootfs, plan, &fs, target, reason, err);
	if (fd < 0)
		return report(fd, plan, reason, err);
	r = change_both(fd, plan, &rest, err);
	if (r < 0)
		return r;
	r = mount_attach(fd, target);
	if (r < 0)
		return report(r, plan, "", err);
	if (plan->is_read_only_late)
		rootfs_add_late(rootfs, steal_fd(&fd), m->destination);
	return 0;
}

static int mount_plain(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	cleanup_fd int target = open_target_dir(rootfs, plan, err);

	return target < 0 ? target : mount_fs_on(rootfs, plan, plan->data, target, err);
}

static int mount_kernel(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	cleanup_fd int target = open_ordinary_dir(rootfs, plan, err);

	return target < 0 ? target : mount_fs_on(rootfs, plan, plan->data, target, err);
}

static bool has_key(char *const *options, const char *key)
{
	strv_each(option, options)
		if (str_after(option, key))
			return true;
	return false;
}

/* Without a mode of its own a tmpfs gets that of the directory it covers, instead of 1777. */
static int mount_tmpfs(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	cleanup_fd int target = open_target_dir(rootfs, plan, err);
	cleanup_strv char **options = NULL;
	struct stat st;

	if (target < 0)
		return target;
	if (has_key(plan->data, "mode="))
		return mount_fs_on(rootfs, plan, plan->data, target, err);
	if (fstat(target, &st) < 0)
		return error_sys(err, errno, "stat '%s'", plan->mount->destination);
	options = strv_copy(plan->data);
	strv_pushf(&options, "mode=%o", st.st_mode & 07777);
	if (!has_key(plan->data, "uid=") && st.st_uid)
		strv_pushf(&options, "uid=%u", st.st_uid);
	if (!has_key(plan->data, "gid=") && st.st_gid)
		strv_pushf(&options, "gid=%u", st.st_gid);
	return mount_fs_on(rootfs, plan, options, target, err);
}

static int mount_cgroup(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	cleanup_fd int target = open_ordinary_dir(rootfs, plan, err);

	return target < 0 ? target : rootfs_mount_cgroups(rootfs, plan, target, err);
}

static int remount(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	const char *destination = plan->mount->destination;
	const struct mount_fs fs = {
		.type = plan->mount->type,
		.options = plan->data,
		.sb_flags = plan->sb_flags,
		.attrs = plan->change.set,
	};
	cleanup_fd int fd = beneath_open(rootfs->fd, destination, O_PATH, 0);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "open '%s'", destination);
	if (plan->data || plan->sb_flags) {
		r = mount_make_legacy(&fs, MS_REMOUNT, fd);
		if (r < 0)
			return error_sys(err, r, "remount '%s'", destination);
	}
	return change_both(fd, plan, &plan->change, err);
}

/* clang-format off */
static int (*const actions[])(struct rootfs *, const struct mount_plan *, struct error *) = {
	[MOUNT_BIND]    = mount_bind,
	[MOUNT_FS]      = mount_plain,
	[MOUNT_TMPFS]   = mount_tmpfs,
	[MOUNT_KERNEL]  = mount_kernel,
	[MOUNT_CGROUP]  = mount_cgroup,
	[MOUNT_REMOUNT] = remount,
};
/* clang-format on */

int rootfs_mount(struct rootfs *rootfs, struct error *err)
{
	for (size_t i = 0; i < rootfs->plan->mounts_count; i++) {
		const struct mount_plan *plan = &rootfs->plan->mounts[i];
		int r = actions[plan->kind](rootfs, plan, err);

		if (r < 0)
			return error_wrap(err, r, "mounts[%zu]", plan->index);
	}
	return 0;
}

int rootfs_seal_mounts(struct rootfs *rootfs, struct error *err)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < rootfs->late_count; i++) {
		int r = mount_change(rootfs->late[i].fd, &read_only, false);

		if (r < 0)
			return error_sys(err, r, "make '%s' read-only",
					 rootfs->late[i].destination);
	}
	return 0;
}
