/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/cleanup.h"

/*
 * Sets of small numbers, as the kernel takes processors and memory nodes: bit masks in words of
 * unsigned long, the lowest number in the lowest bit of the first.
 */
struct id_set {
	unsigned long *words;
	size_t count; /* of words */
};
#define ID_SET_INIT                                                                                \
	{                                                                                          \
		NULL, 0                                                                            \
	}
#define ID_SET_BITS (8 * sizeof(unsigned long))

/* The largest number a set takes: a bound for what a configuration makes us allocate. */
#define ID_SET_MAX 65535u

/* "0-3,7", with blanks and empty pieces as cpuset(7) has them. 0, -EINVAL, also for a set without
 * a member, or -ERANGE. *ret wants id_set_done(). */
int id_set_parse(const char *list, struct id_set *ret);
void id_set_done(struct id_set *set);
bool id_set_has(const struct id_set *set, unsigned int id);
#define cleanup_id_set CLEANUP(id_set_done)
