/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fields.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/base/fields-internal.h"

/*
 * A frame for each open JSON container. SKIP frames swallow what nobody asked for. A frame of an
 * array appends to the field's storage as its elements arrive.
 */
enum frame_kind { FRAME_SKIP, FRAME_OBJECT, FRAME_ARRAY, FRAME_MAP, FRAME_KEYED };

struct frame {
	enum frame_kind kind;
	const struct fields *object; /* OBJECT: its table */
	char *base;		     /* OBJECT: the struct; others: the struct of .field */
	const struct field *field;   /* OBJECT: of the last key; others: being filled */
	char *key;		     /* last key seen */
	size_t index;		     /* ARRAY: of the next element */
	size_t cap;		     /* ARRAY, KEYED: allocated elements */
};

struct reader {
	const struct fields *top;
	void *obj;
	size_t depth;
	struct frame frames[JSON_MAX_DEPTH + 1];
};

/* "linux.namespaces[2].path" */
static void add_path(const struct reader *r, struct strbuf *sb)
{
	for (size_t i = 1; i <= r->depth; i++) {
		const struct frame *f = &r->frames[i];

		if (f->kind == FRAME_ARRAY)
			strbuf_addf(sb, "[%zu]", f->index);
		else if (f->key)
			strbuf_addf(sb, "%s%s", sb->len ? "." : "", f->key);
	}
}

static int refuse(const struct reader *r, struct error *err, const char *reason,
		  const struct json_event *event)
{
	cleanup_strbuf struct strbuf path = STRBUF_INIT;
	cleanup_strbuf struct strbuf got = STRBUF_INIT;

	add_path(r, &path);
	if (event->type == JSON_STRING)
		json_quote(&got, event->text);
	else if (event->type == JSON_NUMBER)
		strbuf_addstr(&got, event->text);
	else if (event->type == JSON_BOOL)
		strbuf_addstr(&got, event->boolean ? "true" : "false");
	else if (event->type == JSON_NULL)
		strbuf_addstr(&got, "null");
	else
		strbuf_addstr(&got, event->type == JSON_MAP_START ? "an object" : "an array");
	return error_set(err, -EINVAL, "%s%s%s: %.200s", path.len ? path.buf : "",
			 path.len ? ": " : "", reason, got.buf);
}

/* Which number a kind takes, in one place for all six of them. */
struct number_kind {
	int64_t min;
	uint64_t max;
};

static bool number_limits(enum field_kind kind, struct number_kind *ret)
{
	switch (kind) {
	case FIELD_KIND_U32:
	case FIELD_KIND_OPT_U32:
	case FIELD_KIND_U32S:
		*ret = (struct number_kind){ 0, UINT32_MAX };
		return true;
	case FIELD_KIND_I64:
	case FIELD_KIND_OPT_I64:
		*ret = (struct number_kind){ INT64_MIN, INT64_MAX };
		return true;
	case FIELD_KIND_U64:
	case FIELD_KIND_OPT_U64:
		*ret = (struct number_kind){ 0, UINT64_MAX };
		return true;
	default:
		return false;
	}
}

/* *ret gets the two's complement of a negative number; its reader knows the sign. */
static const char *parse_number(const struct json_event *event, const struct number_kind *limits,
				uint64_t *ret)
{
	int64_t i = 0;
	int r;

	if (event->type != JSON_NUMBER)
		return "not a number";
	if (limits->min < 0) {
		r = parse_i64(event->text, &i);
		*ret = (uint64_t)i;
	} else {
		if (event->text[0] == '-')
			return "must not be negative";
		r = parse_u64(event->text, ret);
		if (r == 0 && *ret > limits->max)
			r = -ERANGE;
	}
	if (r == -ERANGE)
		return "number out of range";
	return r < 0 ? "not a whole number" : NULL;
}

