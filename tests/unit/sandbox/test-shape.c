/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/unit/sandbox/fixture.h"

#include "hypervisor/hypervisor.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/shape.h"

static const struct net_endpoint endpoint;

static struct sandbox_network network_of(size_t count)
{
	struct sandbox_network network = { .nics_count = count };

	for (size_t i = 0; i < count; i++)
		network.hv_nics[i].mac[5] = (unsigned char)(i + 1);
	network.nics[0].endpoint = &endpoint;
	return network;
}

static void make_shape(const struct sandbox_network *network, struct shape *ret)
{
	static char release[] = "6.1";
	const struct guest_image guest = { .release = release };
	const struct hv_config config = {
		.guest = &guest,
		.accel = HV_ACCEL_TCG,
		.memory_mib = 256,
		.vcpus = 2,
		.vcpus_max = 4,
	};

	shape_of("web", &config, network, ret);
}

static void a_shape_is_read_as_it_was_written(void **state)
{
	const struct sandbox_network network = network_of(2);
	cleanup_shape struct shape shape = { 0 }, read = { 0 };
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	make_shape(&network, &shape);
	text = shape_text(&shape);
	assert_null(strchr(text, '/')); /* it holds on any host */
	if (shape_parse(text, strlen(text), &read, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(read.container, "web");
	assert_string_equal(read.kernel, "6.1");
	assert_string_equal(read.accelerator, "tcg");
	assert_int_equal(read.memory_mib, 256);
	assert_int_equal(read.memory_max_mib, 0);
	assert_int_equal(read.vcpus, 2);
	assert_int_equal(read.vcpus_max, 4);
	assert_string_equal(read.nics[0], "00:00:00:00:00:01");
	assert_string_equal(read.nics[1], "");
}

static void what_does_not_say_enough_is_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "{\"version\":2}", "vm.json: version 2 is not one that this moat knows (1)" },
		{ "{}", "vm.json: version 0 is not one that this moat knows (1)" },
		{ "{\"version\":1,\"container\":\"c\"}",
		  "vm.json: does not say what the machine was" },
		{ "[]", "vm.json:1:" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct shape shape = { 0 };
		struct error err = ERROR_INIT;

		assert_true(shape_parse(cases[i].text, strlen(cases[i].text), &shape, &err) < 0);
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("'%s' does not say '%s'", err.msg, cases[i].reason);
	}
}

static void other_interfaces_are_told_from_the_saved_ones(void **state)
{
	struct sandbox_network network = network_of(2);
	const struct sandbox_network less = network_of(1);
	cleanup_shape struct shape shape = { 0 };
	struct error err = ERROR_INIT;

	make_shape(&network, &shape);
	assert_int_equal(shape_check_network(&shape, &network, &err), 0);
	assert_int_equal(shape_check_network(&shape, &less, &err), -EINVAL);
	assert_string_equal(err.msg, "there are 1 interfaces, the saved machine has 2");
	network.hv_nics[0].mac[5] = 9;
	assert_int_equal(shape_check_network(&shape, &network, &err), -EINVAL);
	assert_string_equal(err.msg, "interface 1 has address '00:00:00:00:00:09', the saved "
				     "machine's has '00:00:00:00:00:01'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shape_is_read_as_it_was_written),
		cmocka_unit_test(what_does_not_say_enough_is_refused),
		cmocka_unit_test(other_interfaces_are_told_from_the_saved_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
