/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/container/isolation.h"
#include "lib/state/record.h"
#include "oci/config.h"
#include "tests/unit/container/fixture.h"

static struct error err;
static int got;

static void flag_environment_and_name_come_first_in_that_order(void **state)
{
	setenv("MOAT_ISOLATION", "native", 1);
	assert_int_equal(isolation_choose_early(ISOLATION_VM, "runk", &got, &err), 0);
	assert_int_equal(got, ISOLATION_VM);
	assert_int_equal(isolation_choose_early(-1, "moat", &got, &err), 0);
	assert_int_equal(got, ISOLATION_NATIVE);
	setenv("MOAT_ISOLATION", "vm", 1);
	assert_int_equal(isolation_choose_early(-1, "moat-native", &got, &err), 0);
	assert_int_equal(got, ISOLATION_VM);
	setenv("MOAT_ISOLATION", "chroot", 1);
	assert_int_equal(isolation_choose_early(-1, "moat", &got, &err), -EINVAL);
	unsetenv("MOAT_ISOLATION");
	assert_int_equal(isolation_choose_early(-1, "moat-native", &got, &err), 0);
	assert_int_equal(got, ISOLATION_NATIVE);
	assert_int_equal(isolation_choose_early(-1, "runk", &got, &err), 0);
	assert_int_equal(got, ISOLATION_NATIVE);
	assert_int_equal(isolation_choose_early(-1, "moat", &got, &err), 0);
	assert_int_equal(got, -1);
}

static void an_annotation_chooses_only_where_it_may_and_nothing_is_said(void **state)
{
	char name[] = ISOLATION_ANNOTATION;
	char *allowed[] = { name, NULL };
	struct oci_config config = { 0 };
	struct oci_vm vm = { 0 };

	string_map_set(&config.annotations, name, "native");
	assert_int_equal(isolation_choose(&config, NULL, -1, &got, &err), 0);
	assert_int_equal(got, ISOLATION_VM);
	assert_int_equal(isolation_choose(&config, allowed, ISOLATION_VM, &got, &err), 0);
	assert_int_equal(got, ISOLATION_NATIVE);
	config.vm = &vm;
	assert_int_equal(isolation_choose(&config, allowed, -1, &got, &err), 0);
	assert_int_equal(got, ISOLATION_VM);
	config.vm = NULL;
	string_map_set(&config.annotations, name, "none");
	assert_int_equal(isolation_choose(&config, allowed, -1, &got, &err), -EINVAL);
	assert_string_equal(err.msg, "annotation io.moat.isolation: neither 'vm' nor 'native': "
				     "'none'");
	string_map_done(&config.annotations);
}

static void then_comes_a_vm_section_then_the_configuration_then_vm(void **state)
{
	struct oci_vm vm = { 0 };
	struct oci_config config = { .vm = &vm };

	assert_int_equal(isolation_choose(&config, NULL, ISOLATION_NATIVE, &got, &err), 0);
	assert_int_equal(got, ISOLATION_VM);
	config.vm = NULL;
	assert_int_equal(isolation_choose(&config, NULL, ISOLATION_NATIVE, &got, &err), 0);
	assert_int_equal(got, ISOLATION_NATIVE);
	assert_int_equal(isolation_choose(&config, NULL, -1, &got, &err), 0);
	assert_int_equal(got, ISOLATION_VM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flag_environment_and_name_come_first_in_that_order),
		cmocka_unit_test(an_annotation_chooses_only_where_it_may_and_nothing_is_said),
		cmocka_unit_test(then_comes_a_vm_section_then_the_configuration_then_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
