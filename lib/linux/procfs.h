/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A proc file system of our own: detached, so that nothing can be mounted over a part of it to
 * send a write elsewhere (CVE-2019-16884, CVE-2025-52881). It shows the pid namespace of the
 * process that opens it, and the caller's network, IPC and UTS settings.
 */
int procfs_open(void);

/* The one that is mounted on /proc, if that is the root of a proc file system: for a process that
 * is still in the host's mount namespace, or in a guest's. -EXDEV: it is something else. */
int procfs_open_host(void);

/* Opens a file on either ("thread-self/attr/exec", no leading '/'): nothing that is mounted over a
 * part of it is entered, and no link leads out of it. */
int procfs_open_file(int procfs_fd, const char *path, int flags);

/* One write(2) to @path ("sys/kernel/shmmax", no leading '/'). Links are not followed. */
int procfs_write(int procfs_fd, const char *path, const char *text);
