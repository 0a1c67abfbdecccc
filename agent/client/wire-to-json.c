/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "lib/base/base64.h"
#include "agent/client/message-json.h"
#include "agent/client/schema.h"
#include "lib/base/wire.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

/* The length of the UTF-8 character at @p that may be shown, 0 for anything else: broken ones, and
 * DEL and C1, which JSON does not escape. */
static size_t character_len(const uint8_t *p, size_t left)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

	if (!len || len > left || p[0] > 0xf4 || p[0] == 0x7f)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong ones, surrogates, and what lies behind the last character. */
	if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
	    (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return len;
}

static char *clean_text(const uint8_t *data, size_t len)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < len;) {
		size_t n = data[i] ? character_len(data + i, len - i) : 0;

		if (n)
			strbuf_add(&sb, data + i, n);
		else
			strbuf_addch(&sb, '?');
		i += n ? n : 1;
	}
	return strbuf_steal(&sb);
}

static enum wire_type wire_type_of(const struct schema_field *field)
{
	bool is_bytes = field->type == SCHEMA_STRING || field->type == SCHEMA_BYTES ||
			field->type == SCHEMA_MESSAGE;

	return is_bytes ? WIRE_BYTES : WIRE_VARINT;
}

static void write_enum(struct json_writer *w, const struct schema_enum *values, int32_t number)
{
	for (size_t i = 0; i < values->count; i++) {
		if (values->values[i].number == number) {
			json_string(w, values->values[i].name);
			return;
		}
	}
	json_i64(w, number);
}

static int write_value(struct json_writer *w, const struct schema_field *field,
		       const struct wire_field *value)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_free char *clean = NULL;

	switch (field->type) {
	case SCHEMA_BOOL:
		json_bool(w, value->value != 0);
		return 0;
	case SCHEMA_I32:
		json_i64(w, (int32_t)value->value);
		return 0;
	case SCHEMA_I64:
		json_i64(w, (int64_t)value->value);
		return 0;
	case SCHEMA_U32:
		json_u64(w, (uint32_t)value->value);
		return 0;
	case SCHEMA_ENUM:
		write_enum(w, field->values, (int32_t)value->value);
		return 0;
	case SCHEMA_STRING:
		clean = clean_text(value->data, value->len);
		json_string(w, clean);
		return 0;
	case SCHEMA_BYTES:
		base64_encode(value->data, value->len, &text);
		json_string(w, text.buf ? text.buf : "");
		return 0;
	case SCHEMA_MESSAGE:
		return message_to_json(field->message, value->data, value->len, w);
	default:
		json_u64(w, value->value);
		return 0;
	}
}

static int write_packed(struct json_writer *w, const struct schema_field *field,
			const struct wire_field *packed)
{
	struct wire_reader numbers = { packed->data, packed->data + packed->len };
	struct wire_field value = { 0 };
	int r;

	while ((r = wire_next_packed(&numbers, &value.value)) > 0)
		(void)write_value(w, field, &value); /* numbers are always good */
	return r;
}

/* "KEY: VALUE"; either may be absent, and is its type's zero then. */
static int write_entry(struct json_writer *w, const struct schema_message *entry,
		       const struct wire_field *whole)
{
	struct wire_reader reader = { whole->data, whole->data + whole->len };
	struct wire_field parts[2] = { { .data = whole->data }, { .data = whole->data } };
	cleanup_free char *key = NULL;
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0)
		if (f.number <= 2 && f.type == wire_type_of(&entry->fields[f.number - 1]))
			parts[f.number - 1] = f;
	if (r < 0)
		return r;
	key = entry->fields[0].type == SCHEMA_STRING ? clean_text(parts[0].data, parts[0].len)
						     : xasprintf("%lld", (long long)parts[0].value);
	json_key(w, key);
	return write_value(w, &entry->fields[1], &parts[1]);
}

static int write_one(struct json_writer *w, const struct schema_field *field,
		     const struct wire_field *value)
{
	if (field->is_map)
		return write_entry(w, field->message, value);
	if (value->type != wire_type_of(field))
		return write_packed(w, field, value);
	return write_value(w, field, value);
}

/* Whether @f, found on the wire, is this field's. Numbers in a list may come packed. */
static bool is_of(const struct schema_field *field, const struct wire_field *f)
{
	return f->number == field->number &&
	       (f->type == wire_type_of(field) || (field->is_repeated && f->type == WIRE_BYTES));
}

static int write_all_of(struct json_writer *w, const struct schema_field *field,
			struct wire_reader reader)
{
	bool is_open = false;
	struct wire_field f;
	int r = 0;

	while (r == 0 && wire_next(&reader, &f) > 0) {
		if (!is_of(field, &f))
			continue;
		if (!is_open) {
			json_key(w, field->name);
			if (field->is_map)
				json_open_map(w);
			else
				json_open_array(w);
		}
		is_open = true;
		r = write_one(w, field, &f);
	}
	if (r < 0 || !is_open)
		return r;
	if (field->is_map)
		json_close_map(w);
	else
		json_close_array(w);
	return 0;
}

static int write_last_of(struct json_writer *w, const struct schema_field *field,
			 struct wire_reader reader)
{
	struct wire_field last = { .data = reader.at }, f;
	bool is_there = false;

	while (wire_next(&reader, &f) > 0) {
		if (!is_of(field, &f))
			continue;
		last = f;
		is_there = true;
	}
	if (!is_there && (field->is_optional || field->type == SCHEMA_MESSAGE))
		return 0;
	json_key(w, field->name);
	return write_value(w, field, &last);
}

int message_to_json(const struct schema_message *message, const void *data, size_t len,
		    struct json_writer *w)
{
	const uint8_t *start = data;
	const struct wire_reader whole = { start, start + len };
	struct wire_reader reader = whole;
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0)
		; /* all of it can be read; the loops below rely on that */
	if (r < 0)
		return r;
	json_open_map(w);
	for (size_t i = 0; i < message->count && r == 0; i++) {
		const struct schema_field *field = &message->fields[i];

		r = field->is_map || field->is_repeated ? write_all_of(w, field, whole)
							: write_last_of(w, field, whole);
	}
	if (r == 0)
		json_close_map(w);
	return r;
}
