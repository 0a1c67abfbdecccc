/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>

#include "lib/base/base64.h"
#include "agent/client/message-json.h"
#include "agent/client/schema.h"
#include "lib/base/wire.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

#define DEPTH_MAX 32

static const struct json_limits limits = { 2 * MESSAGE_MAX_BYTES, DEPTH_MAX, 1u << 20, false };

enum frame_kind {
	FRAME_MESSAGE,
	FRAME_ARRAY, /* of values of one field; what is in it belongs to the message around it */
	FRAME_MAP,   /* as above, of entries */
	FRAME_ENTRY, /* a message that ends with its value */
};

struct frame {
	enum frame_kind kind;
	const struct schema_field *of; /* what it is the value of; NULL: the whole */
	const struct schema_field
		*next; /* what the next value is of; NULL: nothing is known of it */
	const struct schema_message *message;
	struct strbuf out;
};

struct encoder {
	struct frame frames[DEPTH_MAX * 2 + 1]; /* an entry has two */
	size_t depth;				/* 0: nothing has begun */
	const char *text;
	size_t raw_start; /* of an object that is to be bytes */
	size_t raw_depth; /* 0: none */
	const struct schema_message *whole;
};

static struct frame *top(struct encoder *e)
{
	return &e->frames[e->depth - 1];
}

static void push(struct encoder *e, enum frame_kind kind, const struct schema_field *of,
		 const struct schema_message *message)
{
	e->frames[e->depth++] = (struct frame){ .kind = kind, .of = of, .message = message };
	/* The values of a list are all of its field. */
	if (kind == FRAME_ARRAY)
		top(e)->next = of;
}

/* The whole is left where it is. */
static void pop(struct encoder *e)
{
	struct frame *f = top(e);
	struct frame *around;

	if (e->depth == 1)
		return;
	e->depth--;
	around = top(e);
	if (f->kind == FRAME_MESSAGE || f->kind == FRAME_ENTRY)
		wire_add_bytes(&around->out, f->of->number, f->out.buf ? f->out.buf : "",
			       f->out.len);
	else if (f->out.len)
		strbuf_add(&around->out, f->out.buf, f->out.len);
	strbuf_done(&f->out);
}

/* A value is there, so what ends with its value ends. */
static void end_value(struct encoder *e)
{
	if (top(e)->kind == FRAME_ENTRY)
		pop(e);
}

/* --- scalars ------------------------------------------------------------------------------- */

static int expected(const struct schema_field *field, const char *what, struct error *err)
{
	return error_set(err, -EINVAL, "%s: expected %s", field->name, what);
}

static int add_i64(const struct schema_field *field, const char *text, int64_t min, int64_t max,
		   struct strbuf *out, struct error *err)
{
	int64_t value;
	int r = parse_i64(text, &value);

	if (r == -EINVAL)
		return expected(field, "a whole number", err);
	if (r < 0 || value < min || value > max)
		return error_set(err, -ERANGE, "%s: out of range: %s", field->name, text);
	wire_add_varint(out, field->number, (uint64_t)value);
	return 0;
}

static int add_u64(const struct schema_field *field, const char *text, uint64_t max,
		   struct strbuf *out, struct error *err)
{
	uint64_t value;
	int r = parse_u64(text, &value);

	if (r == -EINVAL)
		return expected(field, "a whole number that is not negative", err);
	if (r < 0 || value > max)
		return error_set(err, -ERANGE, "%s: out of range: %s", field->name, text);
	wire_add_varint(out, field->number, value);
	return 0;
}

static int add_number(const struct schema_field *field, const char *text, struct strbuf *out,
		      struct error *err)
{
	switch (field->type) {
	case SCHEMA_I32:
	case SCHEMA_ENUM:
		return add_i64(field, text, INT32_MIN, INT32_MAX, out, err);
	case SCHEMA_I64:
		return add_i64(field, text, INT64_MIN, INT64_MAX, out, err);
	case SCHEMA_U32:
		return add_u64(field, text, UINT32_MAX, out, err);
	case SCHEMA_U64:
		return add_u64(field, text, UINT64_MAX, out, err);
	default:
		return expected(field, "something else than a number", err);
	}
}

static int add_enum(const struct schema_field *field, const char *name, struct strbuf *out,
		    struct error *err)
{
	cleanup_strbuf struct strbuf known = STRBUF_INIT;

	for (size_t i = 0; i < field->values->count; i++) {
		const struct schema_value *value = &field->values->values[i];

		if (streq(value->name, name)) {
			wire_add_varint(out, field->number, (uint64_t)(int64_t)value->number);
			return 0;
		}
		strbuf_addf(&known, "%s%s", i ? ", " : "", value->name);
	}
	return error_set(err, -EINVAL, "%s: '%s' is none of %s", field->name, name, known.buf);
}

static int add_bytes(const struct schema_field *field, const char *text, struct strbuf *out,
		     struct error *err)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	cleanup_free char *content = NULL;
	const char *path = str_after(text, "@");
	size_t len;
	int r;

	if (path) {
		r = read_file_at(AT_FDCWD, path, MESSAGE_MAX_BYTES, &content, &len);
		if (r < 0)
			return error_sys(err, r, "%s: read '%s'", field->name, path);
		wire_add_bytes(out, field->number, content, len);
		return 0;
	}
	if (base64_decode(text, &bytes) < 0)
		return expected(field, "base64, \"@FILE\" or an object", err);
	wire_add_bytes(out, field->number, bytes.buf ? bytes.buf : "", bytes.len);
	return 0;
}

