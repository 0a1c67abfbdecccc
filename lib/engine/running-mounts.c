/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/engine.h"
#include "lib/engine/rootfs.h"
#include "lib/linux/procfs.h"

/*
 * Mounts of a container that is there already. What they show is made here, where the host's paths
 * and devices are, and attached in the container's mount namespace, which this process enters by
 * itself: it executes nothing there, follows no path but beneath the container's root, and cannot
 * be looked into by whoever shares its process numbers.
 */

struct change {
	const struct engine_mounts *request;
	const struct engine_container container; /* what rootfs.h wants to know of it */
	struct mount_plan *plans;
	size_t plans_count;
	int *trees; /* detached, by index; -1: attached */
	int root_fd;
	int proc_fd; /* of our own, to name descriptors by */
};

static void change_done(struct change *change)
{
	for (size_t i = 0; i < change->plans_count; i++) {
		close_fdp(&change->trees[i]);
		mount_plan_done(&change->plans[i]);
	}
	free(change->plans);
	free(change->trees);
	close_fdp(&change->root_fd);
	close_fdp(&change->proc_fd);
}

/* The rest is looked up, or has its privileges judged, while the container is made. */
static bool can_come_later(const struct mount_plan *plan)
{
	return plan->kind == MOUNT_FS || plan->kind == MOUNT_TMPFS ||
	       (plan->kind == MOUNT_BIND && !(plan->links & MOUNT_LINK_COPIED));
}

static int make_tree(const struct change *change, const struct mount_plan *plan, struct error *err)
{
	if (!can_come_later(plan))
		return error_set(err, -EOPNOTSUPP,
				 "'%s' cannot be mounted in a container that is there already",
				 plan->mount->destination);
	return plan->kind == MOUNT_BIND
		       ? rootfs_clone_source(&change->container, plan, MS_PRIVATE, err)
		       : rootfs_make_fs(plan, plan->data, err);
}

static int make_trees(struct change *change, struct error *err)
{
	const struct engine_mounts *request = change->request;
	struct mount_context context = { .linux_ = &request->config->linux_ };
	int r = mount_context_plan(request->config, &context, err);

	if (r < 0)
		return r;
	change->plans = xcalloc(request->count + 1, sizeof(*change->plans));
	change->trees = xcalloc(request->count + 1, sizeof(*change->trees));
	for (size_t i = 0; i < request->count; i++) {
		r = mount_plan(&context, &request->mounts[i], i, &change->plans[i], err);
		if (r < 0)
			return r;
		change->trees[change->plans_count++] = -1;
		r = make_tree(change, &change->plans[i], err);
		if (r < 0)
			return error_wrap(err, r, "mounts[%zu]", i);
		change->trees[i] = r;
	}
	return 0;
}

static int open_container(struct change *change, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/root", (int)change->request->init_pid);

	change->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (change->root_fd < 0)
		return error_sys(err, errno, "open root of the container");
	/* The pid was that process's if it lives now. */
	if (pidfd_send_signal(change->request->init_pidfd, 0, NULL, 0) < 0)
		return error_sys(err, errno, "container's init");
	change->proc_fd = procfs_open();
	return change->proc_fd < 0 ? error_sys(err, change->proc_fd, "open a proc file system") : 0;
}

static int enter(struct change *change, struct error *err)
{
	int r;

	if (!oci_namespace_find(change->request->config, OCI_NS_MOUNT))
		return error_set(err, -EOPNOTSUPP, "it has no mount namespace of its own");
	r = open_container(change, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_sys(err, errno, "make undumpable");
	if (setns(change->request->init_pidfd, CLONE_NEWNS) < 0)
		return error_sys(err, errno, "join mount namespace of the container");
	umask(0);
	return 0;
}

static int attach_one(struct change *change, size_t index, struct error *err)
{
	struct container_plan plan = { .mounts = &change->plans[index], .mounts_count = 1 };
	const struct rootfs_sources sources = { &change->trees[index], 1 };
	struct rootfs rootfs = ROOTFS_INIT;
	int r;

	rootfs.c = &change->container;
	rootfs.plan = &plan;
	rootfs.sources = &sources;
	rootfs.fd = change->root_fd;
	r = rootfs_mount(&rootfs, err);
	if (r == 0)
		r = rootfs_seal_mounts(&rootfs, err);
	rootfs.fd = -1;
	rootfs_done(&rootfs);
	return r;
}

/* umount2(2) takes a path, and only a descriptor is sure to be beneath the root. */
static int detach_one(const struct change *change, const char *destination, struct error *err)
{
	cleanup_fd int fd = -1;
	char path[sizeof("thread-self/fd/") + 3 * sizeof(int)];

	if (mount_is_on_root(destination))
		return error_set(err, -EINVAL, "'%s' is the root itself", destination);
	fd = beneath_open(change->root_fd, destination, O_PATH, 0);
	if (fd < 0)
		return error_sys(err, fd, "open '%s'", destination);
	(void)snprintf(path, sizeof(path), "thread-self/fd/%d", fd);
	if (fchdir(change->proc_fd) < 0)
		return error_sys(err, errno, "enter a proc file system");
	if (umount2(path, MNT_DETACH) == 0)
		return 0;
	if (errno == EINVAL)
		return error_set(err, -EINVAL, "'%s' is not a mount point", destination);
	return error_sys(err, errno, "unmount '%s'", destination);
}

static void undo(const struct change *change, size_t count)
{
	struct error err = ERROR_INIT;

	while (count-- > 0)
		if (detach_one(change, change->request->mounts[count].destination, &err) < 0)
			log_warning("undo: %s", err.msg);
}

#define CHANGE_INIT(request_)                                                                      \
	{                                                                                          \
		.request = (request_), .root_fd = -1, .proc_fd = -1,                               \
		.container = { .config = (request_)->config, .bundle = (request_)->bundle },       \
	}

int engine_add_mounts(const struct engine_mounts *request, struct error *err)
{
	CLEANUP(change_done) struct change change = CHANGE_INIT(request);
	int r = make_trees(&change, err);

	if (r == 0)
		r = enter(&change, err);
	for (size_t i = 0; r == 0 && i < request->count; i++) {
		r = attach_one(&change, i, err);
		if (r < 0)
			undo(&change, i);
	}
	return r;
}

int engine_remove_mounts(const struct engine_mounts *request, struct error *err)
{
	CLEANUP(change_done) struct change change = CHANGE_INIT(request);
	int r = enter(&change, err);

	for (size_t i = request->count; r == 0 && i-- > 0;) {
		r = detach_one(&change, request->mounts[i].destination, err);
		if (r < 0)
			return error_wrap(err, r, "mounts[%zu]", i);
	}
	return r;
}
