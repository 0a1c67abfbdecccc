/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sandbox/fixture.h"

#include "lib/sandbox/storage.h"

static struct sandbox_plan *plan_copied(const struct sample *s, struct error *err)
{
	cleanup_oci_config struct oci_config *config = parse_sample(s);
	struct sandbox_plan *plan = NULL;

	(void)sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_COPIED, "/bundle", config, &plan, err);
	return plan;
}

static void without_a_share_a_directory_becomes_a_disk_and_files_copies(void **state)
{
	const struct sample sample = {
		.mounts = "{\"destination\":\"/etc/passwd\",\"type\":\"bind\",\"source\":"
			  "\"/etc/passwd\",\"options\":[\"bind\",\"rw\"]},"
			  "{\"destination\":\"/conf\",\"type\":\"bind\",\"source\":\"/etc\","
			  "\"options\":[\"rbind\",\"ro\"]}",
	};
	struct error err = ERROR_INIT;
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_copied(&sample, &err);
	cleanup_sandbox_storages struct sandbox_storages storages = { 0 };

	if (!plan)
		fail_msg("%s", err.msg);
	assert_int_equal(plan->shares_count, 0);
	assert_int_equal(plan->disks_count, 1);
	assert_ptr_equal(sandbox_plan_root_disk(plan), &plan->disks[0]);
	assert_string_equal(plan->disks[0].made_of, "/bundle/rootfs");
	assert_null(plan->disks[0].host_path);
	assert_string_equal(plan->guest_config->root.path, "/run/kata-containers/web/rootfs");
	assert_true(plan->has_disk_slots);
	sandbox_storages_init(plan, "web", &storages);
	assert_int_equal(storages.count, 1);
	assert_string_equal(storages.items[0].fstype, "ext4");

	assert_int_equal(plan->copies_count, 2);
	assert_string_equal(plan->copies[0].host_path, "/etc/passwd");
	assert_string_equal(plan->copies[0].guest_path,
			    "/run/kata-containers/shared/containers/web/mount-0");
	assert_string_equal(plan->copies[1].place, "mounts[1]");
	assert_string_equal(plan->guest_config->mounts[1].source, plan->copies[1].guest_path);
}

static void without_a_share_volumes_are_refused(void **state)
{
	static const struct {
		const char *mount, *reason;
	} cases[] = {
		{ "\"type\":\"bind\",\"source\":\"/etc\",\"options\":[\"rbind\"]",
		  "mounts[0].source: '/etc' is a directory that can be written to" },
		{ "\"type\":\"overlay\",\"source\":\"overlay\",\"options\":[\"lowerdir=/etc\"]",
		  "mounts[0].type: 'overlay' is of directories of the host" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *mounts =
			xasprintf("{\"destination\":\"/data\",%s}", cases[i].mount);
		const struct sample sample = { .mounts = mounts };
		struct error err = ERROR_INIT;

		assert_null(plan_copied(&sample, &err));
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_share_a_directory_becomes_a_disk_and_files_copies),
		cmocka_unit_test(without_a_share_volumes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
