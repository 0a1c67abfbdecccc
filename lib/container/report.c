/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static int write_pid_file(const char *path, pid_t pid, struct error *err)
{
	const char *name = strrchr(path, '/') + 1;
	cleanup_free char *dir = xstrndup(path, (size_t)(name - path));
	cleanup_fd int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);
	int r;

	if (dirfd < 0)
		return error_sys(err, errno, "pid file '%s'", path);
	r = write_atomic_at(dirfd, name, text, (size_t)len, 0644);
	return r < 0 ? error_sys(err, r, "pid file '%s'", path) : 0;
}

static int send_pidfd(const char *path, const char *kind, pid_t pid, struct error *err)
{
	cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	cleanup_fd int sock = -1;
	ssize_t n;

	if (pidfd < 0)
		return error_sys(err, errno, "pidfd socket '%s': open process %d", path, (int)pid);
	sock = unix_connect(path);
	if (sock < 0)
		return error_sys(err, sock, "pidfd socket '%s': connect", path);
	n = send_fds(sock, kind, strlen(kind), &pidfd, 1);
	return n < 0 ? error_sys(err, (int)n, "pidfd socket '%s': send", path) : 0;
}

/* The pid file comes last, so that it never tells of a process whose command failed after all. */
int report_process(const struct report *report, pid_t pid, struct error *err)
{
	int r = 0;

	if (report->pidfd_socket)
		r = send_pidfd(report->pidfd_socket, report->kind, pid, err);
	if (r == 0 && report->pid_file)
		r = write_pid_file(report->pid_file, pid, err);
	return r;
}
