/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/state/record.h"
#include "tests/unit/state/fixture.h"

static const char minimal[] =
	"{\"version\":1,\"id\":\"web\",\"isolation\":\"native\",\"phase\":\"created\",\"bundle\":\"/b\"}";

static struct record sample(void)
{
	return (struct record){
		.version = RECORD_VERSION,
		.id = xstrdup("web"),
		.isolation = ISOLATION_VM,
		.phase = RECORD_CREATING,
		.bundle = xstrdup("/bundle \"x\""),
		.rootfs = xstrdup("/bundle/rootfs"),
		.created = xstrdup("2026-01-02T03:04:05.000000006Z"),
		.cgroup = xstrdup("/web"),
		.owner = 1000,
		.pid = 4711,
		.pid_start = UINT64_MAX,
		.has_terminal = true,
		.sandbox = xstrdup("pod"),
		.agent_address = xstrdup("vsock://3"),
	};
}

static void assert_same(const struct record *a, const struct record *b)
{
	assert_int_equal(a->version, b->version);
	assert_string_equal(a->id, b->id);
	assert_int_equal(a->isolation, b->isolation);
	assert_int_equal(a->phase, b->phase);
	assert_string_equal(a->bundle, b->bundle);
	assert_string_equal(a->rootfs, b->rootfs);
	assert_string_equal(a->created, b->created);
	assert_string_equal(a->cgroup, b->cgroup);
	assert_int_equal(a->owner, b->owner);
	assert_int_equal(a->pid, b->pid);
	assert_true(a->pid_start == b->pid_start);
	assert_int_equal(a->has_terminal, b->has_terminal);
	assert_string_equal(a->sandbox, b->sandbox);
	assert_string_equal(a->agent_address, b->agent_address);
}

static void test_a_record_reads_back_as_written(void **state)
{
	cleanup_record struct record written = sample();
	cleanup_record struct record got = { 0 };
	cleanup_state_dir struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;
	struct stat st;

	assert_int_equal(state_dir_create(*state, "web", &dir, &err), 0);
	assert_int_equal(record_write(dir, &written, &err), 0);
	assert_int_equal(record_read(dir, &got, &err), 0);
	assert_same(&written, &got);
	assert_int_equal(fstatat(state_dir_fd(dir), "state.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_second_write_replaces_the_first(void **state)
{
	cleanup_record struct record record = sample();
	cleanup_record struct record got = { 0 };
	cleanup_state_dir struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_open(*state, "web", &dir, &err), 0);
	record.phase = RECORD_CREATED;
	record.pid = 0;
	assert_int_equal(record_write(dir, &record, &err), 0);
	assert_int_equal(record_read(dir, &got, &err), 0);
	assert_same(&record, &got);
}

static void test_a_directory_without_a_record_is_no_container(void **state)
{
	struct record got = { 0 };
	cleanup_state_dir struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "half", &dir, &err), 0);
	assert_int_equal(record_read(dir, &got, &err), -ENOENT);
	assert_string_equal(err.msg, "container 'half' does not exist");
}

static void test_a_record_of_another_id_is_refused(void **state)
{
	cleanup_record struct record record = sample();
	struct record got = { 0 };
	cleanup_state_dir struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "copy", &dir, &err), 0);
	assert_int_equal(record_write(dir, &record, &err), 0);
	assert_int_equal(record_read(dir, &got, &err), -EINVAL);
	assert_string_equal(err.msg, "container 'copy': state.json is of 'web'");
}

static void test_broken_records_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *msg;
	} cases[] = {
		{ "", "state.json" },
		{ "[]", "state.json" },
		{ "{\"version\":1", "state.json" },
		{ "{\"version\":-1}", "version: must not be negative" },
		{ "{\"id\":\"x\"}", "state.json: has no version" },
		{ "{\"version\":1}", "state.json: has no id" },
		{ "{\"version\":1,\"id\":\"x\"}", "state.json: has no bundle" },
		{ "{\"version\":1,\"id\":\"x\",\"bundle\":\"/\"}", "state.json: has no isolation" },
		{ "{\"version\":1,\"id\":\"x\",\"bundle\":\"/\",\"isolation\":\"vm\"}",
		  "state.json: has no phase" },
		{ "{\"version\":1,\"isolation\":\"chroot\"}", "isolation: unknown value" },
		{ "{\"version\":1,\"pid\":4294967296}", "pid: number out of range" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct record record = { 0 };
		struct error err = ERROR_INIT;

		assert_true(record_parse(cases[i].text, strlen(cases[i].text), &record, &err) < 0);
		assert_non_null(strstr(err.msg, cases[i].msg));
		assert_null(record.id);
	}
}

static void test_a_newer_version_is_named_before_its_types_are_judged(void **state)
{
	static const char text[] = "{\"version\":7,\"id\":[1],\"pid\":\"none\"}";
	struct record record = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(record_parse(text, strlen(text), &record, &err), -EPROTONOSUPPORT);
	assert_string_equal(err.msg, "state.json: version 7 is newer than this moat knows (1)");
}

static void test_unknown_fields_are_ignored_and_missing_ones_empty(void **state)
{
	cleanup_record struct record record = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(record_parse(minimal, strlen(minimal), &record, &err), 0);
	assert_int_equal(record.isolation, ISOLATION_NATIVE);
	assert_int_equal(record.phase, RECORD_CREATED);
	assert_null(record.cgroup);
	assert_int_equal(record.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_reads_back_as_written),
		cmocka_unit_test(test_a_second_write_replaces_the_first),
		cmocka_unit_test(test_a_directory_without_a_record_is_no_container),
		cmocka_unit_test(test_a_record_of_another_id_is_refused),
		cmocka_unit_test(test_broken_records_say_what_is_wrong),
		cmocka_unit_test(test_a_newer_version_is_named_before_its_types_are_judged),
		cmocka_unit_test(test_unknown_fields_are_ignored_and_missing_ones_empty),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
