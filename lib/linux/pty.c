/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "lib/base/beneath.h"
#include "lib/base/fd.h"

static bool is_ptmx(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
	       fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC;
}

/* O_PATH first: a device that somebody put there is not opened before it is known. */
static int open_ptmx(int rootfd)
{
	cleanup_fd int path = beneath_open(rootfd, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW, 0);
	cleanup_fd int fd = -1;

	if (path < 0)
		return path;
	if (!is_ptmx(path))
		return -ENOTTY;
	fd = beneath_open(rootfd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	return is_ptmx(fd) ? steal_fd(&fd) : -ENOTTY;
}

int pty_open_beneath(int rootfd, struct pty *ret)
{
	cleanup_fd int master = open_ptmx(rootfd);
	int unlocked = 0, slave;
	unsigned int number;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	*ret = (struct pty){ steal_fd(&master), slave, number };
	return 0;
}

void pty_close(struct pty *pty)
{
	close_fdp(&pty->master);
	close_fdp(&pty->slave);
	pty->master = pty->slave = -1;
}

int pty_resize(int fd, uint32_t height, uint32_t width)
{
	struct winsize size = {
		.ws_row = (unsigned short)height,
		.ws_col = (unsigned short)width,
	};

	if (height > UINT16_MAX || width > UINT16_MAX)
		return -ERANGE;
	return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int pty_take(int slave)
{
	return ioctl(slave, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
