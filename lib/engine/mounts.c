/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/engine/copy-up.h"
#include "lib/linux/mount.h"

/*
 * The `mounts` of the configuration, in their order. A target is opened beneath the root, and the
 * mount attached to that descriptor: links in an image or in a shared volume, swapped at whatever
 * moment, lead to another place in the container, and never out of it (CVE-2021-30465).
 */

#define LINK_MAX_BYTES 4096

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

	if (fd == -ENOTDIR && !is_file)
		return error_set(err, fd, "mount point '%s' is not a directory", destination);
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

/* The tree that the caller has made for it already, or -1. */
static int take_source(const struct rootfs *rootfs, const struct mount_plan *plan)
{
	size_t index = (size_t)(plan - rootfs->plan->mounts);

	if (index >= rootfs->sources->mounts_count)
		return -1;
	return steal_fd(&rootfs->sources->mounts[index]);
}

/* copy-symlink: whether the source is a link, which is then made again in the container. */
static int copy_link(struct rootfs *rootfs, const struct mount_plan *plan, bool *ret_is_link,
		     struct error *err)
{
	const char *destination = plan->mount->destination;
	char target[LINK_MAX_BYTES], there[LINK_MAX_BYTES];
	cleanup_free char *name = NULL;
	cleanup_fd int parent = -1;
	ssize_t n = readlink(plan->mount->source, target, sizeof(target) - 1);

	*ret_is_link = n >= 0;
	if (n < 0)
		return 0;
	target[n] = '\0';
	parent = beneath_parent(rootfs->fd, destination, 0755, &name);
	if (parent < 0)
		return error_sys(err, parent, "make directory of link '%s'", destination);
	if (symlinkat(target, parent, name) == 0)
		return 0;
	if (errno != EEXIST)
		return error_sys(err, errno, "make link '%s'", destination);
	n = readlinkat(parent, name, there, sizeof(there));
	if (n != (ssize_t)strlen(target) || memcmp(there, target, (size_t)n) != 0)
		return error_set(err, -EEXIST, "make link '%s': something else is there",
				 destination);
	return 0;
}

/* dest-nofollow covers a link that is there, and follows none on the way that is made. */
static int open_bind_target(struct rootfs *rootfs, const struct mount_plan *plan, int source,
			    struct error *err)
{
	cleanup_free char *clean = NULL;
	struct stat st;
	int fd;

	if (fstat(source, &st) < 0)
		return error_sys(err, errno, "stat '%s'", plan->mount->source);
	if (plan->links & MOUNT_LINK_COVERED) {
		clean = path_clean(plan->mount->destination);
		fd = beneath_open(rootfs->fd, clean, O_PATH | O_NOFOLLOW, 0);
		if (fd >= 0)
			return fd;
	}
	return open_target(rootfs, plan, !S_ISDIR(st.st_mode), err);
}

static int mount_bind(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	const char *destination = plan->mount->destination;
	cleanup_fd int source = take_source(rootfs, plan);
	cleanup_fd int target = -1;
	bool is_link = false;
	int r = 0;

	if (plan->links & MOUNT_LINK_COPIED)
		r = copy_link(rootfs, plan, &is_link, err);
	if (r < 0 || is_link)
		return r;
	if (source < 0)
		source = rootfs_clone_source(rootfs->c, plan, 0, err);
	if (source < 0)
		return source;
	target = open_bind_target(rootfs, plan, source, err);
	if (target < 0)
		return target;
	r = mount_attach(source, target);
	if (r == -ENOTDIR)
		return error_set(err, r,
				 "bind '%s' on '%s': one is a directory, and the other is not",
				 plan->mount->source, destination);
	return r < 0 ? error_sys(err, r, "bind '%s' on '%s'", plan->mount->source, destination) : 0;
}

