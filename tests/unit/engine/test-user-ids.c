/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/engine/id-map.h"
#include "lib/engine/user-ids.h"
#include "oci/config.h"

/* Which ids a user has, by the text of the files that say so. */

static void assert_map(const char *text, const char *name, const char *wanted)
{
	struct oci_id_mapping *maps = NULL;
	size_t count = user_ids_map(text, name, 1000, 100, &maps);
	cleanup_free char *got = id_map_text(maps, count);

	assert_string_equal(got, wanted);
	free(maps);
}

static void a_user_who_was_given_nothing_has_its_own_id_as_root(void **state)
{
	assert_map(NULL, "me", "0 100 1\n");
	assert_map("", "me", "0 100 1\n");
	assert_map("you:100000:65536\n", "me", "0 100 1\n");
}

static void what_a_user_was_given_follows_from_one_on(void **state)
{
	assert_map("you:1:1\nme:100000:65536\n", "me", "0 100 1\n1 100000 65536\n");
	assert_map("me:100000:10\nme:300000:5", "me", "0 100 1\n1 100000 10\n11 300000 5\n");
}

static void a_user_may_be_named_by_number(void **state)
{
	assert_map("1000:100000:10\n", NULL, "0 100 1\n1 100000 10\n");
	assert_map("1000:100000:10\nme:200000:10\n", "me", "0 100 1\n1 100000 10\n11 200000 10\n");
}

static void lines_that_are_wrong_are_passed_over(void **state)
{
	assert_map("me\nme:x:5\nme:5\nme:1:2:3\nme:100000:0\nme:4294967295:2\n:::\nme:-1:5\n", "me",
		   "0 100 1\n");
	assert_map("me:4294967000:200\n", "me", "0 100 1\n1 4294967000 200\n");
}

static void an_id_is_mapped_once(void **state)
{
	assert_map("me:50:100\nme:100000:10\nme:100009:10\n", "me", "0 100 1\n1 100000 10\n");
}

static void more_lines_than_the_kernel_takes_are_passed_over(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct oci_id_mapping *maps = NULL;

	for (unsigned int i = 0; i < 1000; i++)
		strbuf_addf(&text, "me:%u:10\n", 100000 + 100 * i);
	assert_int_equal(user_ids_map(text.buf, "me", 1000, 1000, &maps), 340);
	free(maps);
	strbuf_done(&text);
}

static void a_users_name_is_found_by_its_number(void **state)
{
	static const char passwd[] =
		"root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:100::/home:\n";
	cleanup_free char *name = environment_find_name(passwd, 1000);

	assert_string_equal(name, "me");
	assert_null(environment_find_name(passwd, 1001));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_who_was_given_nothing_has_its_own_id_as_root),
		cmocka_unit_test(what_a_user_was_given_follows_from_one_on),
		cmocka_unit_test(a_user_may_be_named_by_number),
		cmocka_unit_test(lines_that_are_wrong_are_passed_over),
		cmocka_unit_test(an_id_is_mapped_once),
		cmocka_unit_test(more_lines_than_the_kernel_takes_are_passed_over),
		cmocka_unit_test(a_users_name_is_found_by_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
