/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t clone_new(const struct clone_request *request, bool wants_cgroup)
{
	struct clone_args args = {
		.flags = request->flags | CLONE_CLEAR_SIGHAND,
		/* A sibling inherits the caller's exit signal; clone3(2) refuses another. */
		.exit_signal = request->flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	long pid;

	if (request->ret_pidfd) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uintptr_t)request->ret_pidfd;
	}
	if (wants_cgroup) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)request->cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : (pid_t)pid;
}

static pid_t clone_old(const struct clone_request *request)
{
	unsigned long flags = (unsigned long)request->flags;
	long pid;

	if (!(flags & CLONE_PARENT))
		flags |= SIGCHLD;
	if (request->ret_pidfd)
		flags |= CLONE_PIDFD;
#if defined(__s390x__)
	pid = syscall(SYS_clone, NULL, flags, request->ret_pidfd, NULL, NULL);
#else
	pid = syscall(SYS_clone, flags, NULL, request->ret_pidfd, NULL, NULL);
#endif
	return pid < 0 ? -errno : (pid_t)pid;
}

pid_t clone_process(struct clone_request *request)
{
	pid_t pid;

	request->is_in_cgroup = request->cgroup_fd >= 0;
	pid = clone_new(request, request->is_in_cgroup);
	/* Many reasons can keep a process out of a cgroup (delegation, controllers, type); none of
	 * them is about the clone itself, so the second attempt's error is the one that counts. */
	if (pid < 0 && request->is_in_cgroup) {
		request->is_in_cgroup = false;
		pid = clone_new(request, false);
	}
	return pid == -ENOSYS ? clone_old(request) : pid;
}
