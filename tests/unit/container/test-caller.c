/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"
#include "lib/container/caller.h"
#include "tests/unit/container/fixture.h"

/* @cmdline: words with a blank behind each, as /proc has them with a NUL. */
static void check(const char *cmdline, const char *wanted)
{
	cleanup_free char *text = xstrdup(cmdline), *joined = NULL;
	cleanup_strv char **dirs = NULL;
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] == ' ')
			text[i] = '\0';
	dirs = caller_oom_dirs_parse(text, len);
	joined = strv_join(dirs, " ");
	assert_string_equal(joined, wanted);
}

static void conmon_says_where_its_engine_looks(void **state)
{
	check("/usr/bin/conmon -c id -b /run/userdata --persist-dir /run/persist/id -p /pid ",
	      "/run/userdata /run/persist/id");
	check("conmon --bundle=/run/userdata --persist-dir=/run/userdata ", "/run/userdata");
	check("/usr/libexec/podman/conmon-v2 -b /a ", "/a");
}

static void other_callers_look_nowhere(void **state)
{
	check("", "");
	check("bash -b /a ", "");
	check("/opt/conmon/bin/podman -b /a ", "");
	check("conmon ", "");
}

static void what_is_no_path_is_none(void **state)
{
	check("conmon -b ", "");
	check("conmon -b relative --persist-dir= ", "");
	check("conmon -bundle /a --bundles /b --persist-directory=/c ", "");
	check("conmon -b /unterminated", "/unterminated");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conmon_says_where_its_engine_looks),
		cmocka_unit_test(other_callers_look_nowhere),
		cmocka_unit_test(what_is_no_path_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