/* SELinux: what has no mount option for it has its root directory labelled. */
static int set_label(int fd, const struct mount_plan *plan, struct error *err)
{
	const char *label = plan->xattr_label;
	cleanup_fd int dir = -1;

	if (!label)
		return 0;
	dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsetxattr(dir, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return error_sys(err, errno, "label '%s'", plan->mount->destination);
	return 0;
}

/* What a new file system @fd starts with; @target is the directory that it covers. */
static int fill_fs(const struct mount_plan *plan, int fd, int target, struct error *err)
{
	int r = set_label(fd, plan, err);

	if (r == 0 && plan->copies_up) {
		r = copy_up(target, fd, err);
		if (r < 0)
			r = error_wrap(err, r, "tmpcopyup of '%s'", plan->mount->destination);
	}
	return r;
}

/* By mount(2), for what the newer calls cannot express and drivers that were not converted to them.
 * @target is below what was just mounted then, so its root has to be looked up again. */
static int mount_old_way(struct rootfs *rootfs, const struct mount_plan *plan, char *const *data,
			 int target, struct error *err)
{
	const struct mount_fs fs = rootfs_describe_fs(plan, data);
	const struct mount_change rest = { .propagation = plan->change.propagation };
	cleanup_fd int fd = -1;
	int r = mount_make_legacy(&fs, 0, target);

	if (r < 0)
		return error_sys(err, r, "mount '%s' on '%s'", fs.type, plan->mount->destination);
	fd = beneath_open(rootfs->fd, plan->mount->destination, O_PATH, 0);
	if (fd < 0)
		return error_sys(err, fd, "open '%s'", plan->mount->destination);
	r = rootfs_change_flags(fd, plan, &rest, err);
	return r < 0 ? r : fill_fs(plan, fd, target, err);
}

/* Only mount(2)'s failure is told where that of the newer calls says nothing more. */
static int make_or_mount(struct rootfs *rootfs, const struct mount_plan *plan, char *const *data,
			 int target, int *ret_fd, struct error *err)
{
	const struct mount_fs fs = rootfs_describe_fs(plan, data);
	struct error reason = ERROR_INIT;
	int r;

	*ret_fd = -1;
	if (mount_fs_is_legacy(&fs))
		return mount_old_way(rootfs, plan, data, target, err);
	*ret_fd = rootfs_make_fs(plan, data, &reason);
	if (*ret_fd >= 0)
		return 0;
	r = reason.code;
	if (r == -EINVAL && plan->kind == MOUNT_FS &&
	    mount_old_way(rootfs, plan, data, target, NULL) == 0)
		return 0;
	return error_set(err, r, "%s", reason.msg);
}

static int mount_fs_on(struct rootfs *rootfs, const struct mount_plan *plan, char *const *data,
		       int target, struct error *err)
{
	const struct oci_mount *m = plan->mount;
	cleanup_fd int fd = take_source(rootfs, plan);
	int r = 0;

	if (fd < 0)
		r = make_or_mount(rootfs, plan, data, target, &fd, err);
	if (r < 0 || fd < 0)
		return r;
	r = fill_fs(plan, fd, target, err);
	if (r < 0)
		return r;
	r = mount_attach(fd, target);
	if (r < 0)
		return error_sys(err, r, "mount '%s' on '%s'", m->type, m->destination);
	if (plan->is_read_only_late)
		rootfs_add_late(rootfs, steal_fd(&fd), m->destination);
	return 0;
}

/* clang-format off */
static const struct {
	const char *type;
	const char *source; /* the host's own */
	int flag;           /* only where the container shares this namespace with it; 0: anyway */
} stand_ins[] = {
	{ "mqueue", "/dev/mqueue", CLONE_NEWIPC },
	{ "proc",   "/proc",       CLONE_NEWPID },
	{ "sysfs",  "/sys",        0 },
};
/* clang-format on */

/* Root of a user namespace may mount these only if their namespace belongs to it. Without that the
 * host's are bound; they keep what is mounted in them (cgroup …), so all of it becomes
 * read-only (CVE-2023-25809), but for what the container's namespace is anyway. */
static int bind_stand_in(struct rootfs *rootfs, const struct mount_plan *plan, int target)
{
	struct mount_change own = plan->change;
	cleanup_fd int fd = -1;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(stand_ins) && fd < 0; i++) {
		if (!streq(plan->mount->type, stand_ins[i].type) ||
		    rootfs->plan->namespaces.private_flags & stand_ins[i].flag)
			continue;
		fd = mount_clone(AT_FDCWD, stand_ins[i].source, true);
		if (fd < 0)
			return fd;
		if (!stand_ins[i].flag) {
			static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };

			r = mount_change(fd, &read_only, true);
			if (r < 0)
				return r;
			own.clear &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		}
	}
	if (fd < 0)
		return -EPERM;
	r = rootfs_change_flags(fd, plan, &own, NULL);
	return r < 0 ? r : mount_attach(fd, target);
}

