/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <unistd.h>

#include <sys/syscall.h>

/* Linux 3.19; musl has no function for it. */
#ifndef __GLIBC__
static inline int execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
			   int flags)
{
	return (int)syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}
#endif
