/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

/*
 * Paths that an image, a configuration or a guest names, used beneath a directory. Resolution is
 * the kernel's (openat2(2), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): symbolic links, absolute
 * ones and ".." too, stay beneath @rootfd even while somebody swaps them. Needs Linux 5.6.
 * @path may begin with '/', which means @rootfd. Leaf functions: descriptor or 0, or -errno.
 */

/* @flags as open(2); O_CLOEXEC is added. @mode only with O_CREAT or O_TMPFILE. */
int beneath_open(int rootfd, const char *path, int flags, mode_t mode);

/* mkdir -p, each missing component made with @mode in the directory that was opened for its
 * parent; what a symbolic link on the way leads to is made too. Returns an O_PATH descriptor of
 * the last directory. */
int beneath_mkdirs(int rootfd, const char *path, mode_t mode);

/* The directory that holds the last component of @path (made like beneath_mkdirs()) as an O_PATH
 * descriptor; *ret_name is that component, owned by the caller. -EINVAL for "" "/" "." "..". */
int beneath_parent(int rootfd, const char *path, mode_t mode, char **ret_name);

/* Opens (O_PATH) the file at @path, made empty with @mode when it is missing; behind a symbolic
 * link, where that leads to. */
int beneath_touch(int rootfd, const char *path, mode_t mode);
