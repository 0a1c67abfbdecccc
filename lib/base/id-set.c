/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/id-set.h"

#include <errno.h>
#include <stdint.h>

#include "lib/base/str.h"

static void add_range(struct id_set *set, uint32_t first, uint32_t last)
{
	size_t count = last / ID_SET_BITS + 1;

	if (count > set->count) {
		set->words = xrealloc(set->words, count, sizeof(*set->words));
		memset(set->words + set->count, 0, (count - set->count) * sizeof(*set->words));
		set->count = count;
	}
	for (uint32_t id = first; id <= last; id++)
		set->words[id / ID_SET_BITS] |= 1ul << id % ID_SET_BITS;
}

static int parse_id(const char *text, uint32_t *ret)
{
	int r = parse_u32(text, ret);

	if (r == 0 && *ret > ID_SET_MAX)
		r = -ERANGE;
	return r;
}

/* "3" or "0-3". */
static int parse_range(const char *text, struct id_set *set)
{
	cleanup_strv char **ends = strv_split(text, '-');
	size_t count = strv_len(ends);
	uint32_t first, last;
	int r;

	if (count < 1 || count > 2)
		return -EINVAL;
	r = parse_id(ends[0], &first);
	if (r == 0)
		r = parse_id(ends[count - 1], &last);
	if (r < 0)
		return r;
	if (first > last)
		return -EINVAL;
	add_range(set, first, last);
	return 0;
}

static char *trim(const char *text)
{
	static const char blanks[] = " \t\n";
	size_t len;

	text += strspn(text, blanks);
	len = strlen(text);
	while (len > 0 && strchr(blanks, text[len - 1]))
		len--;
	return xstrndup(text, len);
}

int id_set_parse(const char *list, struct id_set *ret)
{
	cleanup_strv char **pieces = strv_split(list, ',');
	cleanup_id_set struct id_set set = ID_SET_INIT;

	strv_each(piece, pieces) {
		cleanup_free char *text = trim(piece);
		int r = *text ? parse_range(text, &set) : 0;

		if (r < 0)
			return r;
	}
	if (!set.count)
		return -EINVAL;
	ret->words = steal_ptr(&set.words);
	ret->count = set.count;
	return 0;
}

void id_set_done(struct id_set *set)
{
	free(set->words);
	*set = (struct id_set)ID_SET_INIT;
}

bool id_set_has(const struct id_set *set, unsigned int id)
{
	return id / ID_SET_BITS < set->count &&
	       (set->words[id / ID_SET_BITS] >> id % ID_SET_BITS & 1);
}
