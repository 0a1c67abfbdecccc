/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sandbox/fixture.h"

#include "lib/engine/id-map.h"

/* Ids of a user without rights, as the VMM in its user namespace sees them. */

#define USERNS(uids, gids) "\"uidMappings\":[" uids "],\"gidMappings\":[" gids "],"
#define MAPPING(inside, outside, count)                                                            \
	"{\"containerID\":" #inside ",\"hostID\":" #outside ",\"size\":" #count "}"

static const char uid_map[] = "         0       1000          1\n"
			      "         1     100000      65536\n"
			      "     65537     300000         10\n";
static const char gid_map[] = "0 100 1\n";

static const char namespaces[] = "{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"},"
				 "{\"type\":\"user\"}";

static struct sandbox_plan *plan_with(const char *linux_)
{
	const struct sample sample = { .linux_ = linux_, .namespaces = namespaces };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	struct error err = ERROR_INIT;
	struct sandbox_plan *plan = NULL;

	if (sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, "/bundle", config, &plan, &err) <
	    0)
		fail_msg("%s", err.msg);
	return plan;
}

static void assert_uids(const char *linux_, const char *wanted)
{
	cleanup_sandbox_plan struct sandbox_plan *plan = plan_with(linux_);
	const struct oci_linux *l = &plan->guest_config->linux_;
	cleanup_free char *got = NULL;
	struct error err = ERROR_INIT;

	if (sandbox_plan_translate_ids(plan, uid_map, gid_map, &err) < 0)
		fail_msg("%s", err.msg);
	got = id_map_text(l->uid_mappings, l->uid_mappings_count);
	assert_string_equal(got, wanted);
	assert_int_equal(l->gid_mappings[0].host_id, 0);
}

static void the_users_own_id_is_root_to_the_machine(void **state)
{
	assert_uids(USERNS(MAPPING(0, 1000, 1), MAPPING(0, 100, 1)), "0 0 1\n");
}

static void ids_that_the_user_was_given_follow(void **state)
{
	assert_uids(USERNS(MAPPING(0, 1000, 1) "," MAPPING(1, 100000, 65536), MAPPING(0, 100, 1)),
		    "0 0 1\n1 1 65536\n");
	assert_uids(USERNS(MAPPING(0, 101000, 1000), MAPPING(0, 100, 1)), "0 1001 1000\n");
}

static void a_range_over_two_of_the_users_becomes_two(void **state)
{
	cleanup_sandbox_plan struct sandbox_plan *plan =
		plan_with(USERNS(MAPPING(0, 1000, 3), MAPPING(0, 100, 1)));
	const struct oci_linux *l = &plan->guest_config->linux_;
	cleanup_free char *got = NULL;

	assert_int_equal(sandbox_plan_translate_ids(plan, "0 1000 1\n5 1001 10\n", gid_map, NULL),
			 0);
	got = id_map_text(l->uid_mappings, l->uid_mappings_count);
	assert_string_equal(got, "0 0 1\n1 5 2\n");
}

static void ids_that_are_somebody_elses_are_refused(void **state)
{
	cleanup_sandbox_plan struct sandbox_plan *plan =
		plan_with(USERNS(MAPPING(0, 100000, 65537), MAPPING(0, 100, 1)));
	struct error err = ERROR_INIT;

	assert_true(sandbox_plan_translate_ids(plan, uid_map, gid_map, &err) < 0);
	assert_string_equal(err.msg,
			    "linux.uidMappings: host id 165536 was not given to this user");
	assert_non_null(error_hint(&err));
}

static void a_container_without_mappings_stays_without(void **state)
{
	const struct sample sample = { 0 };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	cleanup_sandbox_plan struct sandbox_plan *plan = NULL;

	assert_int_equal(sandbox_plan_new("web", SANDBOX_OWNER, SANDBOX_SHARED, "/b", config, &plan,
					  NULL),
			 0);
	assert_int_equal(sandbox_plan_translate_ids(plan, uid_map, gid_map, NULL), 0);
	assert_int_equal(plan->guest_config->linux_.uid_mappings_count, 0);
}

static void its_root_may_listen_on_any_port_of_the_machine(void **state)
{
	cleanup_sandbox_plan struct sandbox_plan *with =
		plan_with(USERNS(MAPPING(0, 1000, 1), MAPPING(0, 100, 1)));

	assert_true(with->machine.has_low_ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_users_own_id_is_root_to_the_machine),
		cmocka_unit_test(ids_that_the_user_was_given_follow),
		cmocka_unit_test(a_range_over_two_of_the_users_becomes_two),
		cmocka_unit_test(ids_that_are_somebody_elses_are_refused),
		cmocka_unit_test(a_container_without_mappings_stays_without),
		cmocka_unit_test(its_root_may_listen_on_any_port_of_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
