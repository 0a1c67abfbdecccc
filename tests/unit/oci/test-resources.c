/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "oci/config.h"

static int parse(const char *text, struct oci_resources **ret, struct error *err)
{
	return oci_resources_parse("r.json", text, strlen(text), ret, err);
}

static void a_resources_document_is_read(void **state)
{
	cleanup_oci_resources struct oci_resources *res = NULL;
	struct error err = ERROR_INIT;

	if (parse("{\"memory\":{\"limit\":-1,\"swappiness\":18446744073709551615},"
		  "\"cpu\":{\"cpus\":\"\",\"mems\":\"0\"},\"blockIO\":{\"weight\":10,"
		  "\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":20,\"leafWeight\":30}],"
		  "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":1}],"
		  "\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":2,\"rate\":2}],"
		  "\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":3,\"rate\":3}],"
		  "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":4,\"rate\":4}]},"
		  "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":18446744073709551615}],"
		  "\"network\":{\"classID\":1048577,"
		  "\"priorities\":[{\"name\":\"eth0\",\"priority\":5}]},"
		  "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3},\"rxe3\":{\"hcaObjects\":0}}}",
		  &res, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(res->memory.limit.value, -1);
	assert_false(res->memory.swappiness.is_set);
	assert_null(res->cpu.cpus);
	assert_string_equal(res->cpu.mems, "0");
	assert_int_equal(res->block_io.weight.value, 10);
	assert_false(res->block_io.leaf_weight.is_set);
	assert_int_equal(res->block_io.weight_devices[0].leaf_weight.value, 30);
	assert_int_equal(res->block_io.read_bps[0].minor, 1);
	assert_int_equal(res->block_io.write_bps[0].minor, 2);
	assert_int_equal(res->block_io.read_iops[0].minor, 3);
	assert_int_equal(res->block_io.write_iops[0].rate, 4);
	assert_true(res->hugepages[0].limit == UINT64_MAX);
	assert_int_equal(res->network.class_id.value, 1048577);
	assert_string_equal(res->network.priorities[0].name, "eth0");
	assert_int_equal(res->rdma_count, 2);
	assert_string_equal(res->rdma[0].device, "mlx5_1");
	assert_false(res->rdma[0].hca_objects.is_set);
	assert_string_equal(res->rdma[1].device, "rxe3");
	assert_true(res->rdma[1].hca_objects.is_set);
}

static void its_messages_name_the_place_in_the_document(void **state)
{
	static const struct {
		const char *text;
		const char *msg;
	} cases[] = {
		{ "{\n\"pids\":{\"limit\":-2}}",
		  "r.json:2: pids.limit: must be -1 (unlimited) or more: -2" },
		{ "{\n\n\"memory\":{\"limit\":\"1G\"}}",
		  "r.json:3: memory.limit: not a number: \"1G\"" },
		{ "{\"rdma\":{\n\"a\":{}}}", "r.json:2: rdma.a: needs hcaHandles or hcaObjects" },
		{ "[]", "r.json:1: not a JSON object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_oci_resources struct oci_resources *res = NULL;
		struct error err = ERROR_INIT;

		assert_int_equal(parse(cases[i].text, &res, &err), -EINVAL);
		assert_null(res);
		assert_string_equal(err.msg, cases[i].msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resources_document_is_read),
		cmocka_unit_test(its_messages_name_the_place_in_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