static void store_number(const struct field *f, char *base, uint64_t value)
{
	switch (f->kind) {
	case FIELD_KIND_U32:
		MEMBER(uint32_t, base, f) = (uint32_t)value;
		break;
	case FIELD_KIND_OPT_U32:
		MEMBER(struct opt_u32, base, f) = (struct opt_u32){ (uint32_t)value, true };
		break;
	case FIELD_KIND_I64:
		MEMBER(int64_t, base, f) = (int64_t)value;
		break;
	case FIELD_KIND_OPT_I64:
		MEMBER(struct opt_i64, base, f) = (struct opt_i64){ (int64_t)value, true };
		break;
	case FIELD_KIND_U64:
		MEMBER(uint64_t, base, f) = value;
		break;
	case FIELD_KIND_OPT_U64:
		MEMBER(struct opt_u64, base, f) = (struct opt_u64){ value, true };
		break;
	default:
		assert(!"not a number field");
	}
}

static int store_enum(const struct reader *r, const struct field *f, char *base,
		      const struct json_event *event, struct error *err)
{
	int index;

	if (event->type != JSON_STRING)
		return refuse(r, err, "not a string", event);
	index = names_find(f->names, event->text);
	if (index < 0)
		return refuse(r, err, "unknown value", event);
	MEMBER(int, base, f) = index;
	return 0;
}

static int store_bool(const struct reader *r, const struct field *f, char *base,
		      const struct json_event *event, struct error *err)
{
	if (event->type != JSON_BOOL)
		return refuse(r, err, "not true or false", event);
	if (f->kind == FIELD_KIND_BOOL)
		MEMBER(bool, base, f) = event->boolean;
	else
		MEMBER(struct opt_bool, base, f) = (struct opt_bool){ event->boolean, true };
	return 0;
}

/* A scalar that belongs to field @f of the struct at @base. */
static int store(const struct reader *r, const struct field *f, char *base,
		 const struct json_event *event, struct error *err)
{
	struct number_kind limits;
	const char *reason;
	uint64_t value;

	if (number_limits(f->kind, &limits) && f->kind != FIELD_KIND_U32S) {
		reason = parse_number(event, &limits, &value);
		if (reason)
			return refuse(r, err, reason, event);
		store_number(f, base, value);
		return 0;
	}
	switch (f->kind) {
	case FIELD_KIND_BOOL:
	case FIELD_KIND_OPT_BOOL:
		return store_bool(r, f, base, event, err);
	case FIELD_KIND_ENUM:
		return store_enum(r, f, base, event, err);
	case FIELD_KIND_STRING:
		if (event->type != JSON_STRING)
			return refuse(r, err, "not a string", event);
		free(MEMBER(char *, base, f));
		MEMBER(char *, base, f) = xstrndup(event->text, event->len);
		return 0;
	case FIELD_KIND_STRINGS:
	case FIELD_KIND_U32S:
	case FIELD_KIND_OBJECTS:
		return refuse(r, err, "not an array", event);
	default:
		return refuse(r, err, "not an object", event);
	}
}

/* Room for one more element of @size bytes, zeroed; growth doubles. */
static void *append(void **items, size_t *count, size_t *cap, size_t size, size_t spare)
{
	if (*count + spare >= *cap) {
		*cap = *cap ? *cap * 2 : 8;
		*items = xrealloc(*items, *cap, size);
	}
	memset((char *)*items + *count * size, 0, size * (1 + spare));
	return (char *)*items + (*count)++ * size;
}

static int store_element(struct reader *r, struct frame *frame, const struct json_event *event,
			 struct error *err)
{
	static const struct number_kind u32 = { 0, UINT32_MAX };
	const struct field *f = frame->field;
	size_t count = frame->index;
	const char *reason;
	uint64_t value;
	void **items = &MEMBER(void *, frame->base, f);

	switch (f->kind) {
	case FIELD_KIND_STRINGS:
		if (event->type != JSON_STRING)
			return refuse(r, err, "not a string", event);
		*(char **)append(items, &count, &frame->cap, sizeof(char *), 1) =
			xstrndup(event->text, event->len);
		break;
	case FIELD_KIND_U32S:
		reason = parse_number(event, &u32, &value);
		if (reason)
			return refuse(r, err, reason, event);
		*(uint32_t *)append(items, &count, &frame->cap, sizeof(uint32_t), 0) =
			(uint32_t)value;
		*count_of(f, frame->base) = count;
		break;
	default:
		return refuse(r, err, "not an object", event);
	}
	frame->index = count;
	return 0;
}

