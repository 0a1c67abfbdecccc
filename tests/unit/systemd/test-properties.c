/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/systemd/properties.h"
#include "oci/config.h"

#define PROC_DEVICES                                                                               \
	"Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n136 blockers\n"

/* A configuration of what stands in @members. */
static struct oci_config *configure(const char *members)
{
	cleanup_free char *text = xasprintf(
		"{\"ociVersion\": \"1.3.0\", \"process\": {\"args\": [\"a\"], \"cwd\": \"/\"}, "
		"\"root\": {\"path\": \"r\"}, %s}",
		members);
	struct error err = ERROR_INIT;
	struct oci_config *config;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

static struct oci_config *configure_resources(const char *resources)
{
	cleanup_free char *members = xasprintf("\"linux\": {\"resources\": {%s}}", resources);

	return configure(members);
}

static void expect_limits(bool is_v2, const char *resources, const char *wanted)
{
	struct oci_config *config = configure_resources(resources);
	cleanup_unit_properties struct unit_properties p = { NULL, 0 };
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	if (unit_properties_of_resources(&config->linux_.resources, is_v2, &p, &err) < 0)
		fail_msg("%s", err.msg);
	text = unit_properties_text(&p);
	assert_string_equal(text, wanted);
	oci_config_free(config);
}

static void test_limits_are_properties(void **state)
{
	expect_limits(true,
		      "\"memory\": {\"limit\": 100, \"reservation\": 50, \"swap\": 150}, "
		      "\"cpu\": {\"shares\": 1024, \"quota\": 50000, \"period\": 100000, "
		      "\"cpus\": \"0-2,9\", \"mems\": \"0\"}, \"pids\": {\"limit\": 20}",
		      "MemoryMax t 100\nMemoryLow t 50\nMemorySwapMax t 50\nCPUWeight t 100\n"
		      "CPUQuotaPeriodUSec t 100000\nCPUQuotaPerSecUSec t 500000\n"
		      "AllowedCPUs ay 7 2\nAllowedMemoryNodes ay 1\nTasksMax t 20\n");
	expect_limits(false,
		      "\"memory\": {\"limit\": 100, \"swap\": 150}, \"cpu\": {\"shares\": 512, "
		      "\"cpus\": \"0\"}, \"pids\": {\"limit\": 20}",
		      "MemoryLimit t 100\nCPUShares t 512\nTasksMax t 20\n");
}

static void test_nothing_given_is_nothing_said(void **state)
{
	expect_limits(true, "", "");
	expect_limits(true, "\"memory\": {\"limit\": 0}, \"cpu\": {\"shares\": 0, \"quota\": 0}",
		      "");
}

static void test_unlimited_is_the_greatest_number(void **state)
{
	expect_limits(
		true,
		"\"memory\": {\"limit\": -1}, \"cpu\": {\"quota\": -1}, \"pids\": {\"limit\": -1}",
		"MemoryMax t 18446744073709551615\nMemorySwapMax t 18446744073709551615\n"
		"CPUQuotaPerSecUSec t 18446744073709551615\nTasksMax t 18446744073709551615\n");
}

static void test_no_process_at_all_is_one(void **state)
{
	expect_limits(true, "\"pids\": {\"limit\": 0}", "TasksMax t 1\n");
}

/* systemd keeps whole percents: more than was asked for, never less. */
static void test_a_quota_is_rounded_up(void **state)
{
	expect_limits(true, "\"cpu\": {\"quota\": 30500}", "CPUQuotaPerSecUSec t 310000\n");
	expect_limits(true, "\"cpu\": {\"quota\": 1000, \"period\": 1000000}",
		      "CPUQuotaPeriodUSec t 1000000\nCPUQuotaPerSecUSec t 10000\n");
}

static void test_keys_of_v2_that_systemd_would_write_over_are_told(void **state)
{
	expect_limits(
		true,
		"\"unified\": {\"memory.high\": \"5\", \"pids.max\": \"max\", "
		"\"cpu.max\": \"max 50000\", \"cpuset.cpus\": \"1\", \"io.max\": \"8:0 rbps=1\"}",
		"MemoryHigh t 5\nTasksMax t 18446744073709551615\n"
		"CPUQuotaPeriodUSec t 50000\nCPUQuotaPerSecUSec t 18446744073709551615\n"
		"AllowedCPUs ay 2\n");
}

static void test_a_list_of_cpus_that_is_none_is_named(void **state)
{
	static const char *const lists[] = { "a", "2-1", "1-", "99999", "1,,2" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		cleanup_free char *resources = xasprintf("\"cpu\": {\"cpus\": \"%s\"}", lists[i]);
		struct oci_config *config = configure_resources(resources);
		cleanup_unit_properties struct unit_properties p = { NULL, 0 };
		struct error err = ERROR_INIT;

		assert_int_equal(unit_properties_of_resources(&config->linux_.resources, true, &p,
							      &err),
				 -EINVAL);
		assert_non_null(strstr(err.msg, "linux.resources.cpu.cpus"));
		oci_config_free(config);
	}
}

static char *devices(const char *rules)
{
	cleanup_free char *resources = xasprintf("\"devices\": [%s]", rules);
	struct oci_config *config = configure_resources(resources);
	cleanup_unit_properties struct unit_properties p = { NULL, 0 };
	struct error err = ERROR_INIT;

	if (unit_properties_of_devices(&config->linux_.resources, PROC_DEVICES, &p, &err) < 0)
		fail_msg("%s", err.msg);
	oci_config_free(config);
	return unit_properties_text(&p);
}

static void test_devices_that_are_allowed_are_told(void **state)
{
	cleanup_free char *text = devices(
		"{\"allow\": true, \"type\": \"c\", \"major\": 4, \"minor\": 4, \"access\": \"rw\"}, "
		"{\"allow\": false}, "
		"{\"allow\": true, \"type\": \"c\", \"major\": 10, \"minor\": 229, \"access\": \"r\"}, "
		"{\"allow\": true, \"type\": \"b\", \"major\": 8, \"access\": \"m\"}, "
		"{\"allow\": true, \"type\": \"b\", \"major\": 99, \"access\": \"m\"}");

	assert_non_null(strstr(text, "DevicePolicy s strict\n"));
	/* What stood in front of "deny all" has no effect. */
	assert_null(strstr(text, "/dev/char/4:4"));
	assert_non_null(strstr(text, " /dev/char/10:229 r "));
	/* A driver's name, of its kind; and where nobody has the number, the kind. */
	assert_non_null(strstr(text, " block-sd m "));
	assert_non_null(strstr(text, " block-* m "));
	/* What every container may use. */
	assert_non_null(strstr(text, " /dev/char/1:3 rwm"));
	assert_non_null(strstr(text, " char-pts rwm"));
}

static void test_all_devices_are_no_policy(void **state)
{
	cleanup_free char *text = devices("{\"allow\": true, \"access\": \"rwm\"}");

	assert_string_equal(text, "DevicePolicy s auto\n");
}

/* Text of an annotation to what it becomes; NULL: it is refused. */
static void expect_annotation(const char *name, const char *value, const char *wanted)
{
	cleanup_free char *members =
		xasprintf("\"annotations\": {\"org.systemd.property.%s\": \"%s\"}", name, value);
	struct oci_config *config = configure(members);
	cleanup_unit_properties struct unit_properties p = { NULL, 0 };
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;
	int r = unit_properties_of_annotations(config, &p, &err);

	oci_config_free(config);
	if (!wanted) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(err.msg, "org.systemd.property."));
		return;
	}
	if (r < 0)
		fail_msg("%s", err.msg);
	text = unit_properties_text(&p);
	assert_string_equal(text, wanted);
}

