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
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/linux/mount.h"

int rootfs_change_flags(int fd, const struct mount_plan *mount, const struct mount_change *own,
			struct error *err)
{
	int r = mount_change(fd, &mount->recursive, true);

	if (r == 0)
		r = mount_change(fd, own, false);
	/* mount_namespaces(7): what a more privileged one made read-only, nosuid … stays so. */
	if (r == -EPERM && (own->clear || mount->recursive.clear))
		return error_set(err, r, "set flags of '%s': cannot clear locked flags",
				 mount->mount->destination);
	return r < 0 ? error_sys(err, r, "set flags of '%s'", mount->mount->destination) : 0;
}

/* What init's own mount namespace would have done to it: nothing that is mounted in the container
 * shows up on the host. */
static int cut(int fd, const struct mount_plan *mount, uint64_t propagation)
{
	const struct mount_change change = { .propagation = propagation };

	/* One that is recursive, too, comes anyway. */
	return mount->recursive.propagation ? 0 : mount_change(fd, &change, true);
}

int rootfs_clone_source(const struct engine_container *c, const struct mount_plan *mount,
			uint64_t host_propagation, struct error *err)
{
	const char *source = mount->mount->source;
	cleanup_free char *joined = NULL;
	cleanup_fd int fd = -1;
	int r;

	if (*source != '/')
		source = joined = xasprintf("%s/%s", c->bundle, source);
	fd = mount->links & MOUNT_LINK_SOURCE
		     ? mount_clone_nofollow(AT_FDCWD, source, mount->is_recursive)
		     : mount_clone(AT_FDCWD, source, mount->is_recursive);
	if (fd < 0)
		return error_sys(err, fd, "bind source '%s'", source);
	r = cut(fd, mount, host_propagation);
	if (r < 0)
		return error_sys(err, r, "cut '%s' from the host", source);
	if (mount->idmap.is_wanted) {
		r = mount_idmap_apply(&mount->idmap, fd, source, err);
		if (r < 0)
			return r;
	}
	r = rootfs_change_flags(fd, mount, &mount->change, err);
	return r < 0 ? r : steal_fd(&fd);
}

struct mount_fs rootfs_describe_fs(const struct mount_plan *mount, char *const *data)
{
	const struct oci_mount *m = mount->mount;

	return (struct mount_fs){
		.type = m->type,
		.source = m->source && *m->source ? m->source : m->type,
		.options = data,
		.sb_flags = mount->sb_flags,
		.attrs = mount->change.set,
	};
}

int rootfs_make_fs(const struct mount_plan *mount, char *const *data, struct error *err)
{
	const struct mount_fs fs = rootfs_describe_fs(mount, data);
	/* Attributes come with the mount; only its propagation is left. */
	const struct mount_change rest = { .propagation = mount->change.propagation };
	char reason[MOUNT_REASON_MAX] = "";
	cleanup_fd int fd = mount_make(&fs, reason);
	int r;

	if (fd < 0 && *reason)
		return error_set(err, fd, "mount '%s' on '%s': %s", fs.type,
				 mount->mount->destination, reason);
	if (fd < 0)
		return error_sys(err, fd, "mount '%s' on '%s'", fs.type, mount->mount->destination);
	r = rootfs_change_flags(fd, mount, &rest, err);
	return r < 0 ? r : steal_fd(&fd);
}

/* Whether it is init who has to look: a link that is copied is not bound. */
static bool is_copied_link(const struct mount_plan *mount)
{
	struct stat st;

	return mount->links & MOUNT_LINK_COPIED && lstat(mount->mount->source, &st) == 0 &&
	       S_ISLNK(st.st_mode);
}

static bool is_on_block_device(const struct mount_plan *mount)
{
	const char *source = mount->mount->source;
	struct stat st;

	struct mount_fs fs = rootfs_describe_fs(mount, mount->data);

	return mount->kind == MOUNT_FS && mount->may_have_device && source && *source == '/' &&
	       stat(source, &st) == 0 && S_ISBLK(st.st_mode) && !mount_fs_is_legacy(&fs);
}

static bool is_bound_early(const struct mount_plan *mount, bool has_userns)
{
	return mount->kind == MOUNT_BIND && (has_userns || mount->idmap.is_wanted) &&
	       !is_copied_link(mount);
}

/* @excuse: the error that leaves it to init. */
static int open_one(const struct engine_container *c, const struct container_plan *plan,
		    const struct mount_plan *mount, int *excuse, struct error *err)
{
	bool has_userns = namespaces_have_user(&plan->namespaces);
	uint64_t host = plan->propagation.host;

	if (is_bound_early(mount, has_userns)) {
		*excuse = -ENOENT; /* perhaps an earlier mount of the container's makes it */
		/* Across user namespaces the kernel never lets a tree stay shared. */
		return rootfs_clone_source(c, mount, has_userns && !host ? MS_SLAVE : host, err);
	}
	*excuse = -EINVAL; /* perhaps only mount(2) can do it */
	return is_on_block_device(mount) ? rootfs_make_fs(mount, mount->data, err) : -EINVAL;
}

/* A caller may have no rights over its own mounts, without any or as root of a user namespace that
 * does not own them. Init gets them over the copies in its user namespace. */
static bool is_inits_business(const struct container_plan *plan, int code, int excuse)
{
	return code == excuse || (code == -EPERM && namespaces_have_user(&plan->namespaces));
}

int rootfs_open_sources(const struct engine_container *c, const struct container_plan *plan,
			struct rootfs_sources *ret, struct error *err)
{
	ret->mounts = xcalloc(plan->mounts_count + 1, sizeof(*ret->mounts));
	for (size_t i = 0; i < plan->mounts_count; i++)
		ret->mounts[ret->mounts_count++] = -1;
	for (size_t i = 0; i < plan->mounts_count; i++) {
		struct error reason = ERROR_INIT;
		int excuse;
		int fd = open_one(c, plan, &plan->mounts[i], &excuse, &reason);

		if (fd >= 0)
			ret->mounts[i] = fd;
		else if (!is_inits_business(plan, fd, excuse))
			return error_set(err, fd, "mounts[%zu]: %s", plan->mounts[i].index,
					 reason.msg);
	}
	return 0;
}

void rootfs_close_sources(struct rootfs_sources *sources)
{
	for (size_t i = 0; i < sources->mounts_count; i++)
		if (sources->mounts[i] >= 0)
			close(sources->mounts[i]);
	free(sources->mounts);
	*sources = (struct rootfs_sources){ 0 };
}
