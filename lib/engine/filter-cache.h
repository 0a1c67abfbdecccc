/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/filter.h>

struct oci_seccomp;
struct strbuf;

/*
 * Programs that were built before, in "<cache directory>/seccomp": one file each, which holds
 * everything that the program was made from, so that what is found is compared and not believed.
 *
 * Trust: what lies there becomes the wall of other containers. The directories must be the
 * runtime's user's own and closed to everybody else, and so must a file; else there is no cache.
 * A file that is torn or damaged is not used, and replaced by the next one that is built.
 */

/* Everything that a program is made from, each piece with its length or at a fixed place, so that
 * no two profiles read the same. Where a listener is sent is not in it: the program is the same. */
void filter_cache_key(const struct oci_seccomp *seccomp, struct strbuf *ret);

/* 0 with a program to release; -ENOENT or why not. */
int filter_cache_get(const char *cache_dir, const struct strbuf *key, struct sock_fprog *ret);
/* Keeps at most FILTER_CACHE_MAX of them, the newest. */
int filter_cache_put(const char *cache_dir, const struct strbuf *key,
		     const struct sock_fprog *program);

#define FILTER_CACHE_MAX 32
#define FILTER_CACHE_KEY_MAX (64u << 10) /* profiles of more than this are built each time */