static void clear_field(const struct field *f, char *base)
{
	size_t *count;

	switch (f->kind) {
	case FIELD_KIND_STRING:
		free(MEMBER(char *, base, f));
		MEMBER(char *, base, f) = NULL;
		break;
	case FIELD_KIND_STRINGS:
		strv_free(MEMBER(char **, base, f));
		MEMBER(char **, base, f) = NULL;
		break;
	case FIELD_KIND_U32S:
		free(MEMBER(uint32_t *, base, f));
		MEMBER(uint32_t *, base, f) = NULL;
		*count_of(f, base) = 0;
		break;
	case FIELD_KIND_MAP:
		string_map_done(&MEMBER(struct string_map, base, f));
		break;
	case FIELD_KIND_OBJECT:
		fields_release(f->object, base + f->offset);
		break;
	case FIELD_KIND_OPT_OBJECT:
		if (MEMBER(void *, base, f))
			fields_release(f->object, MEMBER(void *, base, f));
		free(MEMBER(void *, base, f));
		MEMBER(void *, base, f) = NULL;
		break;
	case FIELD_KIND_OBJECTS:
	case FIELD_KIND_KEYED:
		count = count_of(f, base);
		while (*count) {
			char *items = MEMBER(char *, base, f);

			if (f->kind == FIELD_KIND_KEYED)
				free(*key_of(f, base, *count - 1));
			fields_release(f->object, items + --*count * f->object->size);
		}
		free(MEMBER(void *, base, f));
		MEMBER(void *, base, f) = NULL;
		break;
	default:
		break;
	}
}

/* As in a map of strings, a key that comes again replaces the earlier one. */
static void drop_repeated_items(const struct field *f, char *base)
{
	size_t *count = count_of(f, base);
	cleanup_free char **keys = xcalloc(*count, sizeof(*keys));
	cleanup_free bool *is_repeated = NULL;
	char *items = MEMBER(char *, base, f);
	size_t size = f->object->size;
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++)
		keys[i] = *key_of(f, base, i);
	is_repeated = find_repeated(keys, *count);

	for (size_t i = 0; i < *count; i++) {
		if (is_repeated[i]) {
			free(keys[i]);
			fields_release(f->object, items + i * size);
		} else if (i != kept++) {
			memcpy(items + (kept - 1) * size, items + i * size, size);
		}
	}
	*count = kept;
}

static struct frame *push(struct reader *r, enum frame_kind kind)
{
	struct frame *f;

	assert(r->depth < JSON_MAX_DEPTH);
	f = &r->frames[++r->depth];
	*f = (struct frame){ .kind = kind };
	return f;
}

static void push_object(struct reader *r, const struct fields *object, void *base)
{
	struct frame *f = push(r, FRAME_OBJECT);

	f->object = object;
	f->base = base;
}

static struct frame *push_container(struct reader *r, enum frame_kind kind,
				    const struct field *field, char *base)
{
	struct frame *f = push(r, kind);

	f->field = field;
	f->base = base;
	return f;
}

/* A '{' or '[' as the value of field @f of the struct at @base. */
static int open_field(struct reader *r, const struct field *f, char *base,
		      const struct json_event *event, struct error *err)
{
	bool is_map = event->type == JSON_MAP_START;

	switch (f->kind) {
	case FIELD_KIND_OBJECT:
		if (!is_map)
			break;
		push_object(r, f->object, base + f->offset);
		return 0;
	case FIELD_KIND_OPT_OBJECT:
		if (!is_map)
			break;
		if (!MEMBER(void *, base, f)) {
			MEMBER(void *, base, f) = xmalloc(f->object->size);
			fields_init(f->object, MEMBER(void *, base, f));
		}
		push_object(r, f->object, MEMBER(void *, base, f));
		return 0;
	case FIELD_KIND_MAP:
		if (!is_map)
			break;
		push_container(r, FRAME_MAP, f, base);
		return 0;
	case FIELD_KIND_KEYED:
		if (!is_map)
			break;
		push_container(r, FRAME_KEYED, f, base)->cap = *count_of(f, base);
		return 0;
	case FIELD_KIND_STRINGS:
	case FIELD_KIND_U32S:
	case FIELD_KIND_OBJECTS:
		if (is_map)
			return refuse(r, err, "not an array", event);
		clear_field(f, base);
		/* Some lists mean one thing when empty and another when absent. */
		if (f->kind == FIELD_KIND_STRINGS)
			MEMBER(char **, base, f) = xcalloc(1, sizeof(char *));
		push_container(r, FRAME_ARRAY, f, base);
		return 0;
	default:
		break;
	}
	return store(r, f, base, event, err);
}