static int add_text(const struct schema_field *field, const struct json_event *event,
		    struct strbuf *out, struct error *err)
{
	switch (field->type) {
	case SCHEMA_STRING:
		wire_add_bytes(out, field->number, event->text, event->len);
		return 0;
	case SCHEMA_BYTES:
		return add_bytes(field, event->text, out, err);
	case SCHEMA_ENUM:
		return add_enum(field, event->text, out, err);
	case SCHEMA_BOOL:
		return expected(field, "true or false", err);
	case SCHEMA_MESSAGE:
		return expected(field, "an object", err);
	default:
		return add_number(field, event->text, out, err);
	}
}

static int add_bool(const struct schema_field *field, bool value, struct strbuf *out,
		    struct error *err)
{
	if (field->type != SCHEMA_BOOL)
		return expected(field, "something else than true or false", err);
	wire_add_varint(out, field->number, value);
	return 0;
}

static int on_scalar(struct encoder *e, const struct json_event *event, struct error *err)
{
	struct frame *f = top(e);
	const struct schema_field *field = f->next;
	int r = 0;

	if (event->type != JSON_NULL && (field->is_repeated || field->is_map) &&
	    f->kind != FRAME_ARRAY)
		return expected(field, field->is_map ? "an object" : "a list", err);
	if (event->type == JSON_BOOL)
		r = add_bool(field, event->boolean, &f->out, err);
	else if (event->type == JSON_NUMBER)
		r = add_number(field, event->text, &f->out, err);
	else if (event->type == JSON_STRING)
		r = add_text(field, event, &f->out, err);
	if (r == 0)
		end_value(e);
	return r;
}

/* --- structure ----------------------------------------------------------------------------- */

static int on_key(struct encoder *e, const struct json_event *event, struct error *err)
{
	struct frame *f = top(e);

	if (f->kind == FRAME_MAP) {
		const struct schema_field *parts = f->of->message->fields;

		push(e, FRAME_ENTRY, f->of, f->of->message);
		top(e)->next = &parts[1];
		return add_text(&parts[0], event, &top(e)->out, err);
	}
	f->next = schema_field_find(f->message, event->text);
	if (!f->next)
		return error_set(err, -EINVAL, "%s has no field '%s'", f->message->name,
				 event->text);
	return 0;
}

static int on_map_start(struct encoder *e, struct error *err)
{
	const struct schema_field *field;

	if (e->depth == 0) {
		push(e, FRAME_MESSAGE, NULL, e->whole);
		return 0;
	}
	field = top(e)->next;
	if (field->is_map) {
		push(e, FRAME_MAP, field, NULL);
		return 0;
	}
	if (field->is_repeated && top(e)->kind != FRAME_ARRAY)
		return expected(field, "a list", err);
	if (field->type != SCHEMA_MESSAGE)
		return expected(field, "something else than an object", err);
	push(e, FRAME_MESSAGE, field, field->message);
	return 0;
}

static int on_array_start(struct encoder *e, struct error *err)
{
	const struct schema_field *field;

	if (e->depth == 0)
		return error_set(err, -EINVAL, "%s: expected an object", e->whole->name);
	field = top(e)->next;
	if (!field->is_repeated || top(e)->kind == FRAME_ARRAY)
		return expected(field, "something else than a list", err);
	push(e, FRAME_ARRAY, field, NULL);
	return 0;
}

/* Whether the event is part of an object that is to be bytes as it stands. */
static bool take_raw(struct encoder *e, const struct json_event *event)
{
	bool is_start = event->type == JSON_MAP_START || event->type == JSON_ARRAY_START;
	bool is_end = event->type == JSON_MAP_END || event->type == JSON_ARRAY_END;

	if (!e->raw_depth) {
		if (!is_start || !e->depth || !top(e)->next || top(e)->next->is_repeated ||
		    top(e)->next->type != SCHEMA_BYTES)
			return false;
		e->raw_start = event->offset - 1;
	}
	if (is_start)
		e->raw_depth++;
	if (is_end && --e->raw_depth == 0) {
		wire_add_bytes(&top(e)->out, top(e)->next->number, e->text + e->raw_start,
			       event->offset - e->raw_start);
		end_value(e);
	}
	return true;
}

static int on_event(void *ctx, const struct json_event *event, struct error *err)
{
	struct encoder *e = ctx;

	if (take_raw(e, event))
		return 0;
	switch (event->type) {
	case JSON_MAP_START:
		return on_map_start(e, err);
	case JSON_ARRAY_START:
		return on_array_start(e, err);
	case JSON_KEY:
		return on_key(e, event, err);
	case JSON_MAP_END:
	case JSON_ARRAY_END:
		if (e->depth > 1) {
			pop(e);
			end_value(e);
		}
		return 0;
	default:
		if (e->depth == 0)
			return error_set(err, -EINVAL, "%s: expected an object", e->whole->name);
		return on_scalar(e, event, err);
	}
}

int message_from_json(const struct schema_message *message, const char *name, const char *text,
		      size_t len, struct strbuf *sb, struct error *err)
{
	struct encoder *e = xcalloc(1, sizeof(*e));
	int r;

	e->text = text;
	e->whole = message;
	r = json_parse(name, text, len, &limits, on_event, e, err);
	if (r == 0 && e->frames[0].out.len > MESSAGE_MAX_BYTES)
		r = error_set(err, -EMSGSIZE, "%s: larger than %u bytes", name, MESSAGE_MAX_BYTES);
	if (r == 0 && e->frames[0].out.len)
		strbuf_add(sb, e->frames[0].out.buf, e->frames[0].out.len);
	for (size_t i = 0; i < ARRAY_SIZE(e->frames); i++)
		strbuf_done(&e->frames[i].out);
	free(e);
	return r;
}
