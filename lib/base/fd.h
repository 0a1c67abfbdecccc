/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

/*
 * Descriptors and small files. Leaf functions: they return 0, a count or a descriptor, or a
 * negative errno, and say nothing. Every descriptor is made with O_CLOEXEC.
 */

/* The whole of @len bytes, over EINTR and short writes. 0 or -errno. */
int write_all(int fd, const void *data, size_t len);
/* Exactly @len bytes; -EPIPE at an early end. */
int read_exact(int fd, void *buf, size_t len);

/* Everything up to the end of file, at most @max bytes; as read_file_at(). */
int read_whole_fd(int fd, size_t max, char **ret_data, size_t *ret_len);

/* A whole file of at most @max bytes (more: -EFBIG), terminated by a NUL that *ret_len does not
 * count. @path is looked up at @dirfd (AT_FDCWD: as given). @ret_len may be NULL. */
int read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len);

/* One write(2) into an existing file, as /proc, /sys and cgroup files want it. */
int write_file_at(int dirfd, const char *path, const char *text);

/* Makes or replaces @name in @dirfd by writing ".NAME.PID" and renaming it: readers see the old
 * or the new content, never a part. */
int write_atomic_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode);

/* One message of up to FD_PASS_MAX descriptors with at least one byte of data (SCM_RIGHTS). */
#define FD_PASS_MAX 16
ssize_t send_fds(int sock, const void *data, size_t len, const int *fds, size_t count);
/* Receives one; descriptors are close-on-exec. *count: room in @fds on entry, number received on
 * return; unexpected extra ones are closed (-EMSGSIZE). 0 at end of file. */
ssize_t recv_fds(int sock, void *buf, size_t len, int *fds, size_t *count);

/* A program that was started with a closed standard descriptor would give its number to the next
 * file it opens, and a container would get that: /dev/null takes its place. */
int fill_standard_fds(void);

/* Sets O_NONBLOCK to @on. */
int set_nonblock(int fd, bool on);

/* A connected stream socket to the unix socket at @path; paths longer than sun_path are reached
 * through /proc/self/fd. */
int unix_connect(const char *path);
/* The same without waiting for a listener that has too many waiting already (-EAGAIN); the socket
 * is non-blocking. */
int unix_connect_nonblock(const char *path);
/* A listening one made at @path with @mode less the umask, any length as above. */
int unix_listen(const char *path, mode_t mode);
/* The same for datagrams; "@NAME" is an abstract address for the first of them. */
int unix_connect_datagram(const char *path);
int unix_bind_datagram(const char *path, mode_t mode);

/* Closes every descriptor from @from up but those in @keep (@count of them, any order). */
int close_all_but(int from, const int *keep, size_t count);

/* Removes the directory @name (or path, without a slash at its end) in @dirfd and everything in
 * it without following links or leaving its mount: what is mounted inside stays as it is, and
 * -EBUSY. Missing is not an error. */
int remove_tree_at(int dirfd, const char *name);

/* mkdir -p of an absolute host path (trusted, the runtime's own directories). */
int mkdir_parents(const char *path, mode_t mode);

/* Milliseconds on CLOCK_MONOTONIC. */
long long now_ms(void);
