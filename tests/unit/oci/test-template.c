/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "oci/config.h"

static const struct oci_template rootful = { 0 };
static const struct oci_template rootless = { .is_rootless = true };
static const struct oci_template rootless_machine = { .is_rootless = true, .is_machine = true };

static struct oci_config *make(const struct oci_template *t)
{
	cleanup_free char *text = oci_spec_template(t);
	struct oci_config *config = NULL;
	struct error err = ERROR_INIT;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

static const struct oci_mount *find_mount(const struct oci_config *config, const char *destination)
{
	for (size_t i = 0; i < config->mounts_count; i++)
		if (streq(config->mounts[i].destination, destination))
			return &config->mounts[i];
	fail_msg("no mount at '%s'", destination);
	return NULL;
}

static void the_template_runs_a_shell_with_little_power(void **state)
{
	cleanup_oci_config struct oci_config *config = make(&rootful);
	const struct oci_process *p = config->process;

	assert_string_equal(p->args[0], "sh");
	assert_true(p->terminal);
	assert_true(p->no_new_privileges);
	assert_string_equal(p->cwd, "/");
	assert_int_equal(strv_len(p->capabilities->bounding), 3);
	assert_true(strv_has(p->capabilities->effective, "CAP_NET_BIND_SERVICE"));
	assert_int_equal(p->rlimits[0].type, OCI_RLIMIT_NOFILE);
	assert_int_equal(p->rlimits[0].hard, 1024);
	assert_string_equal(config->root.path, "rootfs");
	assert_true(config->root.readonly);
	assert_true(strv_has(config->linux_.masked_paths, "/proc/kcore"));
	assert_true(strv_has(config->linux_.readonly_paths, "/proc/sys"));
	assert_false(config->linux_.resources.devices[0].allow);
}

static void a_rootful_template_has_its_own_network(void **state)
{
	cleanup_oci_config struct oci_config *config = make(&rootful);

	assert_non_null(oci_namespace_find(config, OCI_NS_NETWORK));
	assert_non_null(oci_namespace_find(config, OCI_NS_CGROUP));
	assert_null(oci_namespace_find(config, OCI_NS_USER));
	assert_int_equal(config->linux_.uid_mappings_count, 0);
	assert_true(strv_has(find_mount(config, "/dev/pts")->options, "gid=5"));
	assert_string_equal(find_mount(config, "/sys")->type, "sysfs");
}

static void a_rootless_template_asks_for_nothing_a_user_may_not_do(void **state)
{
	cleanup_oci_config struct oci_config *config = make(&rootless);

	assert_null(oci_namespace_find(config, OCI_NS_NETWORK));
	assert_non_null(oci_namespace_find(config, OCI_NS_USER));
	assert_int_equal(config->linux_.uid_mappings[0].host_id, geteuid());
	assert_int_equal(config->linux_.gid_mappings[0].host_id, getegid());
	assert_int_equal(config->linux_.gid_mappings[0].size, 1);
	assert_false(strv_has(find_mount(config, "/dev/pts")->options, "gid=5"));
	assert_true(strv_has(find_mount(config, "/sys")->options, "rbind"));
	assert_int_equal(config->linux_.resources.devices_count, 0);
}

static void a_rootless_template_of_a_machine_has_a_network_of_its_own(void **state)
{
	cleanup_oci_config struct oci_config *config = make(&rootless_machine);

	assert_non_null(oci_namespace_find(config, OCI_NS_NETWORK));
	assert_non_null(oci_namespace_find(config, OCI_NS_USER));
}

static void the_text_is_pretty_and_ends_in_a_newline(void **state)
{
	cleanup_free char *text = oci_spec_template(&rootful);

	assert_non_null(str_after(text, "{\n  \"ociVersion\": \"1.3.0\",\n  \"process\": {\n"));
	assert_true(str_ends_with(text, "\n}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_template_runs_a_shell_with_little_power),
		cmocka_unit_test(a_rootful_template_has_its_own_network),
		cmocka_unit_test(a_rootless_template_asks_for_nothing_a_user_may_not_do),
		cmocka_unit_test(a_rootless_template_of_a_machine_has_a_network_of_its_own),
		cmocka_unit_test(the_text_is_pretty_and_ends_in_a_newline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
