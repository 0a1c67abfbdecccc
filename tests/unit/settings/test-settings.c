/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/settings/settings.h"
#include "lib/state/record.h"

static struct error err;
static struct settings got;

static int parse(const char *text)
{
	err = (struct error)ERROR_INIT;
	return settings_parse("moat.json", text, strlen(text), &got, &err);
}

static int set_up(void **state)
{
	settings_init(&got);
	return 0;
}

static int tear_down(void **state)
{
	settings_done(&got);
	return 0;
}

static void everything_is_read_and_comments_are_not(void **state)
{
	assert_int_equal(
		parse("/* all */ {\n"
		      "  \"isolation\": \"native\", // one\n"
		      "  \"log_level\": \"debug\",\n"
		      "  \"allow_annotations\": [\"io.moat.isolation\"],\n"
		      "  \"vm\": { \"memory_mib\": 512, \"vcpus\": 2, \"image\": \"/i\",\n"
		      "    \"kernel\": \"/k\", \"hypervisor\": \"/q\", \"share\": \"virtiofs\",\n"
		      "    \"template\": \"on\", \"accelerator\": \"tcg\", \"page_reporting\": \"off\",\n"
		      "    \"jail\": false }\n"
		      "}"),
		0);
	assert_int_equal(got.isolation, ISOLATION_NATIVE);
	assert_int_equal(got.log_level, LOG_LEVEL_DEBUG);
	assert_true(strv_has(got.allow_annotations, "io.moat.isolation"));
	assert_int_equal(got.vm.memory_mib.value, 512);
	assert_int_equal(got.vm.vcpus.value, 2);
	assert_string_equal(got.vm.image, "/i");
	assert_string_equal(got.vm.kernel, "/k");
	assert_string_equal(got.vm.hypervisor, "/q");
	assert_string_equal(names_get(&settings_share_names, (size_t)got.vm.share), "virtiofs");
	assert_string_equal(names_get(&settings_accelerator_names, (size_t)got.vm.accelerator),
			    "tcg");
	assert_int_equal(got.vm.template_use, TEMPLATE_ON);
	assert_int_equal(got.vm.page_reporting, PAGE_REPORTING_OFF);
	assert_true(got.vm.jail.is_set && !got.vm.jail.value);
	assert_null(got.warnings);
}

static void nothing_said_is_nothing_set(void **state)
{
	assert_int_equal(parse("{}"), 0);
	assert_int_equal(got.isolation, -1);
	assert_int_equal(got.log_level, -1);
	assert_int_equal(got.vm.accelerator, -1);
	assert_int_equal(got.vm.template_use, TEMPLATE_AUTO);
	assert_int_equal(got.vm.share, -1);
	assert_null(got.allow_annotations);
	assert_false(got.vm.memory_mib.is_set);
}

static void a_later_text_replaces_what_it_names(void **state)
{
	assert_int_equal(parse("{\"isolation\":\"native\",\"vm\":{\"vcpus\":3,\"memory_mib\":99}}"),
			 0);
	assert_int_equal(parse("{\"vm\":{\"vcpus\":4}}"), 0);
	assert_int_equal(got.isolation, ISOLATION_NATIVE);
	assert_int_equal(got.vm.vcpus.value, 4);
	assert_int_equal(got.vm.memory_mib.value, 99);
}

