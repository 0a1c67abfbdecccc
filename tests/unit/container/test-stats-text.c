/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/stats-text.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-stats.h"
#include "lib/engine/intel-rdt.h"
#include "tests/unit/container/fixture.h"

#define EMPTY_USAGE "{\"limit\":0,\"failcnt\":0}"

static void check(const struct cgroup_stats *stats, const struct intel_rdt_stats *rdt,
		  const char *wanted)
{
	cleanup_free char *text = event_stats_text("x", stats, rdt);

	if (!strstr(text, wanted))
		fail_msg("no '%s' in '%s'", wanted, text);
}

static void what_is_nothing_is_left_out_as_runc_does(void **state)
{
	static const struct cgroup_stats stats = { 0 };
	cleanup_free char *text = event_stats_text("x", &stats, NULL);

	assert_string_equal(
		text,
		"{\"type\":\"stats\",\"id\":\"x\",\"data\":{\"cpu\":{\"usage\":{\"kernel\":0,\"user\":0},"
		"\"throttling\":{}},\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,"
		"\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"
		"\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
		"\"sched_relax_domain_level\":0},\"memory\":{\"usage\":" EMPTY_USAGE
		",\"swap\":" EMPTY_USAGE ",\"kernel\":" EMPTY_USAGE ",\"kernelTCP\":" EMPTY_USAGE
		"},\"pids\":{},\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},"
		"\"network_interfaces\":null}}");
}

static void numbers_stand_where_runc_puts_them(void **state)
{
	uint64_t cpus[] = { 0, 2 };
	char op[] = "Read", key[] = "cache", size[] = "2MB";
	struct cgroup_stat_pair raw[] = { { key, 11 } };
	struct cgroup_blkio_entry entry[] = { { 8, 0, op, 12 } };
	struct cgroup_hugetlb_stats huge[] = { { size, { true, 1, { 2, true }, 0, { 3, true } } } };
	struct cgroup_stats stats = {
		.cpu = { .total = { 5, true },
			 .throttled_time = { 6, true },
			 .psi = { true, false, { 0.5, 0, 12.25, 7 }, { 0 } } },
		.cpuset.cpus = { cpus, 2 },
		.memory = { .usage = { true, 8, { 9, true }, 10, { 4, true } },
			    .raw = raw,
			    .raw_count = 1 },
		.pids = { { 1, true }, { 2, true } },
		.blkio.service_bytes = { entry, 1 },
		.hugetlb = huge,
		.hugetlb_count = 1,
	};

	check(&stats, NULL, "\"usage\":{\"total\":5,\"kernel\":0,\"user\":0}");
	check(&stats, NULL, "\"throttling\":{\"throttledTime\":6}");
	check(&stats, NULL,
	      "\"psi\":{\"some\":{\"avg10\":0.5,\"avg60\":0,\"avg300\":12.25,\"total\":7}}");
	check(&stats, NULL, "\"cpus\":[0,2]");
	check(&stats, NULL, "\"usage\":{\"limit\":10,\"usage\":8,\"max\":9,\"failcnt\":4}");
	check(&stats, NULL, "\"raw\":{\"cache\":11}");
	check(&stats, NULL, "\"pids\":{\"current\":1,\"limit\":2}");
	check(&stats, NULL,
	      "\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":12}]}");
	check(&stats, NULL, "\"hugetlb\":{\"2MB\":{\"usage\":1,\"max\":2,\"failcnt\":3}}");
}

static void intel_rdt_has_what_there_is(void **state)
{
	char mask[] = "fff", schema[] = "L3:0=f", line[] = "L3:0=f";
	char *schemata[] = { line, NULL };
	struct intel_rdt_mbm mbm[] = { { 7, 6 } };
	uint64_t occupancy[] = { 5 };
	const struct cgroup_stats stats = { 0 };
	const struct intel_rdt_stats rdt = {
		.has_l3_info = true,
		.l3_cbm_mask = mask,
		.l3_num_closids = 16,
		.l3_schema = schema,
		.schemata = schemata,
		.mbm = mbm,
		.mbm_count = 1,
		.llc_occupancy = occupancy,
		.llc_occupancy_count = 1,
	};

	check(&stats, &rdt,
	      "\"intel_rdt\":{\"l3_cache_info\":{\"cbm_mask\":\"fff\",\"num_closids\":16},"
	      "\"l3_cache_schema\":\"L3:0=f\",\"schemata\":[\"L3:0=f\"],"
	      "\"mbm_stats\":[{\"mbm_total_bytes\":7,\"mbm_local_bytes\":6}],"
	      "\"cmt_stats\":[{\"llc_occupancy\":5}]}");
}

static void running_out_of_memory_has_no_data(void **state)
{
	cleanup_free char *text = event_oom_text("x");

	assert_string_equal(text, "{\"type\":\"oom\",\"id\":\"x\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_nothing_is_left_out_as_runc_does),
		cmocka_unit_test(numbers_stand_where_runc_puts_them),
		cmocka_unit_test(intel_rdt_has_what_there_is),
		cmocka_unit_test(running_out_of_memory_has_no_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
