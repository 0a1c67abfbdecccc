/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/standard-fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"

int standard_fds_place(int fds[3], struct error *err)
{
	/* Out of the way first: one of them may be where another one has to go. */
	for (int i = 0; i < 3; i++) {
		if (fds[i] == i || fds[i] > 2)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return error_sys(err, errno, "duplicate stdio");
	}
	for (int i = 0; i < 3; i++)
		if (fds[i] != i && dup2(fds[i], i) < 0)
			return error_sys(err, errno, "set stdio");
	return 0;
}

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* What an image has there instead of the device is neither waited for nor become a terminal. */
static int open_null(void)
{
	cleanup_fd int fd =
		open("/dev/null", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !is_null(&st))
		return -1;
	return fcntl(fd, F_SETFL, 0) < 0 ? -1 : steal_fd(&fd);
}

void standard_fds_reopen_null(void)
{
	cleanup_fd int null_fd = -1;

	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 || !is_null(&st))
			continue;
		if (null_fd < 0)
			null_fd = open_null();
		if (null_fd < 0)
			return;
		(void)dup2(null_fd, fd); /* cannot fail with descriptors that are open */
	}
}

int standard_fds_own(uid_t uid, struct error *err)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			return error_sys(err, errno, "stat stdio");
		if (st.st_uid == uid || is_null(&st))
			continue;
		/* Sockets, read-only file systems, owners that a user namespace does not know: a
		 * convenience that cannot be had there. */
		if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EPERM && errno != EROFS &&
		    errno != EINVAL)
			return error_sys(err, errno, "change owner of stdio");
	}
	return 0;
}
