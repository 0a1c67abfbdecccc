/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/systemd/scope.h"

static void expect_names(const char *path, bool is_users, const char *slice, const char *unit)
{
	cleanup_free char *got_slice = NULL;
	cleanup_free char *got_unit = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(scope_plan_names(path, "c1", is_users, &got_slice, &got_unit, &err), 0);
	assert_string_equal(got_slice, slice);
	assert_string_equal(got_unit, unit);
}

static void test_three_parts_name_slice_and_scope(void **state)
{
	expect_names("machine.slice:libpod:abc", false, "machine.slice", "libpod-abc.scope");
	expect_names("a-b.slice:crio:abc", true, "a-b.slice", "crio-abc.scope");
	expect_names("a.slice::abc", false, "a.slice", "abc.scope");
}

static void test_what_is_left_out_is_the_usual(void **state)
{
	expect_names(NULL, false, "system.slice", "moat-c1.scope");
	expect_names("", true, "user.slice", "moat-c1.scope");
	expect_names(":p:n", false, "system.slice", "p-n.scope");
	expect_names(":p:n", true, "user.slice", "p-n.scope");
	expect_names("-:p:n", false, "-.slice", "p-n.scope");
}

static void expect_refusal(const char *path, const char *text)
{
	struct error err = ERROR_INIT;
	char *slice, *unit;

	assert_int_equal(scope_plan_names(path, "c1", false, &slice, &unit, &err), -EINVAL);
	assert_non_null(strstr(err.msg, text));
}

/* Callers of other runtimes know these words. */
static void test_a_path_is_no_unit(void **state)
{
	expect_refusal("/c1", "expected cgroupsPath to be of format \"slice:prefix:name\" for "
			      "systemd cgroups, got \"/c1\" instead");
	expect_refusal("a:b", "got \"a:b\" instead");
	expect_refusal("a:b:c:d", "got \"a:b:c:d\" instead");
	expect_refusal("a:b:", "got \"a:b:\" instead");
	expect_refusal("a.slice:b:../c", "got");
	expect_refusal("a.slice:b:c.slice", "'a.slice:b:c.slice' is a slice");
}

static void expect_path(const char *text, const char *wanted)
{
	cleanup_free char *path = scope_find_path(text);

	if (wanted)
		assert_string_equal(path, wanted);
	else
		assert_null(path);
}

static void test_systemds_hierarchy_is_the_one_with_its_name_or_v2s(void **state)
{
	expect_path("0::/system.slice/x.scope\n", "/system.slice/x.scope");
	expect_path("4:memory:/m\n1:name=systemd:/s/x.scope\n0::/other\n", "/s/x.scope");
	expect_path("0::/other\n1:name=systemd:/s/x.scope\n", "/s/x.scope");
	expect_path("4:memory:/m\n", NULL);
	expect_path("", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_parts_name_slice_and_scope),
		cmocka_unit_test(test_what_is_left_out_is_the_usual),
		cmocka_unit_test(test_a_path_is_no_unit),
		cmocka_unit_test(test_systemds_hierarchy_is_the_one_with_its_name_or_v2s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
