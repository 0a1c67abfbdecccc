/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/id-map.h"
#include "oci/config.h"

/* Who writes the mappings of a user namespace: decided without making one. */

static const struct id_map_rights root = { 0, 0, true, true };
static const struct id_map_rights user = { 1000, 100, false, false };

static struct oci_id_mapping range[] = { { 0, 100000, 65536 } };
static struct oci_id_mapping own_uid[] = { { 0, 1000, 1 } };
static struct oci_id_mapping own_gid[] = { { 0, 100, 1 } };
static struct oci_id_mapping several[] = { { 0, 1000, 1 }, { 1, 100000, 65536 } };

static struct oci_linux with_maps(struct oci_id_mapping *uids, size_t uids_count,
				  struct oci_id_mapping *gids, size_t gids_count)
{
	return (struct oci_linux){
		.uid_mappings = uids,
		.uid_mappings_count = uids_count,
		.gid_mappings = gids,
		.gid_mappings_count = gids_count,
	};
}

static void who_may_change_ids_writes_any_mapping(void **state)
{
	struct oci_linux l = with_maps(range, 1, several, 2);
	struct id_map_plan plan;

	assert_int_equal(id_map_plan(&l, &root, &plan, NULL), 0);
	assert_false(plan.uids.takes_program);
	assert_false(plan.gids.takes_program);
	assert_false(plan.denies_setgroups);
}

static void anybody_maps_the_own_ids_and_gives_up_setgroups(void **state)
{
	struct oci_linux l = with_maps(own_uid, 1, own_gid, 1);
	struct id_map_plan plan;

	assert_int_equal(id_map_plan(&l, &user, &plan, NULL), 0);
	assert_false(plan.uids.takes_program);
	assert_false(plan.gids.takes_program);
	assert_true(plan.denies_setgroups);
}

static void all_else_takes_the_programs_that_know_whose_ids_they_are(void **state)
{
	struct oci_linux l = with_maps(several, 2, range, 1);
	struct id_map_plan plan;

	assert_int_equal(id_map_plan(&l, &user, &plan, NULL), 0);
	assert_true(plan.uids.takes_program);
	assert_true(plan.gids.takes_program);
	assert_false(plan.denies_setgroups);

	/* Another's id is no own one, nor is a range that starts with it. */
	l = with_maps(own_gid, 1, own_gid, 1);
	assert_int_equal(id_map_plan(&l, &user, &plan, NULL), 0);
	assert_true(plan.uids.takes_program);
	assert_true(plan.denies_setgroups);
}

static void a_namespace_without_mappings_is_refused(void **state)
{
	struct oci_linux l = with_maps(range, 1, NULL, 0);
	struct error err = ERROR_INIT;
	struct id_map_plan plan;

	assert_int_equal(id_map_plan(&l, &root, &plan, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "linux.gidMappings: user namespaces enabled, but no mappings found");
}

static void a_namespace_without_a_root_is_refused(void **state)
{
	struct oci_id_mapping no_root[] = { { 1, 100000, 65536 } };
	struct oci_linux l = with_maps(no_root, 1, range, 1);
	struct error err = ERROR_INIT;
	struct id_map_plan plan;

	assert_int_equal(id_map_plan(&l, &root, &plan, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "linux.uidMappings: there is no mapping for root (container id 0)");
}

static void a_user_or_group_without_a_mapping_is_named(void **state)
{
	struct oci_linux l = with_maps(own_uid, 1, own_gid, 1);
	uint32_t groups[] = { 0 };
	struct oci_user none = { .additional_gids = groups };
	struct error err = ERROR_INIT;
	struct id_map_plan plan;

	assert_int_equal(id_map_plan(&l, &user, &plan, NULL), 0);
	assert_int_equal(id_map_check_user(&plan, &none, NULL), 0);
	none.additional_gids_count = 1;
	assert_int_equal(id_map_check_user(&plan, &none, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "cannot set any additional groups"));
	none.gid = 1;
	assert_int_equal(id_map_check_user(&plan, &none, &err), -EINVAL);
	assert_string_equal(err.msg, "process.user.gid: 1 has no mapping in linux.gidMappings");
}

static void mappings_have_the_kernels_form(void **state)
{
	cleanup_free char *text = id_map_text(several, 2);

	assert_string_equal(text, "0 1000 1\n1 100000 65536\n");
}

static void the_programs_get_the_pid_and_the_mappings(void **state)
{
	const struct id_map map = { several, 2, true };
	cleanup_strv char **args = id_map_args("/usr/bin/newuidmap", 42, &map);
	cleanup_free char *line = strv_join(args, " ");

	assert_string_equal(line, "/usr/bin/newuidmap 42 0 1000 1 1 100000 65536");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_change_ids_writes_any_mapping),
		cmocka_unit_test(anybody_maps_the_own_ids_and_gives_up_setgroups),
		cmocka_unit_test(all_else_takes_the_programs_that_know_whose_ids_they_are),
		cmocka_unit_test(a_namespace_without_mappings_is_refused),
		cmocka_unit_test(a_namespace_without_a_root_is_refused),
		cmocka_unit_test(a_user_or_group_without_a_mapping_is_named),
		cmocka_unit_test(mappings_have_the_kernels_form),
		cmocka_unit_test(the_programs_get_the_pid_and_the_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
