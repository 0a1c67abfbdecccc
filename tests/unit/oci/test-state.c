/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/fields.h"
#include "oci/state.h"

static void every_status_has_the_specifications_name(void **state)
{
	static const char *const names[] = { "creating", "created", "running", "paused",
					     "stopped" };

	for (int i = 0; i < OCI_STATUS_COUNT; i++)
		assert_string_equal(oci_status_name((enum oci_status)i), names[i]);
	assert_null(oci_status_name(OCI_STATUS_COUNT));
}

static void a_whole_state_is_written_as_callers_read_it(void **state)
{
	struct string_map annotations = { NULL, 0 };
	struct oci_state s = {
		.id = "web\"1",
		.status = OCI_STATUS_RUNNING,
		.pid = 4422,
		.bundle = "/b",
		.rootfs = "/b/rootfs",
		.created = "2024-01-02T03:04:05Z",
		.owner = "",
		.annotations = &annotations,
	};
	cleanup_free char *text = NULL;

	string_map_set(&annotations, "k", "v");
	text = oci_state_text(&s, false);
	assert_string_equal(text,
			    "{\"ociVersion\":\"1.3.0\",\"id\":\"web\\\"1\",\"status\":\"running\","
			    "\"pid\":4422,\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
			    "\"created\":\"2024-01-02T03:04:05Z\",\"owner\":\"\","
			    "\"annotations\":{\"k\":\"v\"}}");
	string_map_done(&annotations);
}

static void a_hook_gets_what_the_specification_names(void **state)
{
	struct oci_state s = { .id = "a", .status = OCI_STATUS_CREATING, .pid = 1, .bundle = "/" };
	cleanup_free char *text = oci_state_text(&s, false);

	assert_string_equal(text, "{\"ociVersion\":\"1.3.0\",\"id\":\"a\",\"status\":\"creating\","
				  "\"pid\":1,\"bundle\":\"/\"}");
}

static void a_stopped_container_has_pid_0(void **state)
{
	struct oci_state s = { .id = "a", .status = OCI_STATUS_STOPPED, .pid = 99, .bundle = "/" };
	cleanup_free char *text = oci_state_text(&s, false);

	assert_non_null(strstr(text, "\"pid\":0,"));
}

static void a_pretty_state_has_lines(void **state)
{
	struct oci_state s = { .id = "a", .status = OCI_STATUS_CREATED, .pid = 1, .bundle = "/" };
	cleanup_free char *text = oci_state_text(&s, true);

	assert_non_null(strstr(text, "{\n  \"ociVersion\": \"1.3.0\",\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_the_specifications_name),
		cmocka_unit_test(a_whole_state_is_written_as_callers_read_it),
		cmocka_unit_test(a_hook_gets_what_the_specification_names),
		cmocka_unit_test(a_stopped_container_has_pid_0),
		cmocka_unit_test(a_pretty_state_has_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
