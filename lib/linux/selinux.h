/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SELinux labels of the calling thread. The only includer of libselinux, which is asked whether a
 * label is one; setting them is done here, because the library looks up its files below whatever
 * /proc there is, and a container's is not to be trusted (CVE-2019-16884, CVE-2025-52881). Leaf
 * functions: -errno.
 */
enum selinux_attr {
	SELINUX_EXEC,	    /* what the next execve(2) changes to */
	SELINUX_KEY_CREATE, /* of keys that the thread makes */
};

/* Whether the policy knows @label: 0 or -EINVAL. Always 0 in a build without the library. */
int selinux_check(const char *label);

/* A descriptor for selinux_write(). */
int selinux_open(int procfs_fd, enum selinux_attr attr);
/* NULL: back to what the policy decides. */
int selinux_write(int fd, const char *label);