static void wrong_values_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "{\n\"isolation\": \"chroot\"}", "moat.json:2: isolation: " },
		{ "{\"vm\":\n{\"memory_mib\": \"much\"}}",
		  "moat.json:2: vm.memory_mib: not a number" },
		{ "{\"vm\": {\"accelerator\": \"hvf\"}}", "moat.json:1: vm.accelerator: " },
		{ "{\"vm\": {\"template\": \"maybe\"}}", "moat.json:1: vm.template: " },
		{ "{\"vm\": {\"template_dir\": \"here\"}}",
		  "moat.json: vm.template_dir: not an absolute path: 'here'" },
		{ "{\"vm\": {\"image\": \"guest\"}}",
		  "moat.json: vm.image: not an absolute path: 'guest'" },
		{ "{\"vm\": {\"vcpus\": 0}}", "moat.json: vm.vcpus: must not be 0" },
		{ "{\"vm\": {\"boot_timeout\": 0}}",
		  "moat.json: vm.boot_timeout: must be 1 to 86400 seconds: 0" },
		{ "{\"vm\": {\"boot_timeout\": 90000}}",
		  "moat.json: vm.boot_timeout: must be 1 to 86400 seconds: 90000" },
		{ "{\"vm\": {\"memory_mib\": 0}}", "moat.json: vm.memory_mib: must not be 0" },
		{ "{\"vm\": {\"memory_max_mib\": 0}}",
		  "moat.json: vm.memory_max_mib: must not be 0" },
		{ "{\"vm\": {\"vcpus_max\": 0}}", "moat.json: vm.vcpus_max: must not be 0" },
		{ "[]", "moat.json:1: " },
		{ "{", "moat.json:1: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		settings_done(&got);
		assert_true(parse(rows[i].text) < 0);
		if (!str_after(err.msg, rows[i].message))
			fail_msg("'%s' does not begin with '%s'", err.msg, rows[i].message);
	}
}

static void unknown_keys_are_warned_of_with_their_line(void **state)
{
	assert_int_equal(parse("{\n\"isolaton\": \"vm\",\n\"vm\": {\"vcpus\": 1,\n\"cpus\": 2},\n"
			       "\"other\": {\"vm\": {\"x\": [1, {\"y\": 2}]}}}"),
			 0);
	assert_int_equal(strv_len(got.warnings), 3);
	assert_string_equal(got.warnings[0], "moat.json:2: isolaton: unknown key");
	assert_string_equal(got.warnings[1], "moat.json:4: vm.cpus: unknown key");
	assert_string_equal(got.warnings[2], "moat.json:5: other: unknown key");
}

static void each_key_knows_where_it_was_said(void **state)
{
	assert_int_equal(parse("{\n\"isolation\": \"vm\",\n\"vm\": {\n\"vcpus\": 2,\n"
			       "\"image\": null, \"kernel_parameters\": [\"a\"]}}"),
			 0);
	assert_string_equal(string_map_get(&got.origins, "isolation"), "moat.json:2");
	assert_string_equal(string_map_get(&got.origins, "vm.vcpus"), "moat.json:4");
	assert_string_equal(string_map_get(&got.origins, "vm.kernel_parameters"), "moat.json:5");
	assert_null(string_map_get(&got.origins, "vm.image"));
	assert_null(string_map_get(&got.origins, "vm"));
	assert_int_equal(got.origins.count, 3);
	/* The later one is in force. */
	assert_int_equal(settings_parse("later", "{\"isolation\": \"native\"}", 23, &got, &err), 0);
	assert_string_equal(string_map_get(&got.origins, "isolation"), "later:1");
}

static void write_text(const char *dir, const char *name, const char *text)
{
	cleanup_fd int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(write_atomic_at(dirfd, name, text, strlen(text), 0600), 0);
}

static void one_file_can_be_named_instead_of_all(void **state)
{
	char dir[] = "/tmp/moat-settings.XXXXXX";
	cleanup_free char *path = NULL;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/mine", dir);
	write_text(dir, "mine", "{\"vm\": {\"vcpus\": 7}}");
	setenv(SETTINGS_VARIABLE, path, 1);
	assert_int_equal(settings_load(&got, &err), 0);
	assert_int_equal(got.vm.vcpus.value, 7);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(settings_load(&got, &err), -ENOENT);
	unsetenv(SETTINGS_VARIABLE);
	assert_int_equal(rmdir(dir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_is_read_and_comments_are_not),
		TEST(nothing_said_is_nothing_set),
		TEST(a_later_text_replaces_what_it_names),
		TEST(wrong_values_are_refused_with_their_place),
		TEST(unknown_keys_are_warned_of_with_their_line),
		TEST(each_key_knows_where_it_was_said),
		TEST(one_file_can_be_named_instead_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
