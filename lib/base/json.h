/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct strbuf;

/*
 * JSON as a stream of events, and its writer. The only includer of yajl.
 *
 * Input is hostile until proven otherwise: its size, depth and number of values meet the limits
 * before anything is stored, it must be UTF-8, and a string with a NUL byte is refused, since
 * C code behind it would see another string than the writer meant.
 */
enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER, /* as text: how wide and which sign is the reader's business */
	JSON_STRING,
	JSON_KEY,
	JSON_MAP_START,
	JSON_MAP_END,
	JSON_ARRAY_START,
	JSON_ARRAY_END,
};

struct json_event {
	enum json_type type;
	bool boolean;
	const char *text; /* NUMBER, STRING, KEY: terminated, valid during the call */
	size_t len;
	size_t offset; /* bytes of the input up to and with this event */
};

struct json_limits {
	size_t max_bytes;
	size_t max_depth;    /* at most JSON_MAX_DEPTH */
	size_t max_values;   /* scalars, keys and containers together */
	bool allow_comments; /* C and C++ style, for our own configuration */
};

#define JSON_MAX_DEPTH 64

/* Called for each event; a negative return ends the parse with that error. */
typedef int (*json_handler)(void *ctx, const struct json_event *event, struct error *err);

/* Parses one JSON text. Errors read "NAME:LINE: …"; NAME alone when the limits refuse it. */
int json_parse(const char *name, const char *buf, size_t len, const struct json_limits *limits,
	       json_handler handler, void *ctx, struct error *err);

/* The 1-based line on which the value at @path ("linux.namespaces[2].path", "" = the whole)
 * begins, or of the nearest enclosing value that exists. For messages about a text that was
 * parsed before. */
unsigned int json_locate(const char *buf, size_t len, const struct json_limits *limits,
			 const char *path);

/* Appends @s as a JSON string with its quotes. */
void json_quote(struct strbuf *sb, const char *s);

/* A writer; keys and values in the order they should appear. Not for foreign input: calls that
 * do not nest are a bug and assert. */
struct json_writer;
struct json_writer *json_writer_new(bool pretty);
void json_writer_free(struct json_writer *w);
void json_open_map(struct json_writer *w);
void json_close_map(struct json_writer *w);
void json_open_array(struct json_writer *w);
void json_close_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *value);
void json_key_string(struct json_writer *w, const char *key, const char *value);
void json_i64(struct json_writer *w, int64_t value);
void json_u64(struct json_writer *w, uint64_t value);
void json_double(struct json_writer *w, double value); /* finite; as short as it reads back */
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
/* The text so far, NUL-terminated, owned by the writer. */
const char *json_text(struct json_writer *w, size_t *ret_len);
/* A copy of the text for the caller to free; the writer is freed too. */
char *json_finish(struct json_writer *w);
