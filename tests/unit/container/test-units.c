/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "cmd/moat/units.h"
#include "lib/base/str.h"
#include "tests/unit/container/fixture.h"

struct row {
	const char *text;
	int64_t value;
};

static void sizes_are_counted_in_units_of_1024(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "-1", -1 },
		{ "512", 512 },
		{ "1b", 1 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "64m", 64 << 20 },
		{ "64MB", 64 << 20 },
		{ "64 MiB", 64 << 20 },
		{ "1.5g", 3LL << 29 },
		{ "0.5k", 512 },
		{ "2t", 2LL << 40 },
		{ "1P", 1LL << 50 },
		{ "9223372036854775807", INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t got = 7;

		assert_int_equal(size_parse(rows[i].text, &got), 0);
		assert_int_equal(got, rows[i].value);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const texts[] = { "",    "foo", "-2", "+1",	"1x",  "1mm", "m",
					     "1.m", ".5m", " 1", "0x1", "1e3", "1  k" };
	int64_t got;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(size_parse(texts[i], &got), -EINVAL);
	assert_int_equal(size_parse("9223372036854775808", &got), -ERANGE);
	assert_int_equal(size_parse("8192p", &got), -ERANGE);
	assert_int_equal(size_parse("99999999999999999999", &got), -ERANGE);
}

static void times_are_written_as_go_writes_them(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "5s", 5000000000 },
		{ "250ms", 250000000 },
		{ "1m30s", 90000000000 },
		{ "1.5h", 5400000000000 },
		{ "1us", 1000 },
		{ "1µs", 1000 },
		{ "3ns", 3 },
		{ "1h0m1s", 3601000000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t got = 7;

		assert_int_equal(duration_parse(rows[i].text, &got), 0);
		assert_int_equal(got, rows[i].value);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = { "", "5", "s", "5x", "-5s", "5 s", "1s5", "1..5s" };
	int64_t got;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(duration_parse(texts[i], &got), -EINVAL);
	assert_int_equal(duration_parse("9999999999h", &got), -ERANGE);
	assert_int_equal(duration_parse("2562047h2562047h", &got), -ERANGE);
}

static void check_text(char *got, const char *wanted)
{
	assert_string_equal(got, wanted);
	free(got);
}

static void people_read_few_digits(void **state)
{
	check_text(size_text(0), "0");
	check_text(size_text(1023), "1023");
	check_text(size_text(1536), "1.5K");
	check_text(size_text(64u << 20), "64.0M");
	check_text(size_text(UINT64_MAX), "16777216.0T");
	check_text(span_text(-1), "-");
	check_text(span_text(119), "119s");
	check_text(span_text(120), "2m");
	check_text(span_text(7199), "119m");
	check_text(span_text(2 * 3600), "2h");
	check_text(span_text(48 * 3600), "2d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(people_read_few_digits),
		cmocka_unit_test(sizes_are_counted_in_units_of_1024),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(times_are_written_as_go_writes_them),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
