/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/engine/plan.h"

struct error;

/*
 * What is mounted, made by the caller before init is cloned where init could not do it itself:
 *
 * - trees to bind, for a container with a user namespace: root of that may not be able to search
 *   the way there, or to clone a part of a tree that became one piece when it was copied for
 *   another user namespace;
 * - trees whose ids are mapped: the host's /proc, where mappings are written, does not know the
 *   processes of a new pid namespace by the numbers that they have there;
 * - file systems on block devices: init's cgroup, and its user namespace, may have no access to
 *   the device.
 *
 * Init inherits the descriptors. Each tree is detached, has its flags, and is cut from the host's
 * propagation.
 */
struct rootfs_sources {
	int *mounts; /* by index in the plan's mounts: the tree, or -1 */
	size_t mounts_count;
};

/* sources.c: */
int rootfs_open_sources(const struct engine_container *c, const struct container_plan *plan,
			struct rootfs_sources *ret, struct error *err);
void rootfs_close_sources(struct rootfs_sources *sources);
/* The detached tree of a bind mount with its flags and ids. @host_propagation: what it is to be
 * cut from the host with, 0 where the mount namespace is. A source that is relative starts at the
 * bundle. -ENOENT: it is not there. */
int rootfs_clone_source(const struct engine_container *c, const struct mount_plan *mount,
			uint64_t host_propagation, struct error *err);
/* A new file system, detached, with its flags. -EINVAL: perhaps only mount(2) can do it. */
int rootfs_make_fs(const struct mount_plan *mount, char *const *data, struct error *err);
/* Flags of all below @fd, then those of @own for itself. */
int rootfs_change_flags(int fd, const struct mount_plan *mount, const struct mount_change *own,
			struct error *err);
/* The words that mount(2) would take. */
struct mount_fs rootfs_describe_fs(const struct mount_plan *mount, char *const *data);

/*
 * The container's tree, while init builds it: attached in init's mount namespace and reached by
 * descriptor only. What is beneath it belongs to the container and is hostile; what the host has
 * (bind sources, /dev/null) is looked up by name until rootfs_change().
 */
/* clang-format off */
struct rootfs {
	const struct engine_container *c;
	const struct container_plan *plan;
	const struct rootfs_sources *sources; /* empty: init reaches them by name itself */
	int fd;      /* its "/", or -1 */
	int null_fd; /* the host's /dev/null, known to be one, or -1 */
	int host_fd; /* the caller's "/", if that is a chroot, or -1 */
	int base_fd; /* what holds a tree that is attached nowhere, or -1 */

	/* Mounts that become read-only once nothing is to be made in them any more. */
	struct {
		int fd;
		const char *destination;
	} *late;
	size_t late_count;
};

#define ROOTFS_INIT { .fd = -1, .null_fd = -1, .host_fd = -1, .base_fd = -1 }
/* clang-format on */
void rootfs_done(struct rootfs *rootfs);

/* In order. rootfs.c: */
int rootfs_attach(struct rootfs *rootfs, struct error *err); /* propagation, then the tree */
/* mounts.c, one of them in mount-cgroup.c: */
int rootfs_mount(struct rootfs *rootfs, struct error *err);
int rootfs_mount_cgroups(struct rootfs *rootfs, const struct mount_plan *plan, int target_fd,
			 struct error *err);
/* devices.c: */
int rootfs_make_devices(struct rootfs *rootfs, struct error *err);
/* hidden.c: masked and read-only paths */
int rootfs_hide(struct rootfs *rootfs, struct error *err);
/* mounts.c: what was to become read-only late */
int rootfs_seal_mounts(struct rootfs *rootfs, struct error *err);
/* rootfs.c: it becomes "/", and the host's tree is gone */
int rootfs_change(struct rootfs *rootfs, struct error *err);
/* rootfs.c: read-only root and its propagation; nothing can be made in it after that */
int rootfs_seal(struct rootfs *rootfs, struct error *err);

/* Remembers a mount that rootfs_seal_mounts() makes read-only. Takes @fd. */
void rootfs_add_late(struct rootfs *rootfs, int fd, const char *destination);
/* Makes one that was attached in it read-only; *fd may become another. Leaf: 0 or -errno. */
int rootfs_make_read_only(const struct rootfs *rootfs, int *fd);
