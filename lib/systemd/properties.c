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

/* An array's @put and @size are its elements', which are numbers or texts. */
struct value_type {
	const char *type;
	int (*put)(struct strbuf *body, const struct value_type *type, const char *word);
	size_t size; /* of a number */
	bool is_signed;
	size_t alignment;
	size_t words; /* of an element; 0: it is no array */
};

static int put_text(struct strbuf *body, const struct value_type *type, const char *word)
{
	message_put_string(body, word);
	return 0;
}

static int put_bool(struct strbuf *body, const struct value_type *type, const char *word)
{
	bool is_true = streq(word, "true");

	if (!is_true && !streq(word, "false"))
		return -EINVAL;
	message_put_u32(body, is_true);
	return 0;
}

static int parse_signed(const char *word, size_t size, uint64_t *ret)
{
	int64_t value, limit = size < 8 ? (int64_t)1 << (8 * size - 1) : INT64_MAX;

	if (parse_i64(word, &value) < 0 || (size < 8 && (value < -limit || value >= limit)))
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

static int parse_unsigned(const char *word, size_t size, uint64_t *ret)
{
	if (parse_u64(word, ret) < 0 || (size < 8 && *ret >> (8 * size)))
		return -ERANGE;
	return 0;
}

static int put_number(struct strbuf *body, const struct value_type *type, const char *word)
{
	uint64_t value;
	int r = type->is_signed ? parse_signed(word, type->size, &value)
				: parse_unsigned(word, type->size, &value);

	if (r < 0)
		return r;
	switch (type->size) {
	case 1:
		message_put_byte(body, (uint8_t)value);
		break;
	case 2:
		message_put_u16(body, (uint16_t)value);
		break;
	case 4:
		message_put_u32(body, (uint32_t)value);
		break;
	default:
		message_put_u64(body, value);
	}
	return 0;
}

/* clang-format off */
static const struct value_type value_types[] = {
	{ "s",     put_text,   0, false, 4, 0 },
	{ "o",     put_text,   0, false, 4, 0 },
	{ "b",     put_bool,   0, false, 4, 0 },
	{ "y",     put_number, 1, false, 1, 0 },
	{ "n",     put_number, 2, true,  2, 0 },
	{ "q",     put_number, 2, false, 2, 0 },
	{ "i",     put_number, 4, true,  4, 0 },
	{ "u",     put_number, 4, false, 4, 0 },
	{ "x",     put_number, 8, true,  8, 0 },
	{ "t",     put_number, 8, false, 8, 0 },
	{ "as",    put_text,   0, false, 4, 1 },
	{ "ay",    put_number, 1, false, 1, 1 },
	{ "au",    put_number, 4, false, 4, 1 },
	{ "ai",    put_number, 4, true,  4, 1 },
	{ "at",    put_number, 8, false, 8, 1 },
	{ "a(ss)", put_text,   0, false, 8, 2 },
};
/* clang-format on */

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
		r = type->put(body, type, word);
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
	if (strv_len(property->words) != 1)
		return -EINVAL;
	return type->put(body, type, property->words[0]);
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
