/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

void close_fdp(int *fd)
{
	int saved = errno;

	if (*fd < 0)
		return;
	/* EINTR leaves the descriptor closed on Linux (close(2)); only EBADF is our bug. */
	if (close(*fd) < 0)
		assert(errno != EBADF);
	*fd = -1;
	errno = saved;
}

void kill_reap_pid(pid_t *pid)
{
	int saved = errno;

	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL); /* ESRCH: a zombie that waitpid() collects */
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
	errno = saved;
}

static void *must(void *p)
{
	if (!p) {
		static const char msg[] = "moat: out of memory\n";

		(void)!write(STDERR_FILENO, msg, sizeof(msg) - 1); /* nothing else can be done */
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return must(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return must(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		total = SIZE_MAX;
	return must(realloc(p, total ? total : 1));
}

char *xstrdup(const char *s)
{
	return must(strdup(s));
}

char *xstrndup(const char *s, size_t len)
{
	return must(strndup(s, len));
}

void *xmemdup(const void *p, size_t len)
{
	void *copy = xmalloc(len);

	if (len)
		memcpy(copy, p, len);
	return copy;
}

__attribute__((format(printf, 1, 0))) static char *format(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return must(s);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = format(fmt, ap);
	va_end(ap);
	return s;
}

const char *str_after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

bool str_ends_with(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len >= n && streq(s + len - n, suffix);
}

/* The length of the UTF-8 sequence at @s, 0 if there is none; its code point in *ret. */
static size_t decode_utf8(const unsigned char *s, uint32_t *ret)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least; /* shorter forms of a smaller number are not UTF-8 */
	} forms[] = { { 0x80, 0x00, 0 },
		      { 0xe0, 0xc0, 0x80 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };

	for (size_t n = 0; n < ARRAY_SIZE(forms); n++) {
		uint32_t point = *s & (unsigned char)~forms[n].mask;

		if ((*s & forms[n].mask) != forms[n].lead)
			continue;
		for (size_t i = 1; i <= n; i++) {
			if ((s[i] & 0xc0) != 0x80) /* so is the end of the text */
				return 0;
			point = point << 6 | (s[i] & 0x3f);
		}
		*ret = point;
		return point < forms[n].least || point > 0x10ffff || (point >> 11) == 0x1b ? 0
											   : n + 1;
	}
	return 0;
}

void str_sanitize(char *s, bool keep_newlines)
{
	unsigned char *at = (unsigned char *)s;

	while (*at) {
		uint32_t point = 0;
		size_t len = decode_utf8(at, &point);

		if (!len)
			*at = '?';
		else if (point == '\t' || (point == '\n' && !keep_newlines))
			*at = ' ';
		else if ((point < 0x20 && point != '\n') || (point >= 0x7f && point < 0xa0))
			memset(at, '?', len);
		at += len ? len : 1;
	}
}

static int parse_digits(const char *s, unsigned int base, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned int digit = (unsigned int)(*s - '0');

		if (*s < '0' || digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value) || value > max)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

int parse_u64(const char *s, uint64_t *ret)
{
	return parse_digits(s, 10, UINT64_MAX, ret);
}

static int parse_narrow(const char *s, unsigned int base, uint32_t *ret)
{
	uint64_t value;
	int r = parse_digits(s, base, UINT32_MAX, &value);

	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int parse_u32(const char *s, uint32_t *ret)
{
	return parse_narrow(s, 10, ret);
}

int parse_octal(const char *s, uint32_t *ret)
{
	return parse_narrow(s, 8, ret);
}

int parse_i64(const char *s, int64_t *ret)
{
	bool is_negative = *s == '-';
	uint64_t value;
	int r;

	r = parse_digits(s + is_negative, 10, (uint64_t)INT64_MAX + is_negative, &value);
	if (r < 0)
		return r;
	*ret = is_negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

static void grow(struct strbuf *sb, size_t more)
{
	size_t need;

	if (__builtin_add_overflow(sb->len, more, &need) ||
	    __builtin_add_overflow(need, (size_t)1, &need))
		abort();
	if (need <= sb->cap)
		return;
	sb->cap = need < 64 ? 64 : need + need / 2;
	sb->buf = xrealloc(sb->buf, sb->cap, 1);
}

void strbuf_reserve(struct strbuf *sb, size_t more)
{
	grow(sb, more);
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	grow(sb, len);
	if (len)
		memcpy(sb->buf + sb->len, data, len);
	sb->len += len;
	sb->buf[sb->len] = '\0';
}

void strbuf_addstr(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addch(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	cleanup_free char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = format(fmt, ap);
	va_end(ap);
	strbuf_addstr(sb, s);
}

char *strbuf_steal(struct strbuf *sb)
{
	char *s;

	grow(sb, 0);
	sb->buf[sb->len] = '\0';
	s = sb->buf;
	*sb = (struct strbuf)STRBUF_INIT;
	return s;
}

void strbuf_done(struct strbuf *sb)
{
	free(sb->buf);
	*sb = (struct strbuf)STRBUF_INIT;
}

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void strv_push(char ***v, char *owned)
{
	size_t n = strv_len(*v);

	/* Growth in powers of two without a stored capacity: only at 1, 2, 4, 8 … entries. */
	if ((n & (n + 1)) == 0)
		*v = xrealloc(*v, (n + 1) * 2, sizeof(char *));
	(*v)[n] = owned;
	(*v)[n + 1] = NULL;
}

void strv_pushf(char ***v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_push(v, format(fmt, ap));
	va_end(ap);
}

/* Room for @n strings, as much as strv_push() believes is there. */
static char **strv_new(size_t n)
{
	size_t cap = 1;

	while (cap <= n)
		cap *= 2;
	return xcalloc(cap, sizeof(char *));
}

char **strv_copy(char *const *v)
{
	size_t n = strv_len(v);
	char **copy = n ? strv_new(n) : NULL;

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

bool strv_has(char *const *v, const char *wanted)
{
	strv_each(s, v)
		if (streq(s, wanted))
			return true;
	return false;
}

bool strv_has_prefix(char *const *v, const char *prefix)
{
	strv_each(s, v)
		if (str_after(s, prefix))
			return true;
	return false;
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

char **strv_split(const char *s, char sep)
{
	size_t count = 1;
	char **v;

	for (const char *p = s; (p = strchr(p, sep)); p++)
		count++;
	v = strv_new(count);
	for (size_t i = 0; i < count; i++) {
		const char *end = strchrnul(s, sep);

		v[i] = xstrndup(s, (size_t)(end - s));
		s = end + 1;
	}
	return v;
}

char *strv_join(char *const *v, const char *sep)
{
	struct strbuf sb = STRBUF_INIT;
	bool is_first = true;

	strv_each(s, v) {
		if (!is_first)
			strbuf_addstr(&sb, sep);
		strbuf_addstr(&sb, s);
		is_first = false;
	}
	return strbuf_steal(&sb);
}

int names_find(const struct names *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->names[i] && streq(n->names[i], name))
			return (int)i;
	return -ENOENT;
}

const char *names_get(const struct names *n, size_t index)
{
	return index < n->count ? n->names[index] : NULL;
}

uint64_t fnv1a(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * UINT64_C(0x100000001b3);
	return sum;
}
