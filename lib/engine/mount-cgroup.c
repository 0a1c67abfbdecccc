/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/engine.h"
#include "lib/linux/cgroupfs.h"
#include "lib/linux/mount.h"

/*
 * A mount of type cgroup: on a host with v2 only it is that hierarchy; on v1 and hybrid hosts a
 * tmpfs with one directory a hierarchy, as the host has it. With a cgroup namespace of its own
 * the container gets file systems whose root is its cgroup; without one v1 hierarchies are bound
 * from the container's own directory, so that no other can be seen.
 */
struct hierarchies {
	struct cgroupfs_mount *mounts;
	size_t count;
};

static void hierarchies_done(struct hierarchies *h)
{
	cgroupfs_free_mounts(h->mounts, h->count);
}

static bool has_namespace(const struct rootfs *rootfs)
{
	return rootfs->plan->namespaces.private_flags & CLONE_NEWCGROUP;
}

/* What is mounted anew has its own flags already; what is bound has the host's. */
static int set_flags(int mount_fd, const struct mount_plan *plan, bool is_new, struct error *err)
{
	const struct mount_change rest = { .propagation = plan->change.propagation };

	return rootfs_change_flags(mount_fd, plan, is_new ? &rest : &plan->change, err);
}

/* Root of a user namespace may mount it only with a cgroup namespace of its own; others get what
 * the host has at @mount_point, of which no more than the container's cgroup is theirs to write. */
static int make_v2(const struct mount_plan *plan, const char *mount_point, struct error *err)
{
	const struct mount_fs fs = {
		.type = "cgroup2",
		.source = "cgroup",
		.options = streq(plan->mount->type, "cgroup2") ? plan->data : NULL,
		.attrs = plan->change.set,
	};
	char reason[MOUNT_REASON_MAX];
	cleanup_fd int fd = mount_make(&fs, reason);
	bool is_new = fd >= 0;
	int r;

	if ((fd == -EPERM || fd == -EBUSY) && mount_point)
		fd = mount_clone(AT_FDCWD, mount_point, false);
	if (fd < 0)
		return error_sys(err, fd, "mount cgroup2%s%s", *reason ? ": " : "", reason);
	r = set_flags(fd, plan, is_new, err);
	return r < 0 ? r : steal_fd(&fd);
}

static int make_v1(const struct mount_plan *plan, const struct cgroupfs_mount *mount,
		   char *const *identity, struct error *err)
{
	const struct mount_fs fs = {
		.type = "cgroup",
		.source = "cgroup",
		.options = identity,
		.attrs = plan->change.set,
	};
	char reason[MOUNT_REASON_MAX];
	cleanup_fd int fd = mount_make(&fs, reason);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "mount cgroup hierarchy '%s'", mount->mount_point);
	r = set_flags(fd, plan, true, err);
	return r < 0 ? r : steal_fd(&fd);
}

/* The container's own directory in the hierarchy. It has none where a user may not make any (see
 * is_lenient): *ret_is_own is false then, and it is all of the hierarchy. */
static int clone_own(const struct rootfs *rootfs, const struct cgroupfs_mount *mount,
		     char **ret_path, bool *ret_is_own)
{
	const struct cgroup *cg = rootfs->c->cgroup;
	int fd = -ENOENT;

	*ret_is_own = cg;
	*ret_path = xasprintf("%s%s", mount->mount_point, cg ? cg->path : "");
	if (cg)
		fd = mount_clone(AT_FDCWD, *ret_path, false);
	if (fd != -ENOENT || (cg && !cg->is_lenient))
		return fd;
	*ret_is_own = false;
	free(*ret_path);
	*ret_path = xstrdup(mount->mount_point);
	return mount_clone(AT_FDCWD, *ret_path, false);
}

/* A container without a cgroup of its own may look at the host's, and no more. */
static int bind_own(const struct rootfs *rootfs, const struct mount_plan *plan,
		    const struct cgroupfs_mount *mount, struct error *err)
{
	const struct mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	cleanup_free char *path = NULL;
	bool is_own;
	cleanup_fd int fd = clone_own(rootfs, mount, &path, &is_own);
	int r = fd;

	if (r >= 0)
		r = set_flags(fd, plan, false, err);
	if (r >= 0 && !is_own)
		r = mount_change(fd, &readonly, false);
	return r < 0 ? error_sys(err, r, "bind '%s'", path) : steal_fd(&fd);
}

