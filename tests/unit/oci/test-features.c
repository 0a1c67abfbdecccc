/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oci/config.h"
#include "oci/feature-list.h"

static void the_model_fills_in_its_words(void **state)
{
	cleanup_oci_features struct oci_features features;

	oci_features_init(&features);
	assert_string_equal(features.oci_version_min, "1.0.0");
	assert_string_equal(features.oci_version_max, "1.3.0");
	assert_int_equal(strv_len(features.hooks), 6);
	assert_true(strv_has(features.hooks, "startContainer"));
	assert_int_equal(strv_len(features.linux_.namespaces), OCI_NS_COUNT);
	assert_int_equal(strv_len(features.linux_.seccomp.actions), OCI_SECCOMP_ACTION_COUNT);
	assert_int_equal(strv_len(features.linux_.seccomp.operators), OCI_SECCOMP_OP_COUNT);
	assert_int_equal(strv_len(features.linux_.seccomp.known_flags), 4);
	assert_int_equal(strv_len(features.linux_.memory_policy.modes), OCI_MPOL_COUNT);
	assert_int_equal(strv_len(features.linux_.memory_policy.flags), 3);
}

/* What is not there at all would mean "unknown" to a caller (features.md). */
static void what_is_not_supported_is_said(void **state)
{
	static const char *const pieces[] = {
		"\"cgroup\": {\n      \"v1\": false,\n      \"v2\": false,\n"
		"      \"systemd\": false,\n      \"systemdUser\": false,\n      \"rdma\": false\n",
		"\"seccomp\": {\n      \"enabled\": false,\n",
		"\"apparmor\": {\n      \"enabled\": false\n",
		"\"selinux\": {\n      \"enabled\": false\n",
		"\"intelRdt\": {\n      \"enabled\": false,\n      \"schemata\": false,\n"
		"      \"monitoring\": false\n",
		"\"mountExtensions\": {\n      \"idmap\": {\n        \"enabled\": false\n",
		"\"netDevices\": {\n      \"enabled\": false\n",
	};
	cleanup_oci_features struct oci_features features;
	cleanup_free char *text = NULL;

	oci_features_init(&features);
	text = oci_features_text(&features);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		if (!strstr(text, pieces[i]))
			fail_msg("'%s' is not in '%s'", pieces[i], text);
	assert_null(strstr(text, "mountOptions"));
	assert_null(strstr(text, "annotations"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_model_fills_in_its_words),
		cmocka_unit_test(what_is_not_supported_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
