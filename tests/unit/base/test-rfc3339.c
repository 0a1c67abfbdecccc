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
	}
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
		cmocka_unit_test(nanoseconds_have_nine_digits),
		cmocka_unit_test(a_clock_before_the_epoch_reads_as_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