static void test_annotations_are_properties(void **state)
{
	expect_annotation("CollectMode", "'inactive'", "CollectMode s inactive\n");
	expect_annotation("CollectMode", "\\\"in\\\\\\\"active\\\"", "CollectMode s in\"active\n");
	expect_annotation("SendSIGHUP", "true", "SendSIGHUP b true\n");
	expect_annotation("TasksMax", "uint64 5", "TasksMax t 5\n");
	expect_annotation("TasksMax", "@t 5", "TasksMax t 5\n");
	expect_annotation("KillSignal", "-9", "KillSignal i -9\n");
	expect_annotation("After", "['a.service', 'b.service']", "After as a.service b.service\n");
	expect_annotation("After", "@as []", "After as\n");
	expect_annotation("Mask", "[byte 1]", NULL);
	expect_annotation("Mask", "@ay [1,2]", "Mask ay 1 2\n");
}

static void test_seconds_are_microseconds(void **state)
{
	expect_annotation("TimeoutStopSec", "uint64 5", "TimeoutStopUSec t 5000000\n");
	expect_annotation("TimeoutStopSec", "1.5", "TimeoutStopUSec t 1500000\n");
	expect_annotation("TimeoutStopSec", "0.0000019", "TimeoutStopUSec t 1\n");
	expect_annotation("TimeoutStopUSec", "uint64 5", "TimeoutStopUSec t 5\n");
	expect_annotation("TimeoutStopSec", "'5'", NULL);
	expect_annotation("TimeoutStopSec", "[5]", NULL);
	expect_annotation("TimeoutStopSec", "1.x", NULL);
	expect_annotation("TimeoutStopSec", "18446744073709551615", NULL);
}

