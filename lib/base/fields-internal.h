/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/fields.h"

/* How a field finds its member: shared by the reader (fields.c) and the writer (fields-write.c). */
#define MEMBER(type, base, f) (*(type *)(void *)((base) + (f)->offset))

static inline size_t *count_of(const struct field *f, char *base)
{
	return (size_t *)(void *)(base + f->count_offset);
}

/* The key of item @i of a KEYED field. */
static inline char **key_of(const struct field *f, char *base, size_t i)
{
	char *items = MEMBER(char *, base, f);

	return (char **)(void *)(items + i * f->object->size + f->key_offset);
}

/* A foreign map may have many entries: they are appended as they come, repeated keys too, of which
 * the last one stays once the map is whole. */
void string_map_append(struct string_map *map, const char *key, const char *value);
void string_map_drop_repeated(struct string_map *map);

/* Which of the keys come again later on: an array of @count, to free(3). */
bool *find_repeated(char *const *keys, size_t count);
