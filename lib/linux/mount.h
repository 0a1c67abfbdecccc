/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Mounts by descriptor (Linux 5.12: fsopen(2) … mount_setattr(2)): a mount is made detached, gets
 * its attributes while nobody sees it, and is attached to a directory that is a descriptor too, so
 * that no name can be swapped in between. Leaf functions: a descriptor or 0, or -errno.
 */

/* A detached copy of what is mounted at @path (AT_EMPTY_PATH: @path ""), with everything below
 * it when @is_recursive. The source must be in this process's mount namespace. */
int mount_clone(int dirfd, const char *path, bool is_recursive);
/* The same of @path itself, if that is a symbolic link. */
int mount_clone_nofollow(int dirfd, const char *path, bool is_recursive);

/* The id of the topmost mount at @path, as long as that is there. */
int mount_id(const char *path, uint64_t *ret);

struct mount_change {
	uint64_t set; /* MOUNT_ATTR_… */
	uint64_t clear;
	uint64_t propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; 0: as it is */
};
bool mount_change_is_empty(const struct mount_change *change);
/* Changes the mount whose root @fd is; a change that is empty costs nothing. */
int mount_change(int fd, const struct mount_change *change, bool is_recursive);

/* Shows the files of a detached tree with the ids of user namespace @userns_fd. -EINVAL: a file
 * system in it has no support for that, or is mapped already. */
int mount_set_idmap(int fd, int userns_fd, bool is_recursive);

/* Attaches a detached mount. @target_fd: O_PATH is enough. @mount_fd then is its root. */
int mount_attach(int mount_fd, int target_fd);
/* The same on @name in @dirfd, a directory in which nobody else can put a link. */
int mount_attach_at(int mount_fd, int dirfd, const char *name);

struct mount_fs {
	const char *type;
	const char *source;	/* NULL: none */
	char *const *options;	/* "key=value" or "flag", NULL-terminated or NULL */
	unsigned long sb_flags; /* MS_RDONLY MS_SYNCHRONOUS MS_DIRSYNC MS_LAZYTIME … */
	uint64_t attrs;		/* MOUNT_ATTR_… */
};
#define MOUNT_REASON_MAX 200

/* A new detached mount of a file system. @ret_reason, when it fails, gets what the file system
 * itself says about it, or "". */
int mount_make(const struct mount_fs *fs, char ret_reason[static MOUNT_REASON_MAX]);

/* Whether only mount(2) can express @fs: a value of 256 bytes and more, or i_version. */
bool mount_fs_is_legacy(const struct mount_fs *fs);
/* The same by mount(2), attached at once; needs the host's /proc. @extra_flags: MS_REMOUNT or 0. */
int mount_make_legacy(const struct mount_fs *fs, unsigned long extra_flags, int target_fd);

/* Makes mount @fd, a directory, the root and the working directory of this process, whose mount
 * namespace is its own; the old root is no longer there. -EINVAL: that is shared with others. */
int mount_change_root(int fd);

/* A tmpfs with room for mount points and links alone, detached. */
int mount_make_points(void);
/* An empty read-only tmpfs, detached: what covers a directory that must not be seen. */
int mount_make_empty(void);
