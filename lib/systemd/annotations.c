/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "lib/base/error.h"
#include "lib/systemd/properties.h"
#include "oci/annotations.h"
#include "oci/config.h"

/*
 * Values are GVariant's text form ("GVariant Text Format" of GLib's manual), of which properties of
 * units need: texts in quotes, numbers, truth, arrays of these, and a type in front of it, as
 * "uint64 5" or "@as []".
 */
#define PREFIX "org.systemd.property."
/* "At least three letters": so that callers' other annotations cannot be taken for one. */
#define NAME_MIN 3
#define MICROSECOND_DIGITS 6

static const struct keyword {
	const char *word;
	const char *type;
	const char *array;
} keywords[] = {
	{ "boolean", "b", NULL },    { "byte", "y", "ay" },   { "int16", "n", NULL },
	{ "uint16", "q", NULL },     { "int32", "i", "ai" },  { "uint32", "u", "au" },
	{ "int64", "x", NULL },	     { "uint64", "t", "at" }, { "string", "s", "as" },
	{ "objectpath", "o", NULL },
};

struct value {
	const char *type; /* of an array: its elements' until it is complete */
	char **words;
	bool is_array;
};

static void value_done(struct value *v)
{
	strv_free(v->words);
}

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t\n");
}

static size_t word_len(const char *s)
{
	size_t len = 0;

	while (isalnum((unsigned char)s[len]) || s[len] == '.' || s[len] == '+' || s[len] == '-')
		len++;
	return len;
}

/* Behind a quotation mark; *s is left behind the other one. NULL: it has none. */
static char *take_quoted(const char **s)
{
	struct strbuf text = STRBUF_INIT;
	char quote = *(*s)++;

	for (; **s && **s != quote; (*s)++) {
		if (**s == '\\' && (*s)[1])
			(*s)++;
		strbuf_addch(&text, **s);
	}
	if (**s != quote) {
		strbuf_done(&text);
		return NULL;
	}
	(*s)++;
	return strbuf_steal(&text);
}

/* @natural: what an element is that has no type in front of it. */
static int take_element(const char **s, const char **natural, char **ret)
{
	size_t len;

	if (**s == '\'' || **s == '"') {
		*ret = take_quoted(s);
		*natural = "s";
		return *ret ? 0 : -EINVAL;
	}
	len = word_len(*s);
	if (!len)
		return -EINVAL;
	*ret = xstrndup(*s, len);
	*natural = streq(*ret, "true") || streq(*ret, "false") ? "b" : "i";
	*s += len;
	return 0;
}

static int take_array(const char **s, struct value *v)
{
	const char *natural = NULL;

	v->is_array = true;
	for (*s = skip_space(*s + 1); **s != ']'; *s = skip_space(*s)) {
		char *word;

		if (v->words && *(*s)++ != ',')
			return -EINVAL;
		*s = skip_space(*s);
		if (take_element(s, &natural, &word) < 0)
			return -EINVAL;
		strv_push(&v->words, word);
	}
	(*s)++;
	if (!v->type)
		v->type = natural;
	return 0;
}

/* "uint64 …" or "@t …", if it is there. An array's type is that of its elements. */
static int take_type(const char **s, const char **ret)
{
	const char *type = **s == '@' ? *s + 1 : *s;
	size_t len = word_len(type);

	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
		const struct keyword *k = &keywords[i];
		cleanup_free char *word = xstrndup(type, len);

		if (**s == '@' ? streq(word, k->type) || (k->array && streq(word, k->array))
			       : streq(word, k->word)) {
			*ret = k->type;
			*s = skip_space(type + len);
			return 0;
		}
	}
	return **s == '@' ? -EINVAL : 0;
}

static const char *array_of(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_SIZE(keywords); i++)
		if (streq(keywords[i].type, type))
			return keywords[i].array;
	return NULL;
}

static int parse_value(const char *text, struct value *v)
{
	const char *s = skip_space(text), *natural;
	char *word;

	if (take_type(&s, &v->type) < 0)
		return -EINVAL;
	if (*s == '[') {
		if (take_array(&s, v) < 0)
			return -EINVAL;
		v->type = array_of(v->type);
	} else {
		if (take_element(&s, &natural, &word) < 0)
			return -EINVAL;
		strv_push(&v->words, word);
		if (!v->type)
			v->type = natural;
	}
	return v->type && !*skip_space(s) ? 0 : -EINVAL;
}

/* "1.5" seconds are 1500000 microseconds. */
static int to_microseconds(struct value *v)
{
	char *word = v->is_array ? NULL : v->words[0], *point = word ? strchr(word, '.') : NULL;
	char digits[] = "000000";
	uint64_t seconds;
	uint32_t rest;

	if (!word || !strchr("nqiuxt", *v->type))
		return -EINVAL;
	if (point) {
		size_t len = strlen(point + 1);

		*point = '\0';
		memcpy(digits, point + 1,
		       len < MICROSECOND_DIGITS ? len : (size_t)MICROSECOND_DIGITS);
	}
	if (parse_u64(word, &seconds) < 0 || parse_u32(digits, &rest) < 0 ||
	    seconds > UINT64_MAX / 1000000 - 1)
		return -EINVAL;
	strv_free(v->words);
	v->words = NULL;
	strv_pushf(&v->words, "%" PRIu64, seconds * 1000000 + rest);
	v->type = "t";
	return 0;
}

static bool is_name(const char *name)
{
	size_t len = 0;

	while (isalpha((unsigned char)name[len]))
		len++;
	return len >= NAME_MIN && !name[len];
}

static void replace(struct unit_properties *p, const char *name, struct value *v)
{
	for (size_t i = 0; i < p->count; i++) {
		if (!streq(p->items[i].name, name))
			continue;
		strv_free(p->items[i].words);
		p->items[i].words = steal_ptr(&v->words);
		p->items[i].type = v->type;
		p->items[i].is_optional = false;
		return;
	}
	*unit_properties_add(p, name, v->type, NULL) = steal_ptr(&v->words);
}

static int add(struct unit_properties *p, const char *annotation, const char *text,
	       struct error *err)
{
	const char *given = annotation + strlen(PREFIX);
	CLEANUP(value_done) struct value v = { NULL };
	cleanup_free char *name = xstrdup(given);

	if (!is_name(name))
		return error_set(err, -EINVAL, "annotations[\"%s\"]: no name of a property",
				 annotation);
	if (parse_value(text, &v) < 0)
		return error_set(
			err, -EINVAL,
			"annotations[\"%s\"]: no value in GVariant's text form (as 'text', true, uint64 5): %s",
			annotation, text);
	if (str_ends_with(name, "Sec") && !str_ends_with(name, "USec")) {
		if (to_microseconds(&v) < 0)
			return error_set(err, -EINVAL, "annotations[\"%s\"]: no seconds: %s",
					 annotation, text);
		free(name);
		name = xasprintf("%.*sUSec", (int)(strlen(given) - strlen("Sec")), given);
	}
	replace(p, name, &v);
	return 0;
}

int unit_properties_of_annotations(const struct oci_config *config, struct unit_properties *p,
				   struct error *err)
{
	for (size_t i = 0; i < config->annotations.count; i++) {
		const struct string_pair *pair = &config->annotations.items[i];
		bool counts = str_after(pair->key, PREFIX) &&
			      !oci_annotation_is_ignored(config, pair->key);
		int r = counts ? add(p, pair->key, pair->value, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}
