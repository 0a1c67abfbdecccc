/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_seccomp;
struct sock_fprog;

/*
 * Calls that are newer than a profile. Its author could not allow what did not exist yet, and a
 * library that tries a new call and gets the default's EPERM gives up, where ENOSYS lets it take
 * the old one. So whatever has a higher number than all calls that the profile names gets ENOSYS,
 * in a piece of program in front of the one that the profile makes.
 *
 * This is not done where the default lets calls through (ALLOW, LOG, TRACE), or is ENOSYS already.
 */
bool enosys_is_wanted(const struct oci_seccomp *seccomp);

/* Numbers of calls, from @from up to but without @to, that no profile of this age can know. */
struct enosys_range {
	uint32_t token; /* AUDIT_ARCH_…, as filters see it */
	uint32_t from;
	uint32_t to;
};
/* What one architecture adds: at most two. */
#define ENOSYS_RANGES_PER_ARCH 2

/* The ranges of @arch ("x86_64", "x32" …; the library's @number for it), appended at @ret. Returns
 * how many: 0 where the profile names no call of it. Pure. */
size_t enosys_ranges(const struct oci_seccomp *seccomp, const char *arch, uint32_t number,
		     struct enosys_range *ret);

/* Puts the check of @ranges, which it sorts and of which no two overlap, in front of @program.
 * -E2BIG when that makes it too long. */
int enosys_prepend(struct enosys_range *ranges, size_t count, struct sock_fprog *program);
