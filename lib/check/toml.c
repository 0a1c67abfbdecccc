/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/check/toml.h"

#include "lib/base/str.h"

#define BLANKS " \t\r"

/* "[a."b".c] # …" is "a.b.c". NULL: no table's line. */
static char *table_name(const char *line)
{
	struct strbuf name = STRBUF_INIT;

	if (*line != '[')
		return NULL;
	for (const char *p = line + strspn(line, "["); *p && *p != ']'; p++)
		if (!strchr("\"'" BLANKS, *p))
			strbuf_addch(&name, *p);
	return strbuf_steal(&name);
}

static bool is_table(const char *name, const char *wanted)
{
	size_t len = strlen(name), tail = strlen(wanted);

	return str_ends_with(name, wanted) && (len == tail || name[len - tail - 1] == '.');
}

static const char *value_of(const char *line, const char *key)
{
	const char *rest;

	line += *line == '"'; /* a key may be quoted */
	rest = str_after(line, key);
	if (!rest)
		return NULL;
	rest += *rest == '"';
	rest += strspn(rest, BLANKS);
	return *rest == '=' ? rest + 1 : NULL;
}

/* @value goes on to the end of the text, since an array may have several lines. */
static char *first_word(const char *value)
{
	value += strspn(value, "[\n" BLANKS);
	if (*value == '"' || *value == '\'') {
		const char quote[] = { *value, '\n', '\0' };

		return xstrndup(value + 1, strcspn(value + 1, quote));
	}
	return xstrndup(value, strcspn(value, ",]#\n" BLANKS));
}

char *toml_find(const char *text, const char *table, const char *key)
{
	cleanup_free char *current = xstrdup("");

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *start = line + strspn(line, BLANKS);
		char *name = table_name(start);
		const char *value;

		if (name) {
			free(current);
			current = name;
			continue;
		}
		value = is_table(current, table) ? value_of(start, key) : NULL;
		if (value)
			return first_word(value);
	}
	return NULL;
}
