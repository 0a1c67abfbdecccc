/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"

/* Stands for the namespace until there is a descriptor of it, or its maker is dead. */
__attribute__((noreturn)) static void hold(const int *pipe_fds)
{
	char byte;

	close(pipe_fds[1]);
	(void)!read(pipe_fds[0], &byte, 1); /* ends with the other end's last descriptor */
	_exit(0);
}

static int open_mapped(pid_t pid, const char *uid_map, const char *gid_map)
{
	cleanup_free char *dir = xasprintf("/proc/%d", (int)pid);
	cleanup_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd, r;

	if (dir_fd < 0)
		return -errno;
	r = write_file_at(dir_fd, "uid_map", uid_map);
	if (r == 0)
		r = write_file_at(dir_fd, "gid_map", gid_map);
	if (r < 0)
		return r;
	fd = openat(dir_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int userns_make(const char *uid_map, const char *gid_map)
{
	struct clone_request clone = { .flags = CLONE_NEWUSER, .cgroup_fd = -1 };
	cleanup_pid pid_t pid = 0;
	int pipe_fds[2];
	int r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	r = clone_process(&clone);
	if (r == 0)
		hold(pipe_fds);
	close(pipe_fds[0]);
	if (r > 0) {
		pid = r;
		r = open_mapped(pid, uid_map, gid_map);
	}
	close(pipe_fds[1]);
	return r;
}
