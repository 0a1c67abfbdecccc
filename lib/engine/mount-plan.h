/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/engine/mount-idmap.h"
#include "lib/linux/mount.h"
#include "oci/config.h"

struct error;

/*
 * What one entry of `mounts` means, decided without touching anything: words of `options` become
 * flags by one table, what is not in it goes to the file system.
 */
enum mount_kind {
	MOUNT_BIND,    /* a tree of the host */
	MOUNT_FS,      /* a file system of its own */
	MOUNT_TMPFS,   /* the same, with the mode of what it covers */
	MOUNT_KERNEL,  /* proc, sysfs: an ordinary directory only, since much trust hangs on them */
	MOUNT_CGROUP,  /* this host's hierarchies, or v2 */
	MOUNT_REMOUNT, /* other flags for what is there */
};

/* crun's words for symbolic links as a bind's source and destination, which are followed else. */
enum mount_link {
	MOUNT_LINK_SOURCE = 1,	/* src-nofollow: the link itself is bound */
	MOUNT_LINK_COVERED = 2, /* dest-nofollow: a link is what is mounted on */
	MOUNT_LINK_COPIED = 4,	/* copy-symlink: a link as source is made again, nothing is bound */
};

struct mount_plan {
	enum mount_kind kind;
	const struct oci_mount *mount; /* borrowed */
	size_t index;		       /* in mounts, for messages */
	bool is_recursive;	       /* rbind */
	bool may_have_device;	       /* its source may be a block device */
	bool copies_up;		       /* tmpcopyup: starts with what it covers */
	const char *xattr_label; /* SELinux label that no option can give, or NULL; borrowed */
	unsigned int links;	 /* enum mount_link */
	struct mount_idmap idmap;
	struct mount_change change;    /* of this mount */
	struct mount_change recursive; /* of this one and all below */
	unsigned long sb_flags;	       /* MS_…: of the file system */
	char **data;		       /* for the file system */
	/* Read-only only at the end: mount points and devices are still to be made in it. */
	bool is_read_only_late;
};

/* What of the rest of the configuration mounts depend on. */
struct mount_context {
	const struct oci_linux *linux_; /* for id mappings */
	const char *label;		/* SELinux label of what is mounted, or NULL */
	const char *label_option;	/* "context", or another of SELinux's, for it */
};

/* Errors name mounts[@index].options. On success @ret wants mount_plan_done(). */
int mount_plan(const struct mount_context *context, const struct oci_mount *mount, size_t index,
	       struct mount_plan *ret, struct error *err);
void mount_plan_done(struct mount_plan *plan);

/* linux.rootfsPropagation: what happens to the host's mounts as init sees them, and to "/". */
struct propagation_plan {
	uint64_t host; /* MS_PRIVATE, MS_SLAVE, or 0: they stay as they are */
	uint64_t root; /* of "/" once it is the container's, or 0 */
	bool is_root_recursive;
};
int propagation_plan(const char *rootfs_propagation, struct propagation_plan *ret,
		     struct error *err);

/* Whether @destination is lexically the root itself. */
bool mount_is_on_root(const char *destination);

/* The words of the table that say something about mounts, for `features`: NULL-terminated. */
const char *const *mount_option_words(void);
