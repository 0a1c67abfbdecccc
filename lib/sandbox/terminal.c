/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/linux/pty.h"

static int open_pair(int *ret_master, int *ret_slave, char *name, size_t size, struct error *err)
{
	cleanup_fd int master = -1;
	int slave;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || unlockpt(master) < 0)
		return error_sys(err, errno, "open '/dev/ptmx'");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_sys(err, errno, "open the terminal's other side");
	if (ptsname_r(master, name, size))
		snprintf(name, size, "/dev/pts/?");
	*ret_master = steal_fd(&master);
	*ret_slave = slave;
	return 0;
}

static int make_raw(int fd)
{
	struct termios mode;

	if (tcgetattr(fd, &mode) < 0)
		return -errno;
	cfmakeraw(&mode);
	return tcsetattr(fd, TCSANOW, &mode) < 0 ? -errno : 0;
}

static int sit_on(int slave, struct error *err)
{
	int r = pty_take(slave);

	if (r < 0)
		return error_sys(err, r, "take the terminal");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return error_sys(err, errno, "set standard streams");
	return 0;
}

int terminal_open(int console_socket, struct error *err)
{
	cleanup_fd int master = -1, slave = -1;
	char name[64];
	int r = open_pair(&master, &slave, name, sizeof(name), err);
	ssize_t n;

	if (r < 0)
		return r;
	r = make_raw(slave);
	if (r < 0)
		return error_sys(err, r, "set the terminal to raw mode");
	r = sit_on(slave, err);
	if (r < 0)
		return r;
	n = send_fds(console_socket, name, strlen(name), &master, 1);
	close(console_socket);
	return n < 0 ? error_sys(err, (int)n, "send the terminal over the console socket") : 0;
}
