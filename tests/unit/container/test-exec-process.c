/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/exec-process.h"
#include "cmd/moat/signals.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "oci/config.h"
#include "tests/unit/container/fixture.h"

static struct error err;

static struct oci_process *base_process(void)
{
	static const char text[] =
		"{\"args\":[\"sh\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\",\"TERM=x\"],"
		"\"user\":{\"uid\":1,\"gid\":2,\"additionalGids\":[5]},"
		"\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_CHOWN\"]}}";
	struct oci_process *process = NULL;

	assert_int_equal(oci_process_parse("p", text, strlen(text), &process, &err), 0);
	return process;
}

#define LIST(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static void test_nothing_given_changes_nothing(void **state)
{
	cleanup_oci_process struct oci_process *process = base_process();
	const struct exec_changes changes = { 0 };

	assert_int_equal(exec_process_change(process, &changes, &err), 0);
	assert_string_equal(process->args[0], "sh");
	assert_int_equal(process->user.uid, 1);
	assert_int_equal(process->user.gid, 2);
	assert_int_equal(strv_len(process->env), 2);
}

static void test_a_user_without_group_keeps_the_group(void **state)
{
	cleanup_oci_process struct oci_process *process = base_process();
	const struct exec_changes changes = { .user = "7", .additional_gids = LIST("8", "9") };

	assert_int_equal(exec_process_change(process, &changes, &err), 0);
	assert_int_equal(process->user.uid, 7);
	assert_int_equal(process->user.gid, 2);
	assert_int_equal(process->user.additional_gids_count, 3);
	assert_int_equal(process->user.additional_gids[2], 9);
}

static void test_a_user_is_one_or_two_clean_numbers(void **state)
{
	static const char *const wrong[] = {
		"",   ":",  "1:", ":1", "a",   "1:b",	"4294967296", "4294967295", "1:4294967295",
		"-1", "+1", " 1", "1 ", "0x1", "1:2:3", "root"
	};
	uid_t uid = 77;
	gid_t gid = 78;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_true(exec_parse_user(wrong[i], &uid, &gid, &err) < 0);
	assert_int_equal(uid, 77);
	assert_int_equal(gid, 78);
	assert_int_equal(exec_parse_user("0:4294967294", &uid, &gid, &err), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 4294967294);
}

static void test_a_variable_replaces_its_namesake_only(void **state)
{
	cleanup_oci_process struct oci_process *process = base_process();
	const struct exec_changes changes = { .env = LIST("TERM=y", "TER=z", "EMPTY=") };

	assert_int_equal(exec_process_change(process, &changes, &err), 0);
	assert_int_equal(strv_len(process->env), 4);
	assert_string_equal(process->env[1], "TERM=y");
	assert_true(strv_has(process->env, "TER=z"));
	assert_true(strv_has(process->env, "EMPTY="));
}

static void test_broken_variables_are_refused(void **state)
{
	cleanup_oci_process struct oci_process *process = base_process();

	assert_true(exec_process_change(process, &(struct exec_changes){ .env = LIST("A") }, &err) <
		    0);
	assert_string_equal(err.msg, "invalid environment variable 'A': missing '='");
	assert_true(exec_process_change(process, &(struct exec_changes){ .env = LIST("=A") },
					&err) < 0);
	assert_string_equal(err.msg, "invalid environment variable '=A': name cannot be empty");
}

static void test_capabilities_never_become_inheritable(void **state)
{
	cleanup_oci_process struct oci_process *process = base_process();
	const struct exec_changes changes = { .capabilities = LIST("CAP_KILL", "CAP_CHOWN") };
	const struct oci_capabilities *caps;

	assert_int_equal(exec_process_change(process, &changes, &err), 0);
	caps = process->capabilities;
	assert_int_equal(strv_len(caps->bounding), 2);
	assert_int_equal(strv_len(caps->effective), 2);
	assert_int_equal(strv_len(caps->permitted), 2);
	assert_int_equal(strv_len(caps->inheritable), 1);
	assert_string_equal(caps->inheritable[0], "CAP_CHOWN");
	/* Ambient only what was inheritable before. */
	assert_int_equal(strv_len(caps->ambient), 1);
	assert_string_equal(caps->ambient[0], "CAP_CHOWN");
}

static void test_there_must_be_a_command_and_an_absolute_directory(void **state)
{
	cleanup_oci_process struct oci_process *process = base_process();

	assert_true(exec_process_change(process, &(struct exec_changes){ .cwd = "tmp" }, &err) < 0);
	assert_string_equal(err.msg, "Cwd must be an absolute path: 'tmp'");
	assert_true(exec_process_change(process, &(struct exec_changes){ .cwd = "" }, &err) < 0);
	assert_string_equal(err.msg, "Cwd property must not be empty");
	strv_free(steal_ptr(&process->args));
	assert_true(exec_process_change(process, &(struct exec_changes){ .cwd = "/" }, &err) < 0);
	assert_non_null(strstr(err.msg, "args must not be empty"));
}

static void test_signals_are_numbers_or_names_in_any_case(void **state)
{
	static const struct {
		const char *text;
		int wanted;
	} cases[] = {
		{ "0", 0 },	   { "9", 9 },	      { "64", 64 },	    { "KILL", 9 },
		{ "sigkill", 9 },  { "SigTerm", 15 }, { "winch", 28 },	    { "RTMIN", 34 },
		{ "rtmin+3", 37 }, { "RTMAX", 64 },   { "SIGRTMAX-1", 63 },
	};
	static const char *const wrong[] = { "",	"SIG",	  "65",	     "-9",
					     "NOSUCH",	"KILLL",  "RTMIN-1", "RTMIN+31",
					     "RTMAX+1", "RTMIN+", "9 ",	     "SIGSIGKILL" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(signal_parse(cases[i].text), cases[i].wanted);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_true(signal_parse(wrong[i]) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_given_changes_nothing),
		cmocka_unit_test(test_a_user_without_group_keeps_the_group),
		cmocka_unit_test(test_a_user_is_one_or_two_clean_numbers),
		cmocka_unit_test(test_a_variable_replaces_its_namesake_only),
		cmocka_unit_test(test_broken_variables_are_refused),
		cmocka_unit_test(test_capabilities_never_become_inheritable),
		cmocka_unit_test(test_there_must_be_a_command_and_an_absolute_directory),
		cmocka_unit_test(test_signals_are_numbers_or_names_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
