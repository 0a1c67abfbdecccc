/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/rfc3339.h"
#include "lib/base/str.h"

/* The C library's calendar is what ours is checked against. */
static void every_day_agrees_with_the_c_library(void **state)
{
	char got[RFC3339_SIZE], want[RFC3339_SIZE];

	for (time_t t = 0; t < (time_t)86400 * 366 * 500; t += 86400 - 1) {
		struct tm tm;

		rfc3339_format(t, -1, got);
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_string_equal(got, want);
		assert_int_equal(rfc3339_parse(got), t);
	}
}

static void what_is_no_such_time_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"2026-11-22",
		"2026-13-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:00:00+01:00",
		"1969-12-31T23:59:59Z",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(rfc3339_parse(wrong[i]), -1);
	assert_int_equal(rfc3339_parse("1970-01-02T00:00:01.000000007Z"), 86401);
}

static void nanoseconds_have_nine_digits(void **state)
{
	char got[RFC3339_SIZE];

	rfc3339_format(1, 7, got);
	assert_string_equal(got, "1970-01-01T00:00:01.000000007Z");
}

static void a_clock_before_the_epoch_reads_as_the_epoch(void **state)
{
	char got[RFC3339_SIZE];

	rfc3339_format(-5, -1, got);
	assert_string_equal(got, "1970-01-01T00:00:00Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_agrees_with_the_c_library),
		cmocka_unit_test(what_is_no_such_time_is_refused),
		cmocka_unit_test(nanoseconds_have_nine_digits),
		cmocka_unit_test(a_clock_before_the_epoch_reads_as_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