/* One more item of an array of objects, or of a map of them. */
static void *append_object(struct frame *top)
{
	const struct field *f = top->field;
	size_t *count = count_of(f, top->base);
	void *item;

	item = append(&MEMBER(void *, top->base, f), count, &top->cap, f->object->size, 0);
	fields_init(f->object, item);
	if (f->kind == FIELD_KIND_KEYED)
		*key_of(f, top->base, *count - 1) = xstrdup(top->key);
	return item;
}

static int on_start(struct reader *r, const struct json_event *event, struct error *err)
{
	struct frame *top = &r->frames[r->depth];
	const struct field *f = top->field;

	if (r->depth == 0) {
		if (event->type != JSON_MAP_START)
			return error_set(err, -EINVAL, "not a JSON object");
		push_object(r, r->top, r->obj);
		return 0;
	}
	switch (top->kind) {
	case FRAME_OBJECT:
		if (f)
			return open_field(r, f, top->base, event, err);
		break;
	case FRAME_ARRAY:
		if (f->kind != FIELD_KIND_OBJECTS || event->type != JSON_MAP_START)
			return store_element(r, top, event, err);
		push_object(r, f->object, append_object(top));
		return 0;
	case FRAME_KEYED:
		if (event->type != JSON_MAP_START)
			return refuse(r, err, "not an object", event);
		push_object(r, f->object, append_object(top));
		return 0;
	case FRAME_MAP:
		return refuse(r, err, "not a string", event);
	case FRAME_SKIP:
		break;
	}
	push(r, FRAME_SKIP);
	return 0;
}

static void on_end(struct reader *r)
{
	struct frame *done = &r->frames[r->depth--];
	struct frame *top = &r->frames[r->depth];

	free(done->key);
	done->key = NULL;
	if (done->kind == FRAME_MAP)
		string_map_drop_repeated(&MEMBER(struct string_map, done->base, done->field));
	if (done->kind == FRAME_KEYED)
		drop_repeated_items(done->field, done->base);
	if (top->kind == FRAME_ARRAY && r->depth)
		top->index++;
}

static void on_key(struct frame *top, const struct json_event *event)
{
	free(top->key);
	top->key = xstrndup(event->text, event->len);
	if (top->kind != FRAME_OBJECT)
		return;
	top->field = NULL;
	for (size_t i = 0; i < top->object->count; i++)
		if (streq(top->object->fields[i].name, event->text))
			top->field = &top->object->fields[i];
}

static int on_scalar(struct reader *r, const struct json_event *event, struct error *err)
{
	struct frame *top = &r->frames[r->depth];

	if (r->depth == 0)
		return error_set(err, -EINVAL, "not a JSON object");
	if (event->type == JSON_NULL && top->kind == FRAME_KEYED) {
		append_object(top); /* as Go does: the key alone says something */
		return 0;
	}
	if (event->type == JSON_NULL && top->kind != FRAME_ARRAY)
		return 0;
	switch (top->kind) {
	case FRAME_OBJECT:
		return top->field ? store(r, top->field, top->base, event, err) : 0;
	case FRAME_ARRAY:
		return store_element(r, top, event, err);
	case FRAME_KEYED:
		return refuse(r, err, "not an object", event);
	case FRAME_MAP:
		if (event->type != JSON_STRING)
			return refuse(r, err, "not a string", event);
		string_map_append(&MEMBER(struct string_map, top->base, top->field), top->key,
				  event->text);
		return 0;
	case FRAME_SKIP:
		break;
	}
	return 0;
}

