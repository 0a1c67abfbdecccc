/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hypervisor/builtin/rate.h"

#define SECOND 1000000000LL

static void a_rate_of_nothing_is_no_limit(void **state)
{
	const struct rate_limit limit = { 0 };
	struct rate_bucket b;

	rate_bucket_init(&b, &limit, 0);
	for (int i = 0; i < 3; i++) {
		assert_true(rate_bucket_has(&b, UINT64_MAX, 0));
		rate_bucket_take(&b, UINT64_MAX);
	}
}

static void a_burst_passes_and_then_the_rate(void **state)
{
	const struct rate_limit limit = { .per_second = 1000, .burst = 100 };
	struct rate_bucket b;

	rate_bucket_init(&b, &limit, 5 * SECOND);
	assert_true(rate_bucket_has(&b, 100, 5 * SECOND));
	rate_bucket_take(&b, 100);
	assert_false(rate_bucket_has(&b, 10, 5 * SECOND));
	assert_int_equal(rate_bucket_wait_ms(&b, 10), 11);
	assert_false(rate_bucket_has(&b, 10, 5 * SECOND + 9999999));
	assert_true(rate_bucket_has(&b, 10, 5 * SECOND + 10000000));
	/* However long nothing passed, the bucket is not larger. */
	assert_true(rate_bucket_has(&b, 100, 500 * SECOND));
	rate_bucket_take(&b, 100);
	assert_false(rate_bucket_has(&b, 1, 500 * SECOND));
}

static void fractions_of_a_token_are_not_lost(void **state)
{
	const struct rate_limit limit = { .per_second = 3 };
	struct rate_bucket b;
	int passed = 0;

	rate_bucket_init(&b, &limit, 0);
	for (int64_t ms = 0; ms < 10000; ms++) {
		if (!rate_bucket_has(&b, 1, ms * 1000000))
			continue;
		rate_bucket_take(&b, 1);
		passed++;
	}
	assert_in_range(passed, 32, 33); /* 3 at once, and 3 in each of ten seconds */
}

static void what_is_larger_than_the_bucket_is_paid_off_later(void **state)
{
	const struct rate_limit limit = { .per_second = 100, .burst = 10 };
	struct rate_bucket b;

	rate_bucket_init(&b, &limit, 0);
	assert_true(rate_bucket_has(&b, 1000, 0));
	rate_bucket_take(&b, 1000);
	assert_false(rate_bucket_has(&b, 1, 9 * SECOND));
	assert_true(rate_bucket_has(&b, 1, 10 * SECOND));
	assert_int_equal(rate_bucket_wait_ms(&b, 1), 1);
}

static void extreme_rates_do_not_overflow(void **state)
{
	const struct rate_limit limit = { .per_second = UINT64_MAX, .burst = UINT64_MAX };
	struct rate_bucket b;

	rate_bucket_init(&b, &limit, 0);
	rate_bucket_take(&b, UINT64_MAX);
	assert_true(rate_bucket_has(&b, UINT64_MAX, INT64_MAX));
	assert_true(rate_bucket_wait_ms(&b, UINT64_MAX) >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_of_nothing_is_no_limit),
		cmocka_unit_test(a_burst_passes_and_then_the_rate),
		cmocka_unit_test(fractions_of_a_token_are_not_lost),
		cmocka_unit_test(what_is_larger_than_the_bucket_is_paid_off_later),
		cmocka_unit_test(extreme_rates_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
