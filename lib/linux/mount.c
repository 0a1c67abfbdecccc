/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/* The kernel copies at most this much of a value that fsconfig(2) is given, its NUL included. */
#define FSCONFIG_VALUE_MAX 256

static int clone_tree(int dirfd, const char *path, bool is_recursive, unsigned int flags)
{
	int fd;

	flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	if (is_recursive)
		flags |= AT_RECURSIVE;
	fd = open_tree(dirfd, path, flags);
	return fd < 0 ? -errno : fd;
}

int mount_clone(int dirfd, const char *path, bool is_recursive)
{
	return clone_tree(dirfd, path, is_recursive, 0);
}

int mount_clone_nofollow(int dirfd, const char *path, bool is_recursive)
{
	return clone_tree(dirfd, path, is_recursive, AT_SYMLINK_NOFOLLOW);
}

int mount_id(const char *path, uint64_t *ret)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = st.stx_mnt_id;
	return 0;
}

bool mount_change_is_empty(const struct mount_change *change)
{
	return !change->set && !change->clear && !change->propagation;
}

int mount_change(int fd, const struct mount_change *change, bool is_recursive)
{
	struct mount_attr attr = {
		.attr_set = change->set,
		.attr_clr = change->clear,
		.propagation = change->propagation,
	};
	unsigned int flags = AT_EMPTY_PATH;

	if (mount_change_is_empty(change))
		return 0;
	if (is_recursive)
		flags |= AT_RECURSIVE;
	return mount_setattr(fd, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mount_set_idmap(int fd, int userns_fd, bool is_recursive)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (unsigned int)userns_fd,
	};
	unsigned int flags = AT_EMPTY_PATH;

	if (is_recursive)
		flags |= AT_RECURSIVE;
	return mount_setattr(fd, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mount_attach(int mount_fd, int target_fd)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

	return move_mount(mount_fd, "", target_fd, "", flags) < 0 ? -errno : 0;
}

int mount_attach_at(int mount_fd, int dirfd, const char *name)
{
	return move_mount(mount_fd, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/* clang-format off */
static const struct {
	unsigned long flag;
	const char *key;
} superblock_keys[] = {
	{ MS_RDONLY,      "ro" },
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC,     "dirsync" },
	{ MS_MANDLOCK,    "mand" },
	{ MS_LAZYTIME,    "lazytime" },
};
/* clang-format on */

static int set_superblock_flags(int fs_fd, unsigned long sb_flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(superblock_keys); i++) {
		if (!(sb_flags & superblock_keys[i].flag))
			continue;
		if (fsconfig(fs_fd, FSCONFIG_SET_FLAG, superblock_keys[i].key, NULL, 0) < 0)
			return -errno;
	}
	return 0;
}

static int set_option(int fs_fd, const char *option)
{
	const char *value = strchr(option, '=');
	cleanup_free char *key = NULL;
	int r;

	if (!value) {
		r = fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
	} else {
		key = xstrndup(option, (size_t)(value - option));
		r = fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value + 1, 0);
	}
	return r < 0 ? -errno : 0;
}

static int configure(int fs_fd, const struct mount_fs *fs)
{
	int r;

	if (fs->source && fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", fs->source, 0) < 0)
		return -errno;
	r = set_superblock_flags(fs_fd, fs->sb_flags);
	if (r < 0)
		return r;
	strv_each(option, fs->options) {
		if (!*option)
			continue;
		r = set_option(fs_fd, option);
		if (r < 0)
			return r;
	}
	return fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* A context of fsopen(2) can be read like a log: one message a read, "e text" for an error. */
static void read_reason(int fs_fd, char reason[static MOUNT_REASON_MAX])
{
	ssize_t n = read(fs_fd, reason, MOUNT_REASON_MAX - 1);

	if (n < 2) {
		reason[0] = '\0';
		return;
	}
	memmove(reason, reason + 2, (size_t)n - 2);
	reason[n - 2] = '\0';
	reason[strcspn(reason, "\n")] = '\0';
}

int mount_make(const struct mount_fs *fs, char ret_reason[static MOUNT_REASON_MAX])
{
	cleanup_fd int fs_fd = fsopen(fs->type, FSOPEN_CLOEXEC);
	int fd, r;

	ret_reason[0] = '\0';
	if (fs_fd < 0)
		return -errno;
	r = configure(fs_fd, fs);
	if (r < 0) {
		read_reason(fs_fd, ret_reason);
		return r;
	}
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)fs->attrs);
	return fd < 0 ? -errno : fd;
}

bool mount_fs_is_legacy(const struct mount_fs *fs)
{
	if (fs->sb_flags & MS_I_VERSION)
		return true;
	strv_each(option, fs->options) {
		const char *value = strchr(option, '=');

		if (value && strlen(value + 1) >= FSCONFIG_VALUE_MAX)
			return true;
	}
	return fs->source && strlen(fs->source) >= FSCONFIG_VALUE_MAX;
}

/* clang-format off */
static const struct {
	uint64_t attr;
	unsigned long flag;
} legacy_flags[] = {
	{ MOUNT_ATTR_RDONLY,      MS_RDONLY },
	{ MOUNT_ATTR_NOSUID,      MS_NOSUID },
	{ MOUNT_ATTR_NODEV,       MS_NODEV },
	{ MOUNT_ATTR_NOEXEC,      MS_NOEXEC },
	{ MOUNT_ATTR_NOATIME,     MS_NOATIME },
	{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
	{ MOUNT_ATTR_NODIRATIME,  MS_NODIRATIME },
	{ MOUNT_ATTR_NOSYMFOLLOW, 256 /* MS_NOSYMFOLLOW, missing in glibc */ },
};
/* clang-format on */

int mount_make_legacy(const struct mount_fs *fs, unsigned long extra_flags, int target_fd)
{
	cleanup_free char *data = strv_join(fs->options, ",");
	cleanup_free char *target = xasprintf("/proc/self/fd/%d", target_fd);
	unsigned long flags = fs->sb_flags | extra_flags;

	for (size_t i = 0; i < ARRAY_SIZE(legacy_flags); i++)
		if (fs->attrs & legacy_flags[i].attr)
			flags |= legacy_flags[i].flag;
	if (mount(fs->source ? fs->source : "none", target, fs->type, flags, data) < 0)
		return -errno;
	return 0;
}

int mount_make_points(void)
{
	static char *const options[] = { (char *)"mode=0755", (char *)"nr_blocks=16",
					 (char *)"nr_inodes=1024", NULL };
	static const struct mount_fs fs = {
		.type = "tmpfs",
		.source = "tmpfs",
		.options = options,
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	char reason[MOUNT_REASON_MAX];

	return mount_make(&fs, reason);
}

/* The old root is mounted over the new one, and so both are in one place without a name. */
int mount_change_root(int fd)
{
	if (fchdir(fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int mount_make_empty(void)
{
	static char *const options[] = { (char *)"nr_blocks=1", (char *)"nr_inodes=1", NULL };
	static const struct mount_fs empty = {
		.type = "tmpfs",
		.source = "tmpfs",
		.options = options,
		.attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			 MOUNT_ATTR_NOEXEC,
	};
	char reason[MOUNT_REASON_MAX];

	return mount_make(&empty, reason);
}
