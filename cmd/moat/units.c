/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/units.h"

#include <ctype.h>
#include <errno.h>

#include "lib/base/str.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* "12.5" times @factor, rounded down. The text moves behind the number. */
struct decimal {
	uint64_t whole;
	uint64_t fraction; /* of @scale */
	uint64_t scale;
};

#define FRACTION_DIGITS 9 /* what follows means nothing in any unit */

static int parse_decimal(const char **text, struct decimal *ret)
{
	const char *p = *text;
	unsigned int digits = 0;

	*ret = (struct decimal){ .scale = 1 };
	for (; isdigit((unsigned char)*p); p++) {
		unsigned int digit = (unsigned int)(*p - '0');

		if (__builtin_mul_overflow(ret->whole, 10, &ret->whole) ||
		    __builtin_add_overflow(ret->whole, digit, &ret->whole))
			return -ERANGE;
	}
	if (p == *text)
		return -EINVAL;
	if (*p == '.') {
		const char *first = ++p;

		for (; isdigit((unsigned char)*p); p++) {
			if (++digits > FRACTION_DIGITS)
				continue;
			ret->fraction = ret->fraction * 10 + (unsigned int)(*p - '0');
			ret->scale *= 10;
		}
		if (p == first)
			return -EINVAL;
	}
	*text = p;
	return 0;
}

static int multiply(const struct decimal *number, int64_t factor, int64_t *ret)
{
	unsigned __int128 f = (unsigned __int128)factor;
	unsigned __int128 value = number->whole * f + number->fraction * f / number->scale;

	if (value > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)value;
	return 0;
}

/* What stands in front of "iB", "B" or nothing. */
static const char prefixes[] = "kmgtp";

static int parse_binary_unit(const char *text, int64_t *ret)
{
	const char *prefix;

	*ret = 1;
	if (*text == ' ')
		text++;
	prefix = *text ? strchr(prefixes, tolower((unsigned char)*text)) : NULL;
	if (prefix) {
		*ret = (int64_t)1 << 10 * (prefix - prefixes + 1);
		text++;
	}
	if (*text == 'i' || *text == 'I')
		text++;
	if (*text == 'b' || *text == 'B')
		text++;
	return *text ? -EINVAL : 0;
}

int size_parse(const char *text, int64_t *ret)
{
	struct decimal number;
	int64_t factor = 1;
	int r;

	if (streq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	r = parse_decimal(&text, &number);
	if (r == 0)
		r = parse_binary_unit(text, &factor);
	return r < 0 ? r : multiply(&number, factor, ret);
}

static const struct unit time_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "µs", 1000 }, /* micro sign */
	{ "μs", 1000 }, /* Greek letter */
	{ "ms", 1000 * 1000 },
	{ "s", 1000 * 1000 * 1000 },
	{ "m", 60LL * 1000 * 1000 * 1000 },
	{ "h", 3600LL * 1000 * 1000 * 1000 },
};

static int parse_time_unit(const char **text, int64_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(time_units); i++) {
		const char *rest = str_after(*text, time_units[i].name);

		if (!rest)
			continue;
		*ret = time_units[i].factor;
		*text = rest;
		return 0;
	}
	return -EINVAL;
}

int duration_parse(const char *text, int64_t *ret)
{
	int64_t sum = 0;

	if (streq(text, "0")) {
		*ret = 0;
		return 0;
	}
	do {
		struct decimal number;
		int64_t factor = 1, part = 0;
		int r = parse_decimal(&text, &number);

		if (r == 0)
			r = parse_time_unit(&text, &factor);
		if (r == 0)
			r = multiply(&number, factor, &part);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(sum, part, &sum))
			return -ERANGE;
	} while (*text);
	*ret = sum;
	return 0;
}

char *size_text(uint64_t bytes)
{
	static const char letters[] = "KMGT";
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024)
		return xasprintf("%u", (unsigned int)bytes);
	for (; value >= 1024 && letters[i + 1]; i++)
		value /= 1024;
	return xasprintf("%.1f%c", value, letters[i]);
}

/* A unit is left when two of the next one are full, so that what is shown is never off by half. */
char *span_text(int64_t seconds)
{
	if (seconds < 0) /* a clock was set */
		return xstrdup("-");
	if (seconds < 120)
		return xasprintf("%ds", (int)seconds);
	if (seconds < 2 * 3600)
		return xasprintf("%dm", (int)(seconds / 60));
	if (seconds < 48 * 3600)
		return xasprintf("%dh", (int)(seconds / 3600));
	return xasprintf("%lldd", (long long)seconds / 86400);
}
