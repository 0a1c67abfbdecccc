/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A proc file system of our own: detached, so that nothing can be mounted over a part of it to
 * send a write elsewhere (CVE-2019-16884, CVE-2025-52881). It shows the pid namespace of the
 * process that opens it, and the caller's network, IPC and UTS settings.
 */
int procfs_open(void);

/* One write(2) to @path ("sys/kernel/shmmax", no leading '/'). Links are not followed. */
int procfs_write(int procfs_fd, const char *path, const char *text);
