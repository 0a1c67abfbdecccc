/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * AppArmor: the profile that the next execve(2) of the calling thread changes to. The file that
 * takes its name is opened while /proc is known to be one (procfs.h), and written late. Leaf
 * functions: -errno.
 */

/* A descriptor for apparmor_write(); -ENOENT: this kernel has no security module. */
int apparmor_open_exec(int procfs_fd);
/* -ENOENT: there is no such profile. */
int apparmor_write_exec(int fd, const char *profile);