static void test_what_is_no_value_is_refused_with_its_name(void **state)
{
	static const char *const values[] = { "",     "'open", "plain text", "[1,",    "[1 2]",
					      "@z 1", "[]",    "1 2",	     "uint64", "[,]" };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		expect_annotation("Name", values[i], NULL);
	expect_annotation("ab", "1", NULL);
	expect_annotation("Na-me", "1", NULL);
	expect_annotation("", "1", NULL);
}

static void test_an_annotation_has_the_last_word(void **state)
{
	struct oci_config *config =
		configure("\"annotations\": {\"org.systemd.property.Delegate\": \"false\"}");
	cleanup_unit_properties struct unit_properties p = { NULL, 0 };
	cleanup_free char *text = NULL;

	unit_properties_add(&p, "Delegate", "b", xstrdup("true"));
	assert_int_equal(unit_properties_of_annotations(config, &p, NULL), 0);
	text = unit_properties_text(&p);
	assert_string_equal(text, "Delegate b false\n");
	oci_config_free(config);
}

static void test_only_optional_properties_can_be_dropped(void **state)
{
	cleanup_unit_properties struct unit_properties p = { NULL, 0 };
	cleanup_free char *text = NULL;

	unit_properties_add(&p, "One", "b", xstrdup("true"));
	unit_properties_add(&p, "Two", "b", xstrdup("true"));
	p.items[1].is_optional = true;
	unit_properties_add(&p, "Three", "b", xstrdup("true"));
	assert_false(unit_properties_drop(&p, "One"));
	assert_true(unit_properties_drop(&p, "Two"));
	assert_false(unit_properties_drop(&p, "Two"));
	text = unit_properties_text(&p);
	assert_string_equal(text, "One b true\nThree b true\n");
}

static void test_a_word_that_does_not_fit_its_type_is_an_error(void **state)
{
	static const struct {
		const char *type, *word;
	} wrong[] = {
		{ "b", "yes" }, { "y", "256" },	 { "n", "40000" },	{ "q", "70000" },
		{ "u", "-1" },	{ "t", "x" },	 { "i", "3000000000" }, { "z", "1" },
		{ "x", "" },	{ "ay", "300" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cleanup_unit_properties struct unit_properties p = { NULL, 0 };
		cleanup_strbuf struct strbuf body = STRBUF_INIT;
		struct error err = ERROR_INIT;

		unit_properties_add(&p, "Name", wrong[i].type, xstrdup(wrong[i].word));
		assert_true(unit_properties_write(&p, &body, &err) < 0);
		assert_non_null(strstr(err.msg, "property 'Name'"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_are_properties),
		cmocka_unit_test(test_nothing_given_is_nothing_said),
		cmocka_unit_test(test_unlimited_is_the_greatest_number),
		cmocka_unit_test(test_no_process_at_all_is_one),
		cmocka_unit_test(test_a_quota_is_rounded_up),
		cmocka_unit_test(test_keys_of_v2_that_systemd_would_write_over_are_told),
		cmocka_unit_test(test_a_list_of_cpus_that_is_none_is_named),
		cmocka_unit_test(test_devices_that_are_allowed_are_told),
		cmocka_unit_test(test_all_devices_are_no_policy),
		cmocka_unit_test(test_annotations_are_properties),
		cmocka_unit_test(test_seconds_are_microseconds),
		cmocka_unit_test(test_what_is_no_value_is_refused_with_its_name),
		cmocka_unit_test(test_an_annotation_has_the_last_word),
		cmocka_unit_test(test_only_optional_properties_can_be_dropped),
		cmocka_unit_test(test_a_word_that_does_not_fit_its_type_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
