/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include_next <sys/stat.h>

/* statx(2) of Linux 4.11, which musl knows since 1.2.4 only. */
#ifndef STATX_BASIC_STATS

#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

static inline int statx(int dirfd, const char *path, int flags, unsigned int mask,
			struct statx *ret)
{
	return (int)syscall(SYS_statx, dirfd, path, flags, mask, ret);
}

#endif
