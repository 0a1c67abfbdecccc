/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/linux/mount.h"

/* What init's own mount namespace would have done to it: nothing that is mounted in the container
 * shows up on the host. Across user namespaces the kernel never lets a tree stay shared. */
static int cut(int fd, const struct container_plan *plan)
{
	uint64_t host = plan->propagation.host;
	const struct mount_change change = { .propagation = host ? host : MS_SLAVE };

	return mount_change(fd, &change, true);
}

static int open_source(const struct engine_container *c, const struct container_plan *plan,
		       const struct mount_plan *mount, int *ret, struct error *err)
{
	const char *source = mount->mount->source;
	cleanup_free char *joined = NULL;
	cleanup_fd int fd = -1;
	int r;

	if (*source != '/')
		source = joined = xasprintf("%s/%s", c->bundle, source);
	fd = mount_clone(AT_FDCWD, source, mount->is_recursive);
	/* Perhaps an earlier mount of the container's makes it. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return error_sys(err, fd, "bind source '%s'", source);
	r = cut(fd, plan);
	if (r < 0)
		return error_sys(err, r, "cut '%s' from the host", source);
	*ret = steal_fd(&fd);
	return 0;
}

int rootfs_open_sources(const struct engine_container *c, const struct container_plan *plan,
			struct rootfs_sources *ret, struct error *err)
{
	if (!(plan->namespaces.private_flags & CLONE_NEWUSER))
		return 0;
	ret->mounts = xcalloc(plan->mounts_count + 1, sizeof(*ret->mounts));
	for (size_t i = 0; i < plan->mounts_count; i++)
		ret->mounts[ret->mounts_count++] = -1;
	for (size_t i = 0; i < plan->mounts_count; i++) {
		int r = 0;

		if (plan->mounts[i].kind == MOUNT_BIND)
			r = open_source(c, plan, &plan->mounts[i], &ret->mounts[i], err);
		if (r < 0)
			return error_wrap(err, r, "mounts[%zu]", plan->mounts[i].index);
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
