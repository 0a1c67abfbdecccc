/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

struct parse {
	const char *name;
	const char *buf;
	size_t len;
	const struct json_limits *limits;
	json_handler handler;
	void *ctx;
	struct error *err;
	yajl_handle yajl;
	size_t depth;
	size_t values;
	bool is_at_end; /* yajl_complete_parse() counts from 0 again */
	int result;	/* negative once the handler or a limit refused */
	struct strbuf text;
};

static unsigned int line_of(const char *buf, size_t offset)
{
	unsigned int line = 1;

	for (const char *p = buf; (p = memchr(p, '\n', (size_t)(buf + offset - p))); p++)
		line++;
	return line;
}

static size_t current_offset(const struct parse *p)
{
	return p->is_at_end ? p->len : yajl_get_bytes_consumed(p->yajl);
}

static unsigned int current_line(const struct parse *p)
{
	return line_of(p->buf, current_offset(p));
}

static int refuse(struct parse *p, int code, const char *reason)
{
	p->result = error_set(p->err, code, "%s:%u: %s", p->name, current_line(p), reason);
	return 0;
}

static int emit(struct parse *p, struct json_event event)
{
	bool is_end = event.type == JSON_MAP_END || event.type == JSON_ARRAY_END;
	struct error inner = ERROR_INIT;
	int r;

	if (!is_end && ++p->values > p->limits->max_values)
		return refuse(p, -E2BIG, "too many values");
	event.offset = current_offset(p);
	r = p->handler(p->ctx, &event, &inner);
	if (r < 0) {
		p->result = error_set(p->err, r, "%s:%u: %s", p->name, current_line(p), inner.msg);
		return 0;
	}
	return 1;
}

static int emit_text(struct parse *p, enum json_type type, const void *text, size_t len)
{
	struct json_event event = { .type = type, .len = len };

	if (memchr(text, '\0', len))
		return refuse(p, -EINVAL, "a string contains a NUL byte");
	p->text.len = 0;
	strbuf_add(&p->text, text, len);
	event.text = p->text.buf;
	return emit(p, event);
}

static int on_null(void *ctx)
{
	return emit(ctx, (struct json_event){ .type = JSON_NULL });
}

