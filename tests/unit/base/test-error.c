/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/error.h"

static void each_layer_puts_its_noun_in_front(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(error_sys(&err, ENOENT, "open '%s'", "/x"), -ENOENT);
	assert_int_equal(error_wrap(&err, -EIO, "create '%s'", "web"), -EIO);
	assert_int_equal(err.code, -EIO);
	assert_string_equal(err.msg, "create 'web': open '/x': No such file or directory");
}

static void an_errno_of_either_sign_comes_out_negative(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(error_sys(&err, -EPERM, "mount"), -EPERM);
	assert_string_equal(err.msg, "mount: Operation not permitted");
}

static void nobody_has_to_listen(void **state)
{
	assert_int_equal(error_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(error_sys(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(error_wrap(NULL, -EIO, "x"), -EIO);
}

static void a_long_text_is_cut_and_terminated(void **state)
{
	struct error err = ERROR_INIT;
	char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	error_wrap(&err, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	error_sys(&err, EPERM, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void a_text_that_is_cut_keeps_its_reason(void **state)
{
	struct error err = ERROR_INIT;
	char name[2000];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	error_sys(&err, ENOENT, "open '%s'", name);
	error_wrap(&err, -ENOENT, "mounts[%d]", 7);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_int_equal(strncmp(err.msg, "mounts[7]: open 'xxx", 20), 0);
	assert_non_null(strstr(err.msg, "xx...xx"));
	assert_non_null(strstr(err.msg, "x: No such file or directory"));
}

static void foreign_text_loses_its_control_bytes(void **state)
{
	struct error err = ERROR_INIT;

	memset(err.msg, 'y', sizeof(err.msg));
	memcpy(err.msg, "a\n\033[31mb\tc\177", 11);
	error_sanitize(&err);
	assert_memory_equal(err.msg, "a ?[31mb c?", 11);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void known_errors_have_a_cure(void **state)
{
	struct error err = ERROR_INIT;

	error_set(&err, -EBUSY, "container's cgroup is not empty: 2 process(es) found");
	assert_non_null(error_hint(&err));
	error_set(&err, -EBUSY, "something else");
	assert_null(error_hint(&err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_layer_puts_its_noun_in_front),
		cmocka_unit_test(an_errno_of_either_sign_comes_out_negative),
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(a_long_text_is_cut_and_terminated),
		cmocka_unit_test(a_text_that_is_cut_keeps_its_reason),
		cmocka_unit_test(foreign_text_loses_its_control_bytes),
		cmocka_unit_test(known_errors_have_a_cure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
