/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;

/*
 * Kernels and modules as distributions pack them. The only includer of libzstd, liblzma and zlib.
 * The files are the administrator's, so sizes are limited against accidents, not attacks.
 */

/* The whole file at @path, unpacked when it begins like a zstd, xz or gzip file; at most @max
 * bytes on either side (-EFBIG). *ret_data is followed by a NUL that *ret_len does not count. */
int unpack_file(const char *path, size_t max, char **ret_data, size_t *ret_len, struct error *err);

/* The gzip stream at the beginning of @data; what follows it is ignored. */
int unpack_gzip(const char *data, size_t len, size_t max, char **ret_data, size_t *ret_len);
