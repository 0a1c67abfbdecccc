/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fields.h"

#include "lib/base/fields-internal.h"

static struct string_pair *find(const struct string_map *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (streq(map->items[i].key, key))
			return &map->items[i];
	return NULL;
}

const char *string_map_get(const struct string_map *map, const char *key)
{
	const struct string_pair *pair = find(map, key);

	return pair ? pair->value : NULL;
}

void string_map_append(struct string_map *map, const char *key, const char *value)
{
	/* Growth in powers of two, without a stored capacity. */
	if ((map->count & (map->count - 1)) == 0)
		map->items =
			xrealloc(map->items, map->count ? map->count * 2 : 1, sizeof(*map->items));
	map->items[map->count++] = (struct string_pair){ xstrdup(key), xstrdup(value) };
}

void string_map_set(struct string_map *map, const char *key, const char *value)
{
	struct string_pair *pair = find(map, key);
	char *copy;

	if (!pair) {
		string_map_append(map, key, value);
		return;
	}
	copy = xstrdup(value); /* which may be the old one */
	free(pair->value);
	pair->value = copy;
}

/* By key, and the later entry first among equal ones. */
static int compare_keys(const void *a, const void *b)
{
	char *const *x = *(char *const *const *)a;
	char *const *y = *(char *const *const *)b;
	int r = strcmp(*x, *y);

	return r ? r : (y > x) - (y < x);
}

bool *find_repeated(char *const *keys, size_t count)
{
	cleanup_free char *const **sorted = xcalloc(count, sizeof(*sorted));
	bool *is_repeated = xcalloc(count, sizeof(*is_repeated));

	for (size_t i = 0; i < count; i++)
		sorted[i] = &keys[i];
	qsort(sorted, count, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < count; i++)
		is_repeated[sorted[i] - keys] = streq(*sorted[i], *sorted[i - 1]);
	return is_repeated;
}

void string_map_drop_repeated(struct string_map *map)
{
	cleanup_free char **keys = xcalloc(map->count, sizeof(*keys));
	cleanup_free bool *is_repeated = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < map->count; i++)
		keys[i] = map->items[i].key;
	is_repeated = find_repeated(keys, map->count);

	for (size_t i = 0; i < map->count; i++) {
		if (is_repeated[i]) {
			free(map->items[i].key);
			free(map->items[i].value);
		} else {
			map->items[kept++] = map->items[i];
		}
	}
	map->count = kept;
}

void string_map_done(struct string_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->items[i].key);
		free(map->items[i].value);
	}
	free(map->items);
	*map = (struct string_map){ NULL, 0 };
}
