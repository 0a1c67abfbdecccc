/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/cleanup.h"

/*
 * Memory and text. Allocation never returns NULL: a process that cannot allocate ends with
 * abort(3), which is safe because state on disk survives kill -9 at any moment. Sizes that a
 * file, peer or guest controls are checked against a named limit before they get here.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t count, size_t size); /* aborts on overflow of count * size */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
void *xmemdup(const void *p, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The entries of a directory that are itself and what is above it. */
static inline bool is_dots(const char *name)
{
	return streq(name, ".") || streq(name, "..");
}

/* NULL-tolerant: two NULLs are equal. */
static inline bool streq_null(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

/* The rest of @s behind @prefix, or NULL when @s does not start with it. */
const char *str_after(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);

/* Makes a foreign text one that can be printed on a terminal, in place: control characters, those
 * beyond ASCII too, and what is not UTF-8 become '?', tabs and newlines a space. */
void str_sanitize(char *s, bool keep_newlines);

/* Numbers in base 10 (parse_octal: base 8), the whole string, no sign but '-' where signed, no
 * white space. 0, -EINVAL, or -ERANGE. *ret is written on success only. */
int parse_u64(const char *s, uint64_t *ret);
int parse_u32(const char *s, uint32_t *ret);
int parse_i64(const char *s, int64_t *ret);
int parse_octal(const char *s, uint32_t *ret);

/* A growing text. STRBUF_INIT needs no allocation; buf is always terminated once non-NULL. */
struct strbuf {
	char *buf;
	size_t len;
	size_t cap;
};
#define STRBUF_INIT                                                                                \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

/* Makes room for @more bytes and the NUL behind them; the text stays. */
void strbuf_reserve(struct strbuf *sb, size_t more);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_addstr(struct strbuf *sb, const char *s);
void strbuf_addch(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *strbuf_steal(struct strbuf *sb); /* never NULL; free(3) it */
void strbuf_done(struct strbuf *sb);
#define cleanup_strbuf CLEANUP(strbuf_done)

/* Arrays of strings that end in NULL, the array and each string on the heap; NULL is an empty
 * one. */
size_t strv_len(char *const *v);
void strv_push(char ***v, char *owned); /* takes @owned */
void strv_pushf(char ***v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char **strv_copy(char *const *v);
bool strv_has(char *const *v, const char *s);
bool strv_has_prefix(char *const *v, const char *prefix);
void strv_free(char **v);
char **strv_split(const char *s, char sep); /* empty pieces are kept */
char *strv_join(char *const *v, const char *sep);
DEFINE_CLEANUP(strv_free_p, char **, strv_free)
#define cleanup_strv CLEANUP(strv_free_p)
#define strv_each(s, v) for (char *const *_i = (v), *s = _i ? *_i : NULL; s; s = *++_i)

/* A names table that serves both directions: index -> name, name -> index. */
struct names {
	const char *const *names;
	size_t count;
};
#define NAMES(array)                                                                               \
	{                                                                                          \
		array, ARRAY_SIZE(array)                                                           \
	}
int names_find(const struct names *n, const char *name);    /* index, or -ENOENT */
const char *names_get(const struct names *n, size_t index); /* NULL when out of range or unnamed */

/* FNV-1a, 64 bits: against damage and chance, not against people. Of pieces, one after another. */
#define FNV1A_INIT UINT64_C(0xcbf29ce484222325)
uint64_t fnv1a(uint64_t sum, const void *data, size_t len);
