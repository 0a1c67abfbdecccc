/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/container/resources.h"
#include "oci/config.h"
#include "tests/unit/container/fixture.h"

static struct error err;

static void parse(const char *text, struct oci_resources *ret)
{
	fields_init(&oci_resources_fields, ret);
	assert_int_equal(fields_parse(&oci_resources_fields, "test", text, strlen(text),
				      &oci_limits, ret, &err),
			 0);
}

static void check_text(const struct oci_resources *resources, const char *wanted)
{
	struct json_writer *w = json_writer_new(false);
	cleanup_free char *text = NULL;

	fields_write(&oci_resources_fields, w, resources);
	text = json_finish(w);
	assert_string_equal(text, wanted);
}

/* What @given comes down to where @present is in force, and what is in force then. */
static void check(const char *given, const char *present, const char *changes, const char *merged)
{
	struct oci_resources a, b, c;

	parse(given, &a);
	parse(present, &b);
	resources_plan_changes(&a, &b, &c);
	check_text(&c, changes);
	assert_int_equal(resources_merge(&b, &c, &err), 0);
	check_text(&b, merged);
	fields_release(&oci_resources_fields, &a);
	fields_release(&oci_resources_fields, &b);
	fields_release(&oci_resources_fields, &c);
}

static void what_is_not_said_stays(void **state)
{
	check("{\"pids\":{\"limit\":3}}", "{\"memory\":{\"limit\":5},\"pids\":{\"limit\":2}}",
	      "{\"pids\":{\"limit\":3}}", "{\"memory\":{\"limit\":5},\"pids\":{\"limit\":3}}");
	check("{\"unified\":{\"a\":\"1\"}}", "{\"unified\":{\"a\":\"0\",\"b\":\"2\"}}",
	      "{\"unified\":{\"a\":\"1\"}}", "{\"unified\":{\"b\":\"2\",\"a\":\"1\"}}");
}

static void zeroes_and_devices_say_nothing(void **state)
{
	check("{\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0},\"cpu\":{\"shares\":0,\"cpus\":"
	      "\"\",\"period\":0},\"blockIO\":{\"weight\":0},\"devices\":[{\"allow\":true}]}",
	      "{\"memory\":{\"limit\":5},\"cpu\":{\"cpus\":\"1\"}}", "{}",
	      "{\"memory\":{\"limit\":5},\"cpu\":{\"cpus\":\"1\"}}");
}

static void what_belongs_together_is_said_together(void **state)
{
	check("{\"cpu\":{\"quota\":7}}", "{\"cpu\":{\"period\":9,\"shares\":4}}",
	      "{\"cpu\":{\"quota\":7,\"period\":9}}",
	      "{\"cpu\":{\"shares\":4,\"quota\":7,\"period\":9}}");
	check("{\"memory\":{\"swap\":7}}", "{\"memory\":{\"limit\":5}}",
	      "{\"memory\":{\"limit\":5,\"swap\":7}}", "{\"memory\":{\"limit\":5,\"swap\":7}}");
}

static void no_limit_of_memory_is_none_of_swap(void **state)
{
	check("{\"memory\":{\"limit\":-1}}", "{\"memory\":{\"limit\":5,\"swap\":6}}",
	      "{\"memory\":{\"limit\":-1,\"swap\":-1}}", "{\"memory\":{\"limit\":-1,\"swap\":-1}}");
	check("{\"memory\":{\"limit\":-1,\"swap\":8}}", "{}",
	      "{\"memory\":{\"limit\":-1,\"swap\":8}}", "{\"memory\":{\"limit\":-1,\"swap\":8}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_stays),
		cmocka_unit_test(zeroes_and_devices_say_nothing),
		cmocka_unit_test(what_belongs_together_is_said_together),
		cmocka_unit_test(no_limit_of_memory_is_none_of_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