/* "cpu,cpuacct" is one hierarchy, which programs look for as "cpu" and as "cpuacct". */
static void link_controllers(int tmpfs_fd, const char *name, char *const *identity)
{
	strv_each(option, identity) {
		if (streq(option, name) || str_after(option, "name="))
			continue;
		if (symlinkat(name, tmpfs_fd, option) < 0)
			log_debug("cannot link cgroup controller '%s'", option);
	}
}

static int make_hierarchy(const struct rootfs *rootfs, const struct mount_plan *plan,
			  const struct cgroupfs_mount *mount, char *const *identity,
			  struct error *err)
{
	if (!has_namespace(rootfs))
		return bind_own(rootfs, plan, mount, err);
	if (mount->is_v2)
		return make_v2(plan, mount->mount_point, err);
	return make_v1(plan, mount, identity, err);
}

static int mount_hierarchy(const struct rootfs *rootfs, const struct mount_plan *plan,
			   const struct cgroupfs_mount *mount, int tmpfs_fd, struct error *err)
{
	const char *slash = strrchr(mount->mount_point, '/');
	const char *name = slash ? slash + 1 : mount->mount_point;
	cleanup_strv char **identity = NULL;
	cleanup_fd int fd = -1;
	int r;

	strv_each(option, mount->options)
		if (cgroupfs_is_identity(option))
			strv_push(&identity, xstrdup(option));
	fd = make_hierarchy(rootfs, plan, mount, identity, err);
	if (fd < 0)
		return fd;
	if (mkdirat(tmpfs_fd, name, 0755) < 0)
		return error_sys(err, errno, "make directory for cgroup hierarchy '%s'", name);
	r = mount_attach_at(fd, tmpfs_fd, name);
	if (r < 0)
		return error_sys(err, r, "mount cgroup hierarchy '%s'", name);
	if (!mount->is_v2)
		link_controllers(tmpfs_fd, name, identity);
	return 0;
}

static int mount_v1(struct rootfs *rootfs, const struct mount_plan *plan,
		    const struct hierarchies *h, int target_fd, struct error *err)
{
	static char *const options[] = { (char *)"mode=755", NULL };
	const struct mount_fs fs = {
		.type = "tmpfs",
		.source = "cgroup",
		.options = options,
		.attrs = plan->change.set & ~(uint64_t)MOUNT_ATTR_RDONLY,
	};
	char reason[MOUNT_REASON_MAX];
	cleanup_fd int tmpfs = mount_make(&fs, reason);
	int r;

	if (tmpfs < 0)
		return error_sys(err, tmpfs, "mount tmpfs on '%s'", plan->mount->destination);
	r = mount_attach(tmpfs, target_fd);
	if (r < 0)
		return error_sys(err, r, "mount tmpfs on '%s'", plan->mount->destination);
	for (size_t i = 0; i < h->count; i++) {
		r = mount_hierarchy(rootfs, plan, &h->mounts[i], tmpfs, err);
		if (r < 0)
			return r;
	}
	if (plan->change.set & MOUNT_ATTR_RDONLY)
		rootfs_add_late(rootfs, steal_fd(&tmpfs), plan->mount->destination);
	return 0;
}

static const char *find_v2(const struct hierarchies *h)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->mounts[i].is_v2)
			return h->mounts[i].mount_point;
	return NULL;
}

static int mount_unified(const struct mount_plan *plan, const struct hierarchies *h, int target_fd,
			 struct error *err)
{
	cleanup_fd int fd = make_v2(plan, find_v2(h), err);
	int r;

	if (fd < 0)
		return fd;
	r = mount_attach(fd, target_fd);
	return r < 0 ? error_sys(err, r, "mount cgroup2 on '%s'", plan->mount->destination) : 0;
}

int rootfs_mount_cgroups(struct rootfs *rootfs, const struct mount_plan *plan, int target_fd,
			 struct error *err)
{
	CLEANUP(hierarchies_done) struct hierarchies h = { NULL, 0 };
	int r = cgroupfs_find_mounts(&h.mounts, &h.count);

	if (r < 0)
		return error_sys(err, r, "find cgroup hierarchies");
	if (streq(plan->mount->type, "cgroup2") || (h.count == 1 && h.mounts[0].is_v2))
		return mount_unified(plan, &h, target_fd, err);
	return mount_v1(rootfs, plan, &h, target_fd, err);
}
