/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/fields.h"

/* How a field finds its member: shared by the reader (fields.c) and the writer (fields-write.c). */
#define MEMBER(type, base, f) (*(type *)(void *)((base) + (f)->offset))

static inline size_t *count_of(const struct field *f, char *base)
{
	return (size_t *)(void *)(base + f->count_offset);
}
