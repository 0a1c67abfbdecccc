/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/linux/caps.h"

static void names_have_numbers_and_numbers_names(void **state)
{
	assert_int_equal(caps_number("CAP_CHOWN"), 0);
	assert_int_equal(caps_number("cap_sys_admin"), 21);
	assert_string_equal(caps_name(21), "cap_sys_admin");
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const names[] = {
		"", "5", "CHOWN", "CAP_", "CAP_NOPE", "CAP_5", "CAP_CHOWN ", "CAP_CHOWN,CAP_KILL"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(caps_number(names[i]), -EINVAL);
}

/* In a child: what is given up does not come back. */
static int give_up(void)
{
	const uint64_t chown = 1, want = chown | 1u << 5;
	struct caps caps = { want, want, chown }, now;

	if (caps_drop_bounding(want) < 0)
		return 1;
	if (prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 1 || prctl(PR_CAPBSET_READ, 21, 0, 0, 0) != 0)
		return 2;
	if (caps_set(&caps) < 0 || caps_set_ambient(chown) < 0 || caps_get(&now) < 0)
		return 3;
	if (now.effective != want || now.permitted != want || now.inheritable != chown)
		return 4;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0) != 1)
		return 5;
	/* Neither permitted nor to be had again. */
	if (caps_set_ambient(1u << 5) != -EPERM)
		return 6;
	caps.permitted |= 1u << 21;
	return caps_set(&caps) == -EPERM ? 0 : 7;
}

static void sets_are_set_exactly(void **state)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(give_up());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_numbers_and_numbers_names),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(sets_are_set_exactly),
	};

	return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
