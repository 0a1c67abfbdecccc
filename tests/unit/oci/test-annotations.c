/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "oci/annotations.h"
#include "oci/config.h"

static struct error err;

/* A configuration with these annotations, whose seccomp section is @seccomp. */
static struct oci_config *parse(const char *annotations, const char *seccomp)
{
	struct oci_config *config = NULL;
	char text[1024];

	(void)snprintf(text, sizeof(text),
		       "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},"
		       "\"annotations\":{%s},\"linux\":{%s}}",
		       annotations, seccomp);
	assert_int_equal(oci_config_parse("config.json", text, strlen(text), &config, &err), 0);
	return config;
}

static char *ignored(const char *name)
{
	return (char *)name;
}

static void an_annotation_counts_unless_it_is_ignored_by_name_or_by_prefix(void **state)
{
	cleanup_oci_config struct oci_config *config =
		parse("\"run.oci.a\":\"1\",\"run.oci.b\":\"0\",\"io.moat.c\":\"\"", "");
	char *by_name[] = { ignored("run.oci.a"), NULL };
	char *by_prefix[] = { ignored("run.oci."), NULL };
	char *no_prefix[] = { ignored("run.oci"), NULL };

	assert_int_equal(oci_annotations_apply(config, NULL, &err), 0);
	assert_string_equal(oci_annotation(config, "run.oci.a"), "1");
	assert_true(oci_annotation_is_true(config, "run.oci.a"));
	assert_false(oci_annotation_is_true(config, "run.oci.b"));
	assert_true(oci_annotation_is_true(config, "io.moat.c"));
	assert_false(oci_annotation_is_true(config, "io.moat.missing"));
	assert_int_equal(oci_annotations_apply(config, by_name, &err), 0);
	assert_null(oci_annotation(config, "run.oci.a"));
	assert_string_equal(oci_annotation(config, "run.oci.b"), "0");
	assert_int_equal(oci_annotations_apply(config, by_prefix, &err), 0);
	assert_null(oci_annotation(config, "run.oci.b"));
	assert_string_equal(oci_annotation(config, "io.moat.c"), "");
	assert_int_equal(oci_annotations_apply(config, no_prefix, &err), 0);
	assert_non_null(oci_annotation(config, "run.oci.a"));
}

static void assert_cgroup(const char *value, const char *expected)
{
	cleanup_free char *annotation = xasprintf("\"run.oci.a\":\"%s\"", value);
	cleanup_oci_config struct oci_config *config = parse(annotation, "");
	cleanup_free char *path = NULL;

	assert_int_equal(oci_annotation_cgroup(config, "run.oci.a", &path, &err), 0);
	if (expected)
		assert_string_equal(path, expected);
	else
		assert_null(path);
}

static void a_cgroup_is_below_the_containers_or_refused(void **state)
{
	static const char *const wrong[] = { "..", "../x", "a/../../x", "/.." };

	assert_cgroup("app", "app");
	assert_cgroup("/app//inner/./", "app/inner");
	assert_cgroup("a..b", "a..b");
	assert_cgroup("", NULL);
	assert_cgroup("/", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cleanup_free char *annotation = xasprintf("\"run.oci.a\":\"%s\"", wrong[i]);
		cleanup_oci_config struct oci_config *config = parse(annotation, "");
		char *path = NULL;

		assert_true(oci_annotation_cgroup(config, "run.oci.a", &path, &err) < 0);
		assert_non_null(strstr(err.msg, "annotation run.oci.a: '"));
		assert_null(path);
	}
}

static void the_list_for_engines_has_names_and_beginnings_that_end_in_a_dot(void **state)
{
	const char *const *names = oci_annotations_meaningful();
	size_t count = 0;

	for (; names[count]; count++) {
		assert_non_null(strchr(names[count], '.'));
		assert_true(count == 0 || strcmp(names[count - 1], names[count]) < 0);
	}
	assert_true(count > 10);
}

static void a_receiver_replaces_the_listener_and_is_an_absolute_path(void **state)
{
	static const char profile[] = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
				      "\"listenerPath\":\"/own\"}";
	cleanup_oci_config struct oci_config *config =
		parse("\"run.oci.seccomp.receiver\":\"/other\"", profile);
	cleanup_oci_config struct oci_config *wrong =
		parse("\"run.oci.seccomp.receiver\":\"other\"", profile);
	cleanup_oci_config struct oci_config *none =
		parse("\"run.oci.seccomp.receiver\":\"/other\"", "");

	assert_int_equal(oci_annotations_apply(config, NULL, &err), 0);
	assert_string_equal(config->linux_.seccomp->listener_path, "/other");
	assert_int_equal(oci_annotations_apply(wrong, NULL, &err), -EINVAL);
	assert_string_equal(err.msg, "annotation run.oci.seccomp.receiver: not an absolute path: "
				     "'other'");
	assert_int_equal(oci_annotations_apply(none, NULL, &err), 0);
	assert_null(none->linux_.seccomp);
}

static void a_program_needs_no_profile(void **state)
{
	cleanup_oci_config struct oci_config *config =
		parse("\"run.oci.seccomp_bpf_data\":\"BgAAAAAA/38=\"", "");
	char *all[] = { ignored("run.oci."), NULL };
	cleanup_oci_config struct oci_config *off =
		parse("\"run.oci.seccomp_bpf_data\":\"BgAAAAAA/38=\"", "");

	assert_int_equal(oci_annotations_apply(config, NULL, &err), 0);
	assert_string_equal(config->linux_.seccomp->raw_filter, "BgAAAAAA/38=");
	assert_int_equal(oci_annotations_apply(off, all, &err), 0);
	assert_null(off->linux_.seccomp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_annotation_counts_unless_it_is_ignored_by_name_or_by_prefix),
		cmocka_unit_test(the_list_for_engines_has_names_and_beginnings_that_end_in_a_dot),
		cmocka_unit_test(a_receiver_replaces_the_listener_and_is_an_absolute_path),
		cmocka_unit_test(a_cgroup_is_below_the_containers_or_refused),
		cmocka_unit_test(a_program_needs_no_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
