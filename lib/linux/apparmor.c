/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/apparmor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/linux/procfs.h"

int apparmor_open_exec(int procfs_fd)
{
	int fd = procfs_open_file(procfs_fd, "thread-self/attr/apparmor/exec", O_WRONLY);

	/* Before Linux 5.8 there is only the name that whichever module is first has. */
	return fd == -ENOENT ? procfs_open_file(procfs_fd, "thread-self/attr/exec", O_WRONLY) : fd;
}

int apparmor_write_exec(int fd, const char *profile)
{
	cleanup_free char *text = xasprintf("exec %s", profile);

	/* As one piece or not at all. */
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}