static int on_event(void *ctx, const struct json_event *event, struct error *err)
{
	struct reader *r = ctx;

	switch (event->type) {
	case JSON_MAP_START:
	case JSON_ARRAY_START:
		return on_start(r, event, err);
	case JSON_MAP_END:
	case JSON_ARRAY_END:
		on_end(r);
		return 0;
	case JSON_KEY:
		on_key(&r->frames[r->depth], event);
		return 0;
	default:
		return on_scalar(r, event, err);
	}
}

int fields_parse(const struct fields *fields, const char *name, const char *buf, size_t len,
		 const struct json_limits *limits, void *obj, struct error *err)
{
	struct reader r = { .top = fields, .obj = obj };
	int result = json_parse(name, buf, len, limits, on_event, &r, err);

	for (size_t i = 1; i <= r.depth; i++)
		free(r.frames[i].key);
	return result;
}

/* Only a member of its kind may be read as one: others can lie anywhere, and be smaller. */
static const char *lack_of(const struct field *f, char *base)
{
	const char *string;
	char **strings;

	switch (f->is_required ? f->kind : FIELD_KIND_COUNT) {
	case FIELD_KIND_ENUM:
		return MEMBER(int, base, f) < 0 ? "missing" : NULL;
	case FIELD_KIND_STRING:
		string = MEMBER(const char *, base, f);
		return !string ? "missing" : *string ? NULL : "must not be empty";
	case FIELD_KIND_STRINGS:
		strings = MEMBER(char **, base, f);
		return !strings ? "missing" : *strings ? NULL : "must not be empty";
	default:
		return NULL;
	}
}

/* The @i'th object that field @f of the struct at @base holds, or NULL. */
static void *object_at(const struct field *f, char *base, size_t i)
{
	switch (f->kind) {
	case FIELD_KIND_OBJECT:
		return i == 0 ? base + f->offset : NULL;
	case FIELD_KIND_OPT_OBJECT:
		return i == 0 ? MEMBER(void *, base, f) : NULL;
	case FIELD_KIND_OBJECTS:
	case FIELD_KIND_KEYED:
		return i < *count_of(f, base) ? MEMBER(char *, base, f) + i * f->object->size
					      : NULL;
	default:
		return NULL;
	}
}

static void add_place(struct strbuf *path, const struct field *f, char *base, size_t i)
{
	strbuf_addf(path, "%s%s", path->len ? "." : "", f->name);
	if (f->kind == FIELD_KIND_OBJECTS)
		strbuf_addf(path, "[%zu]", i);
	else if (f->kind == FIELD_KIND_KEYED)
		strbuf_addf(path, ".%s", *key_of(f, base, i));
}

const char *fields_find_missing(const struct fields *fields, const void *obj, struct strbuf *path)
{
	char *base = (char *)obj; /* which is only read */
	size_t len = path->len;
	void *inner;

	for (size_t n = 0; n < fields->count; n++) {
		const struct field *f = &fields->fields[n];
		const char *lack = lack_of(f, base);

		if (lack) {
			strbuf_addf(path, "%s%s", len ? "." : "", f->name);
			return lack;
		}
		for (size_t i = 0; (inner = object_at(f, base, i)); i++) {
			add_place(path, f, base, i);
			lack = fields_find_missing(f->object, inner, path);
			if (lack)
				return lack;
			path->len = len;
			path->buf[len] = '\0';
		}
	}
	return NULL;
}

void fields_init(const struct fields *fields, void *obj)
{
	memset(obj, 0, fields->size);
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *f = &fields->fields[i];

		if (f->kind == FIELD_KIND_OBJECT)
			fields_init(f->object, (char *)obj + f->offset);
	}
	if (fields->init)
		fields->init(obj);
}

void fields_release(const struct fields *fields, void *obj)
{
	for (size_t i = 0; i < fields->count; i++)
		clear_field(&fields->fields[i], obj);
	memset(obj, 0, fields->size);
}
