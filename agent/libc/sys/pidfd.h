/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's <sys/pidfd.h>, for C libraries that have none: this directory is searched when the agent
 * is built with musl. */

static inline int pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static inline int pidfd_getfd(int pidfd, int target_fd, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, target_fd, flags);
}

static inline int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, info, flags);
}
