/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/container/ps.h"
#include "lib/linux/process-table.h"
#include "tests/unit/container/fixture.h"

static struct error err;
static const pid_t pids[] = { 7, 70 };

static void check(const char *table, const char *wanted)
{
	cleanup_free char *text = NULL;

	assert_int_equal(ps_filter(table, pids, 2, &text, &err), 0);
	assert_string_equal(text, wanted);
}

static void lines_are_chosen_by_the_column_of_the_header(void **state)
{
	check("UID   PID  PPID CMD\nroot    7     1 a 8\nroot   70     7 b\nroot    1     7 c\n",
	      "UID   PID  PPID CMD\nroot    7     1 a 8\nroot   70     7 b\n");
	check("  PPID\tCOMMAND PID\n     7\tx       8\n     1\ty      70\n",
	      "  PPID\tCOMMAND PID\n     1\ty      70\n");
	check("PID\n", "PID\n");
}

static void lines_that_are_none_are_left_out(void **state)
{
	check("UID PID\nroot\n\n 7 x\nroot 7x\nroot +7\nroot 007 y\n", "UID PID\nroot 007 y\n");
}

static void a_table_without_pids_is_refused(void **state)
{
	cleanup_free char *text = NULL;

	assert_true(ps_filter("UID PPID CMD\nroot 7 x\n", pids, 2, &text, &err) < 0);
	assert_string_equal(err.msg, "ps: couldn't find PID field in its output");
	assert_true(ps_filter("", pids, 2, &text, &err) < 0);
}

static void the_own_table_shows_who_is_there(void **state)
{
	const pid_t mine[] = { getpid(), INT32_MAX };
	cleanup_free char *text = process_table_text(mine, 2);
	cleanup_strv char **lines = strv_split(text, '\n');
	cleanup_free char *own = NULL;

	assert_int_equal(strv_len(lines), 3); /* the last is empty */
	assert_non_null(str_after(lines[0], "UID"));
	assert_non_null(strstr(lines[1], "test-container-ps"));
	assert_int_equal(ps_filter(text, mine, 1, &own, &err), 0);
	assert_string_equal(own, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_chosen_by_the_column_of_the_header),
		cmocka_unit_test(lines_that_are_none_are_left_out),
		cmocka_unit_test(a_table_without_pids_is_refused),
		cmocka_unit_test(the_own_table_shows_who_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
