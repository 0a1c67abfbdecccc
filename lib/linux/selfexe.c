/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/selfexe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/linux/mount.h"

/* Set across the one execve(2), so that a kernel that does not show what was done ends in an
 * error and not in a loop. */
#define GUARD "_MOAT_SELFEXE"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

static bool is_protected(int self)
{
	struct statfs fs;

	if (fstatfs(self, &fs) == 0 && fs.f_flags & ST_RDONLY)
		return true;
	return fcntl(self, F_GET_SEALS) == seals;
}

static int clone_read_only(int self)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };
	cleanup_fd int fd = mount_clone(self, "", false);
	int r;

	if (fd < 0)
		return fd;
	r = mount_change(fd, &read_only, false);
	return r < 0 ? r : steal_fd(&fd);
}

static int copy_all(int from, int to)
{
	struct stat st;
	off_t offset = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (offset < st.st_size) {
		ssize_t n = sendfile(to, from, &offset, (size_t)(st.st_size - offset));

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
	}
	return 0;
}

static int copy_sealed(int self)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	cleanup_fd int fd = memfd_create("moat", flags | MFD_EXEC);
	int r;

	/* Before Linux 6.3 there is no such flag, and memory files are executable anyway. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("moat", flags);
	if (fd < 0)
		return -errno;
	r = copy_all(self, fd);
	if (r < 0)
		return r;
	return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : steal_fd(&fd);
}

int selfexe_protect(char *const argv[], struct error *err)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int image = -1;

	if (self < 0)
		return error_sys(err, errno, "open '/proc/self/exe'");
	if (is_protected(self)) {
		unsetenv(GUARD);
		return 0;
	}
	if (getenv(GUARD))
		return error_set(err, -EPERM, "own program: cannot protect it from containers");
	image = clone_read_only(self);
	if (image < 0)
		image = copy_sealed(self);
	if (image < 0)
		return error_sys(err, image, "own program: make a protected copy");
	if (setenv(GUARD, "1", 1) < 0)
		return error_sys(err, errno, "set environment");
	execveat(image, "", argv, environ, AT_EMPTY_PATH);
	return error_sys(err, errno, "own program: execute the protected copy");
}
