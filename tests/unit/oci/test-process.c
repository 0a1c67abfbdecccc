/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "oci/config.h"

static const char text[] =
	"{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},"
	"\"user\":{\"uid\":1000,\"gid\":100,\"umask\":0,\"additionalGids\":[5,6]},"
	"\"args\":[\"sh\",\"-c\",\"\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/tmp\","
	"\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"ambient\":[]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_STACK\",\"soft\":1,\"hard\":18446744073709551615}],"
	"\"noNewPrivileges\":true,\"apparmorProfile\":\"p\",\"selinuxLabel\":\"l\","
	"\"oomScoreAdj\":-5,"
	"\"scheduler\":{\"policy\":\"SCHED_RR\",\"nice\":-3,\"priority\":7,"
	"\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]},"
	"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\",\"priority\":0},"
	"\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"0-3,7\"}}";

static struct oci_process *parse(void)
{
	struct oci_process *process = NULL;
	struct error err = ERROR_INIT;

	if (oci_process_parse("process.json", text, strlen(text), &process, &err) < 0)
		fail_msg("%s", err.msg);
	return process;
}

static void a_process_document_is_read_and_written(void **state)
{
	cleanup_oci_process struct oci_process *process = parse();
	cleanup_free char *written = oci_process_text(process);

	assert_int_equal(process->user.additional_gids[1], 6);
	assert_string_equal(process->args[2], "");
	assert_true(process->user.umask.is_set);
	assert_string_equal(written, text);
}

static void a_copy_lives_without_its_original(void **state)
{
	struct oci_process *process = parse();
	cleanup_oci_process struct oci_process *copy = oci_process_copy(process);
	cleanup_free char *written = NULL;

	process->args[0][0] = 'x';
	oci_process_free(process);
	written = oci_process_text(copy);
	assert_string_equal(written, text);
}

/* What `exec` does with its copy: other arguments, more environment. */
static void a_copy_can_be_changed(void **state)
{
	cleanup_oci_process struct oci_process *process = parse();
	cleanup_oci_process struct oci_process *copy = oci_process_copy(process);

	strv_free(copy->args);
	copy->args = strv_split("ls -l", ' ');
	strv_pushf(&copy->env, "TERM=%s", "xterm");
	strv_pushf(&copy->env, "BYTES=\xff");
	assert_int_equal(strv_len(process->args), 3);
	assert_int_equal(strv_len(process->env), 1);
}

static void a_broken_document_is_refused_by_path_without_a_prefix(void **state)
{
	static const struct {
		const char *text;
		const char *msg;
	} cases[] = {
		{ "{\"args\":[\"a\"]}", "p.json:1: cwd: missing" },
		{ "{\"args\":[\"a\"],\n\"cwd\":\"x\"}",
		  "p.json:2: cwd: must be an absolute path: \"x\"" },
		{ "{\"cwd\":\"/\"}", "p.json:1: args: missing" },
		{ "{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\n\"gid\":4294967295}}",
		  "p.json:2: user.gid: not an id: 4294967295" },
		{ "[]", "p.json:1: not a JSON object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oci_process *process = NULL;
		struct error err = ERROR_INIT;

		assert_int_equal(oci_process_parse("p.json", cases[i].text, strlen(cases[i].text),
						   &process, &err),
				 -EINVAL);
		assert_null(process);
		assert_string_equal(err.msg, cases[i].msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_document_is_read_and_written),
		cmocka_unit_test(a_copy_lives_without_its_original),
		cmocka_unit_test(a_copy_can_be_changed),
		cmocka_unit_test(a_broken_document_is_refused_by_path_without_a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
