/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/id-set.h"
#include "lib/base/str.h"

static void lists_of_numbers_and_ranges_become_sets(void **state)
{
	cleanup_id_set struct id_set set = ID_SET_INIT;

	assert_int_equal(id_set_parse(" 0-2, 5 ,,64\n", &set), 0);
	assert_int_equal(set.words[0], 0x27);
	assert_int_equal(set.words[1], 1);
	assert_true(id_set_has(&set, 64));
	assert_false(id_set_has(&set, 63));
	assert_false(id_set_has(&set, 4096));
}

static const struct {
	const char *list;
	int code;
} refused[] = {
	{ "", -EINVAL },
	{ ",", -EINVAL },
	{ "a", -EINVAL },
	{ "2-1", -EINVAL },
	{ "1-", -EINVAL },
	{ "-1", -EINVAL },
	{ "1-2-3", -EINVAL },
	{ "1 2", -EINVAL },
	{ "0x1", -EINVAL },
	{ "65536", -ERANGE },
	{ "0-4294967295", -ERANGE },
	{ "4294967296", -ERANGE },
};

static void what_is_not_a_list_is_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct id_set set = ID_SET_INIT;
		int r = id_set_parse(refused[i].list, &set);

		if (r != refused[i].code)
			fail_msg("'%s': %d", refused[i].list, r);
		assert_null(set.words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_numbers_and_ranges_become_sets),
		cmocka_unit_test(what_is_not_a_list_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