static int on_bool(void *ctx, int value)
{
	return emit(ctx, (struct json_event){ .type = JSON_BOOL, .boolean = value });
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return emit_text(ctx, JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return emit_text(ctx, JSON_STRING, text, len);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	return emit_text(ctx, JSON_KEY, text, len);
}

static int enter(struct parse *p, enum json_type type)
{
	if (++p->depth > p->limits->max_depth || p->depth > JSON_MAX_DEPTH)
		return refuse(p, -E2BIG, "nested too deeply");
	return emit(p, (struct json_event){ .type = type });
}

static int leave(struct parse *p, enum json_type type)
{
	p->depth--;
	return emit(p, (struct json_event){ .type = type });
}

static int on_map_start(void *ctx)
{
	return enter(ctx, JSON_MAP_START);
}

static int on_map_end(void *ctx)
{
	return leave(ctx, JSON_MAP_END);
}

static int on_array_start(void *ctx)
{
	return enter(ctx, JSON_ARRAY_START);
}

static int on_array_end(void *ctx)
{
	return leave(ctx, JSON_ARRAY_END);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map_start,
	.yajl_map_key = on_key,
	.yajl_end_map = on_map_end,
	.yajl_start_array = on_array_start,
	.yajl_end_array = on_array_end,
};

/* yajl's message has several lines, of which the first says what is wrong: "parse error: …" or
 * "lexical error: …". */
static int syntax_error(struct parse *p)
{
	unsigned char *text = yajl_get_error(p->yajl, 0, NULL, 0);
	int len = (int)strcspn((char *)text, "\n");

	error_set(p->err, -EINVAL, "%s:%u: %.*s", p->name, current_line(p), len, (char *)text);
	yajl_free_error(p->yajl, text);
	return -EINVAL;
}

int json_parse(const char *name, const char *buf, size_t len, const struct json_limits *limits,
	       json_handler handler, void *ctx, struct error *err)
{
	struct parse p = {
		.name = name,
		.buf = buf,
		.len = len,
		.limits = limits,
		.handler = handler,
		.ctx = ctx,
		.err = err,
		.text = STRBUF_INIT,
	};
	yajl_status status;
	int r = 0;

	if (len > limits->max_bytes)
		return error_set(err, -EFBIG, "%s: larger than %zu bytes", name, limits->max_bytes);

	p.yajl = yajl_alloc(&callbacks, NULL, &p);
	if (!p.yajl)
		abort();
	yajl_config(p.yajl, yajl_allow_comments, limits->allow_comments);
	status = yajl_parse(p.yajl, (const unsigned char *)buf, len);
	if (status == yajl_status_ok) {
		p.is_at_end = true;
		status = yajl_complete_parse(p.yajl);
	}
	if (p.result < 0)
		r = p.result;
	else if (status != yajl_status_ok)
		r = syntax_error(&p);
	yajl_free(p.yajl);
	strbuf_done(&p.text);
	return r;
}

struct locate {
	const char *rest; /* what of the path is not matched yet */
	size_t depth;	  /* containers entered */
	size_t matched;	  /* how many of them are on the path */
	size_t index[JSON_MAX_DEPTH + 1];
	bool is_array[JSON_MAX_DEPTH + 1];
	bool wants_value; /* the next value is the one that the last matched step names */
	size_t offset;	  /* of the deepest value on the path so far */
};

/* Takes "NAME" or ".NAME" off the front of @rest when it is the next step of the path. */
static const char *match_key(const char *rest, const char *key)
{
	rest += *rest == '.';
	rest = str_after(rest, key);
	return rest && (*rest == '.' || *rest == '[' || !*rest) ? rest : NULL;
}

static const char *match_index(const char *rest, size_t index)
{
	char step[32];

	snprintf(step, sizeof(step), "[%zu]", index);
	return str_after(rest, step);
}

/* -ECANCELED from here ends the parse: nothing behind this point can match better. */
static int on_locate(void *ctx, const struct json_event *event, struct error *err)
{
	struct locate *l = ctx;
	bool is_end = event->type == JSON_MAP_END || event->type == JSON_ARRAY_END;
	bool is_start = event->type == JSON_MAP_START || event->type == JSON_ARRAY_START;
	bool on_path = l->matched == l->depth;
	const char *rest;

	if (is_end) {
		/* The deepest container on the path ends and the rest was not found in it. */
		if (on_path && l->depth)
			return -ECANCELED;
		l->depth--;
		return 0;
	}
	if (event->type == JSON_KEY) {
		rest = on_path ? match_key(l->rest, event->text) : NULL;
		l->wants_value = rest;
		if (rest)
			l->rest = rest;
		return 0;
	}
	if (on_path && l->depth && l->is_array[l->depth]) {
		rest = match_index(l->rest, l->index[l->depth]++);
		l->wants_value = rest;
		if (rest)
			l->rest = rest;
	}
	if (l->depth == 0)
		l->wants_value = true;
	if (l->wants_value)
		l->offset = event->offset;
	if (l->wants_value && (!*l->rest || !is_start))
		return -ECANCELED;
	if (is_start) {
		l->depth++;
		l->is_array[l->depth] = event->type == JSON_ARRAY_START;
		l->index[l->depth] = 0;
		if (l->wants_value)
			l->matched = l->depth;
	}
	l->wants_value = false;
	return 0;
}

unsigned int json_locate(const char *buf, size_t len, const struct json_limits *limits,
			 const char *path)
{
	struct locate l = { .rest = path };

	(void)json_parse("", buf, len, limits, on_locate, &l, NULL); /* as far as it goes */
	return line_of(buf, l.offset);
}

struct json_writer {
	yajl_gen gen;
};

struct json_writer *json_writer_new(bool pretty)
{
	struct json_writer *w = xcalloc(1, sizeof(*w));

	w->gen = yajl_gen_alloc(NULL);
	if (!w->gen)
		abort();
	yajl_gen_config(w->gen, yajl_gen_beautify, pretty);
	yajl_gen_config(w->gen, yajl_gen_indent_string, "  ");
	return w;
}

void json_writer_free(struct json_writer *w)
{
	if (!w)
		return;
	yajl_gen_free(w->gen);
	free(w);
}

static void must_nest(yajl_gen_status status)
{
	assert(status == yajl_gen_status_ok);
	(void)status;
}

void json_open_map(struct json_writer *w)
{
	must_nest(yajl_gen_map_open(w->gen));
}

void json_close_map(struct json_writer *w)
{
	must_nest(yajl_gen_map_close(w->gen));
}

void json_open_array(struct json_writer *w)
{
	must_nest(yajl_gen_array_open(w->gen));
}

void json_close_array(struct json_writer *w)
{
	must_nest(yajl_gen_array_close(w->gen));
}

void json_string(struct json_writer *w, const char *value)
{
	must_nest(yajl_gen_string(w->gen, (const unsigned char *)value, strlen(value)));
}

void json_key(struct json_writer *w, const char *key)
{
	json_string(w, key);
}

void json_key_string(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_string(w, value);
}

void json_i64(struct json_writer *w, int64_t value)
{
	must_nest(yajl_gen_integer(w->gen, value));
}

void json_u64(struct json_writer *w, uint64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, value);

	must_nest(yajl_gen_number(w->gen, text, (size_t)len));
}

void json_double(struct json_writer *w, double value)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%.15g", value);

	must_nest(yajl_gen_number(w->gen, text, (size_t)len));
}

void json_bool(struct json_writer *w, bool value)
{
	must_nest(yajl_gen_bool(w->gen, value));
}

void json_null(struct json_writer *w)
{
	must_nest(yajl_gen_null(w->gen));
}

const char *json_text(struct json_writer *w, size_t *ret_len)
{
	const unsigned char *text;
	size_t len;

	must_nest(yajl_gen_get_buf(w->gen, &text, &len));
	if (ret_len)
		*ret_len = len;
	return (const char *)text;
}

char *json_finish(struct json_writer *w)
{
	char *copy = xstrdup(json_text(w, NULL));

	json_writer_free(w);
	return copy;
}

void json_quote(struct strbuf *sb, const char *s)
{
	struct json_writer *w = json_writer_new(false);
	const char *text;
	size_t len;

	json_string(w, s);
	text = json_text(w, &len);
	strbuf_add(sb, text, len);
	json_writer_free(w);
}
