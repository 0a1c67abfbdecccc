/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/systemd/properties.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/base/error.h"
#include "lib/systemd/message.h"

void unit_properties_done(struct unit_properties *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].name);
		strv_free(p->items[i].words);
	}
	free(p->items);
	*p = (struct unit_properties){ NULL, 0 };
}

char ***unit_properties_add(struct unit_properties *p, const char *name, const char *type,
			    char *word)
{
	struct unit_property *item;

	p->items = xrealloc(p->items, p->count + 1, sizeof(*p->items));
	item = &p->items[p->count++];
	*item = (struct unit_property){ .name = xstrdup(name), .type = type };
	if (word)
		strv_push(&item->words, word);
	return &item->words;
}

bool unit_properties_drop(struct unit_properties *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++) {
		struct unit_property *item = &p->items[i];

		if (!item->is_optional || !streq(item->name, name))
			continue;
		free(item->name);
		strv_free(item->words);
		memmove(item, item + 1, (--p->count - i) * sizeof(*item));
		return true;
	}
	return false;
}

/* --- values ----------------------------------------------------------------------------------- */

static int put_text(struct strbuf *body, const char *word)
{
	message_put_string(body, word);
	return 0;
}

static int put_bool(struct strbuf *body, const char *word)
{
	bool is_true = streq(word, "true");

	if (!is_true && !streq(word, "false"))
		return -EINVAL;
	message_put_u32(body, is_true);
	return 0;
}

static int put_byte(struct strbuf *body, const char *word)
{
	uint32_t value;

	if (parse_u32(word, &value) < 0 || value > UINT8_MAX)
		return -ERANGE;
	message_put_byte(body, (uint8_t)value);
	return 0;
}

static int put_u16(struct strbuf *body, const char *word)
{
	uint32_t value;

	if (parse_u32(word, &value) < 0 || value > UINT16_MAX)
		return -ERANGE;
	message_put_u16(body, (uint16_t)value);
	return 0;
}

static int put_i16(struct strbuf *body, const char *word)
{
	int64_t value;

	if (parse_i64(word, &value) < 0 || value < INT16_MIN || value > INT16_MAX)
		return -ERANGE;
	message_put_u16(body, (uint16_t)value);
	return 0;
}

static int put_u32(struct strbuf *body, const char *word)
{
	uint32_t value;

	if (parse_u32(word, &value) < 0)
		return -ERANGE;
	message_put_u32(body, value);
	return 0;
}

static int put_i32(struct strbuf *body, const char *word)
{
	int64_t value;

	if (parse_i64(word, &value) < 0 || value < INT32_MIN || value > INT32_MAX)
		return -ERANGE;
	message_put_u32(body, (uint32_t)value);
	return 0;
}

static int put_u64(struct strbuf *body, const char *word)
{
	uint64_t value;

	if (parse_u64(word, &value) < 0)
		return -ERANGE;
	message_put_u64(body, value);
	return 0;
}

static int put_i64(struct strbuf *body, const char *word)
{
	int64_t value;

	if (parse_i64(word, &value) < 0)
		return -ERANGE;
	message_put_u64(body, (uint64_t)value);
	return 0;
}

/* An array's @put and @alignment are its elements'. */
static const struct value_type {
	const char *type;
	int (*put)(struct strbuf *body, const char *word);
	size_t alignment;
	size_t words; /* of an element; 0: it is no array */
} value_types[] = {
	{ "s", put_text, 4, 0 },     { "o", put_text, 4, 0 },  { "b", put_bool, 4, 0 },
	{ "y", put_byte, 1, 0 },     { "n", put_i16, 2, 0 },   { "q", put_u16, 2, 0 },
	{ "i", put_i32, 4, 0 },	     { "u", put_u32, 4, 0 },   { "x", put_i64, 8, 0 },
	{ "t", put_u64, 8, 0 },	     { "as", put_text, 4, 1 }, { "ay", put_byte, 1, 1 },
	{ "au", put_u32, 4, 1 },     { "ai", put_i32, 4, 1 },  { "at", put_u64, 8, 1 },
	{ "a(ss)", put_text, 8, 2 },
};

static const struct value_type *find_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(value_types); i++)
		if (streq(value_types[i].type, type))
			return &value_types[i];
	return NULL;
}

static int put_array(struct strbuf *body, const struct value_type *type, char *const *words)
{
	size_t slot = message_begin_array(body, type->alignment), i = 0;

	strv_each(word, words) {
		int r;

		if (type->words > 1 && i++ % type->words == 0)
			message_put_struct(body);
		r = type->put(body, word);
		if (r < 0)
			return r;
	}
	message_end_array(body, slot, type->alignment);
	return 0;
}

static int put_property(struct strbuf *body, const struct unit_property *property)
{
	const struct value_type *type = find_type(property->type);

	message_put_struct(body);
	message_put_string(body, property->name);
	message_put_signature(body, property->type);
	if (!type)
		return -EINVAL;
	if (type->words)
		return put_array(body, type, property->words);
	return strv_len(property->words) == 1 ? type->put(body, property->words[0]) : -EINVAL;
}

int unit_properties_write(const struct unit_properties *p, struct strbuf *body, struct error *err)
{
	size_t slot = message_begin_array(body, 8);

	for (size_t i = 0; i < p->count; i++) {
		int r = put_property(body, &p->items[i]);

		if (r < 0)
			return error_set(err, r, "systemd: property '%s': no value of type '%s'",
					 p->items[i].name, p->items[i].type);
	}
	message_end_array(body, slot, 8);
	return 0;
}

char *unit_properties_text(const struct unit_properties *p)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < p->count; i++) {
		strbuf_addf(&text, "%s %s", p->items[i].name, p->items[i].type);
		strv_each(word, p->items[i].words)
			strbuf_addf(&text, " %s", word);
		strbuf_addch(&text, '\n');
	}
	return strbuf_steal(&text);
}