/* A group that the user namespace has no number for cannot own terminals. */
static int mount_without_gid(struct rootfs *rootfs, const struct mount_plan *plan, int target,
			     struct error *err)
{
	cleanup_strv char **data = NULL;

	strv_each(option, plan->data)
		if (!str_after(option, "gid="))
			strv_push(&data, xstrdup(option));
	return mount_fs_on(rootfs, plan, data, target, err);
}

static int mount_on(struct rootfs *rootfs, const struct mount_plan *plan, int target,
		    struct error *err)
{
	struct error reason = ERROR_INIT;
	int r = mount_fs_on(rootfs, plan, plan->data, target, &reason);

	if (r == -EPERM && bind_stand_in(rootfs, plan, target) == 0)
		return 0;
	if (r == -EINVAL && namespaces_have_user(&rootfs->plan->namespaces) &&
	    streq(plan->mount->type, "devpts"))
		return mount_without_gid(rootfs, plan, target, err);
	return r < 0 ? error_set(err, r, "%s", reason.msg) : 0;
}

static int mount_plain(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	cleanup_fd int target = open_target_dir(rootfs, plan, err);

	return target < 0 ? target : mount_on(rootfs, plan, target, err);
}

static int mount_kernel(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	cleanup_fd int target = open_ordinary_dir(rootfs, plan, err);

	return target < 0 ? target : mount_on(rootfs, plan, target, err);
}

/* What a user namespace has no number for is shown as this one (proc_sys_kernel(5)). */
#define OVERFLOW_ID 65534

static bool is_owner(const struct rootfs *rootfs, unsigned int id)
{
	return id && !(id == OVERFLOW_ID && namespaces_have_user(&rootfs->plan->namespaces));
}

static bool is_present(const struct rootfs *rootfs, const char *destination)
{
	cleanup_fd int fd = beneath_open(rootfs->fd, destination, O_PATH, 0);

	return fd >= 0;
}

/* Without a mode of its own a tmpfs gets that of the directory it covers, instead of 1777; but not
 * that of one which is made for it. */
static int mount_tmpfs(struct rootfs *rootfs, const struct mount_plan *plan, struct error *err)
{
	bool needs_mode = !strv_has_prefix(plan->data, "mode=");
	bool covers = needs_mode && is_present(rootfs, plan->mount->destination);
	cleanup_fd int target = open_target_dir(rootfs, plan, err);
	cleanup_strv char **options = NULL;
	struct stat st;

	if (target < 0)
		return target;
	if (!covers)
		return mount_fs_on(rootfs, plan, plan->data, target, err);
	if (fstat(target, &st) < 0)
		return error_sys(err, errno, "stat '%s'", plan->mount->destination);
	options = strv_copy(plan->data);
	strv_pushf(&options, "mode=%o", st.st_mode & 07777);
	if (!strv_has_prefix(plan->data, "uid=") && is_owner(rootfs, st.st_uid))
		strv_pushf(&options, "uid=%u", st.st_uid);
	if (!strv_has_prefix(plan->data, "gid=") && is_owner(rootfs, st.st_gid))
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
	const struct mount_fs fs = rootfs_describe_fs(plan, plan->data);
	cleanup_fd int fd = beneath_open(rootfs->fd, destination, O_PATH, 0);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "open '%s'", destination);
	if (plan->data || plan->sb_flags) {
		r = mount_make_legacy(&fs, MS_REMOUNT, fd);
		if (r < 0)
			return error_sys(err, r, "remount '%s'", destination);
	}
	return rootfs_change_flags(fd, plan, &plan->change, err);
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
	for (size_t i = 0; i < rootfs->late_count; i++) {
		int r = rootfs_make_read_only(rootfs, &rootfs->late[i].fd);

		if (r < 0)
			return error_sys(err, r, "make '%s' read-only",
					 rootfs->late[i].destination);
	}
	return 0;
}
