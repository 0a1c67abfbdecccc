/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/pattern.h"

#include <stddef.h>
#include <string.h>

/* Whether @c is in the set whose `[` is before @set; *@ret_end is behind its `]`, or NULL. */
static bool is_in_set(const char *set, char c, const char **ret_end)
{
	bool is_found = false;
	const char *end = *set ? strchr(set + 1, ']') : NULL; /* a `]` that is first is a member */

	*ret_end = end ? end + 1 : NULL;
	while (end && set < end) {
		bool is_range = set[1] == '-' && set + 2 < end;

		is_found |= is_range ? c >= set[0] && c <= set[2] : c == set[0];
		set += is_range ? 3 : 1;
	}
	return is_found;
}

/* What follows the pattern's first element if that matches @c, else NULL. */
static const char *match_one(const char *pattern, char c)
{
	const char *end = pattern + 1;

	if (*pattern == '?')
		return end;
	if (*pattern == '[')
		return is_in_set(pattern + 1, c, &end) ? end : NULL;
	return *pattern == c ? end : NULL;
}

bool pattern_matches(const char *pattern, const char *text)
{
	const char *after_star = NULL, *retry = NULL;

	while (*text) {
		const char *next;

		if (*pattern == '*') {
			after_star = ++pattern;
			retry = text;
			continue;
		}
		next = match_one(pattern, *text);
		if (next) {
			pattern = next;
			text++;
			continue;
		}
		if (!after_star)
			return false;
		/* The star takes one character more. */
		pattern = after_star;
		text = ++retry;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
