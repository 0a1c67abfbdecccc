/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/unit/sandbox/fixture.h"

#include "hypervisor/hypervisor.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/shape.h"

static const struct net_endpoint endpoint = {
	.hw = { .bytes = { 0, 0, 0, 0, 0, 1 }, .size = 6 },
};

static struct sandbox_network network_of(size_t count)
{
	struct sandbox_network network = { .nics_count = count };

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

	shape_of("web", "firecracker", &config, network, ret);
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
	assert_string_equal(read.hypervisor, "firecracker");
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

static void what_a_machine_was_given_later_is_part_of_it(void **state)
{
	const struct sandbox_network network = network_of(1);
	struct hv_status status = {
		.vcpus = 3,
		.memory_bytes = (256ull + 128 + 512) << 20,
		.pieces_mib = { 128, 512 },
		.pieces_count = 2,
	};
	cleanup_shape struct shape shape = { 0 }, read = { 0 };
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	make_shape(&network, &shape);
	assert_int_equal(shape_memory_mib(&shape), 256);
	assert_int_equal(shape_note_size(&shape, &status, &err), 0);
	text = shape_text(&shape);
	assert_int_equal(shape_parse(text, strlen(text), &read, &err), 0);
	assert_int_equal(read.memory_mib, 256);
	assert_int_equal(read.pieces_mib_count, 2);
	assert_int_equal(read.pieces_mib[1], 512);
	assert_int_equal(read.more_vcpus, 1);
	assert_int_equal(shape_memory_mib(&read), 896);
	status.pieces_count = 1;
	assert_true(shape_note_size(&shape, &status, &err) < 0);
	status.pieces_count = 0; /* one that does not tell them */
	assert_int_equal(shape_note_size(&shape, &status, &err), 0);
	assert_int_equal(shape.pieces_mib_count, 1);
	assert_int_equal(shape.pieces_mib[0], 640);
	status.memory_bytes = 255ull << 20;
	assert_true(shape_note_size(&shape, &status, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shape_is_read_as_it_was_written),
		cmocka_unit_test(what_does_not_say_enough_is_refused),
		cmocka_unit_test(what_a_machine_was_given_later_is_part_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
