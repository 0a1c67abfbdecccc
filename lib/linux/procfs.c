/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"

int procfs_open(void)
{
	static const struct mount_fs proc = {
		.type = "proc",
		.source = "proc",
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	char reason[MOUNT_REASON_MAX];

	return mount_make(&proc, reason);
}

/* The inode number of every proc's root (PROC_ROOT_INO): no other directory of one has it. */
#define ROOT_INODE 1

int procfs_open_host(void)
{
	cleanup_fd int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != ROOT_INODE)
		return -EXDEV;
	return steal_fd(&fd);
}

int procfs_open_file(int procfs_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)flags | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, procfs_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int procfs_write(int procfs_fd, const char *path, const char *text)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	cleanup_fd int fd = (int)syscall(SYS_openat2, procfs_fd, path, &how, sizeof(how));
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
