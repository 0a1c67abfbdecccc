/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"
#include "lib/linux/pty.h"
#include "oci/config.h"

static int open_pty(int rootfd, struct pty *pty, struct error *err)
{
	int r = pty_open_beneath(rootfd, pty);

	if (r == -ENOENT)
		return error_set(err, r,
				 "process.terminal: the container has no devpts on '/dev/pts'");
	if (r == -ENOTTY)
		return error_set(err, r, "'/dev/pts/ptmx' is not that of a devpts");
	return r < 0 ? error_sys(err, r, "open a terminal") : 0;
}

static int set_up(const struct pty *pty, const struct oci_process *process, struct error *err)
{
	int r;

	/* Nothing else is changed: whoever relays it is in raw mode, and expects "\r\n" from here. */
	if (!process->console_size)
		return 0;
	r = pty_resize(pty->master, process->console_size->height, process->console_size->width);
	return r < 0 ? error_sys(err, r, "process.consoleSize") : 0;
}

static int send_master(const struct pty *pty, int console_socket, struct error *err)
{
	cleanup_free char *name = xasprintf("/dev/pts/%u", pty->number);
	ssize_t n = send_fds(console_socket, name, strlen(name), &pty->master, 1);

	return n < 0 ? error_sys(err, (int)n, "send terminal to the console socket") : 0;
}

int terminal_open(int rootfd, const struct oci_process *process, int console_socket, int *ret_slave,
		  struct error *err)
{
	CLEANUP(pty_close) struct pty pty = PTY_INIT;
	int r = open_pty(rootfd, &pty, err);

	if (r == 0)
		r = set_up(&pty, process, err);
	if (r == 0)
		r = send_master(&pty, console_socket, err);
	if (r < 0)
		return r;
	*ret_slave = steal_fd(&pty.slave);
	return 0;
}

/* A link of the image's would have the terminal cover another file. */
static int open_console(int rootfd)
{
	cleanup_fd int dev = beneath_mkdirs(rootfd, "/dev", 0755);
	struct stat st;
	int made;

	if (dev < 0)
		return dev;
	if (fstatat(dev, "console", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		(void)unlinkat(dev, "console", 0); /* if it stays, it cannot be covered */
	made = openat(dev, "console", O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (made >= 0)
		close(made);
	made = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (made >= 0 && fstat(made, &st) == 0 && S_ISLNK(st.st_mode)) {
		close(made);
		return -ELOOP;
	}
	return made < 0 ? -errno : made;
}

int terminal_bind_console(int rootfd, int slave, struct error *err)
{
	cleanup_fd int target = open_console(rootfd);
	cleanup_fd int console = -1;
	int r;

	if (target < 0)
		return error_sys(err, target, "open '/dev/console'");
	console = mount_clone(slave, "", false);
	if (console < 0)
		return error_sys(err, console, "clone terminal");
	r = mount_attach(console, target);
	return r < 0 ? error_sys(err, r, "bind terminal on '/dev/console'") : 0;
}
