/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-plan.h"
#include "lib/engine/cgroup.h"
#include "oci/config.h"

/* Who the cgroup is given to, or -1. */
static int64_t owner(struct oci_config *config)
{
	uid_t uid;

	return cgroup_plan_owner(config, &uid) ? (int64_t)uid : -1;
}

static void test_who_may_manage_cgroups_below_owns_them(void **state)
{
	struct oci_id_mapping map[] = { { 0, 100000, 1000 }, { 1000, 5000, 1 } };
	char *writable[] = { (char *)"nosuid", NULL };
	char *read_only[] = { (char *)"nosuid", (char *)"ro", NULL };
	struct oci_mount mounts[] = {
		{ .destination = (char *)"/proc", .type = (char *)"proc" },
		{ .destination = (char *)"/sys/fs/cgroup/",
		  .type = (char *)"cgroup2",
		  .options = writable },
	};
	struct oci_namespace ns = { .type = OCI_NS_CGROUP };
	struct oci_process process = { .user.uid = 0 };
	struct oci_config config = {
		.process = &process,
		.mounts = mounts,
		.mounts_count = ARRAY_SIZE(mounts),
		.linux_ = { .uid_mappings = map,
			    .uid_mappings_count = ARRAY_SIZE(map),
			    .namespaces = &ns,
			    .namespaces_count = 1 },
	};

	assert_int_equal(owner(&config), 100000);
	process.user.uid = 1000;
	assert_int_equal(owner(&config), 5000);
	process.user.uid = 2000;
	assert_int_equal(owner(&config), -1);
	process.user.uid = 7;
	mounts[1].options = read_only;
	assert_int_equal(owner(&config), -1);
	mounts[1].options = writable;
	ns.path = (char *)"/proc/1/ns/cgroup";
	assert_int_equal(owner(&config), -1);
	ns.path = NULL;
	config.linux_.uid_mappings_count = 0;
	assert_int_equal(owner(&config), -1);
}

#define SET(v)                                                                                     \
	{                                                                                          \
		.value = (v), .is_set = true                                                       \
	}

/* "FILE=VALUE[ else FILE=VALUE]" for each, one a line; '?' in front of optional ones, '~' of those that may wait. */
static char *plan_text(enum cgroup_layout layout, const struct oci_resources *resources)
{
	cleanup_cgroup_plan struct cgroup_plan plan = { NULL, 0 };
	struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	if (cgroup_plan_resources(layout, resources, &plan, &err) < 0)
		return xstrdup(err.msg);
	for (size_t i = 0; i < plan.count; i++) {
		const struct cgroup_knob *k = &plan.knobs[i];

		assert_non_null(str_after(k->config, "linux.resources."));
		assert_non_null(str_after(k->file, k->controller));
		strbuf_addf(&sb, "%s%s%s=%s", k->is_optional ? "?" : "", k->may_wait ? "~" : "",
			    k->file, k->value);
		if (k->else_file)
			strbuf_addf(&sb, " else %s=%s", k->else_file, k->else_value);
		strbuf_addch(&sb, '\n');
	}
	return strbuf_steal(&sb);
}

static void assert_plan(const struct oci_resources *resources, const char *v1, const char *v2)
{
	cleanup_free char *on_v1 = plan_text(CGROUP_LAYOUT_V1, resources);
	cleanup_free char *on_hybrid = plan_text(CGROUP_LAYOUT_HYBRID, resources);
	cleanup_free char *on_v2 = plan_text(CGROUP_LAYOUT_V2, resources);

	assert_string_equal(on_v1, v1);
	assert_string_equal(on_hybrid, v1);
	assert_string_equal(on_v2, v2);
}

static void test_paths_start_at_the_root_and_stay_below_it(void **state)
{
	static const struct {
		const char *cgroups_path;
		const char *expected;
	} cases[] = {
		{ NULL, "/web" },
		{ "", "/web" },
		{ "/", "/web" },
		{ "..", "/web" },
		{ "/pod/web", "/pod/web" },
		{ "pod/web", "/pod/web" },
		{ "/a/../../../b", "/b" },
		{ "//a//./b/", "/a/b" },
		{ "../../etc/x", "/etc/x" },
		{ "a/..", "/web" },
		{ "...", "/..." },
		{ "a.b/.c", "/a.b/.c" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *path = cgroup_plan_path(cases[i].cgroups_path, "web");

		assert_string_equal(path, cases[i].expected);
	}
}

static void test_nothing_asked_for_is_nothing_written(void **state)
{
	assert_plan(&(struct oci_resources){ 0 }, "", "");
}

static void test_zeroes_of_generated_configurations_are_nothing(void **state)
{
	const struct oci_resources resources = {
		.memory = { .limit = SET(0),
			    .swap = SET(0),
			    .reservation = SET(0),
			    .kernel = SET(0),
			    .kernel_tcp = SET(0) },
		.cpu = { .shares = SET(0),
			 .quota = SET(0),
			 .period = SET(0),
			 .realtime_period = SET(0),
			 .realtime_runtime = SET(0),
			 .cpus = (char *)"",
			 .mems = (char *)"" },
	};

	assert_plan(&resources, "", "");
}

static void test_memory_and_swap(void **state)
{
	const struct oci_resources resources = {
		.memory = { .limit = SET(1000), .swap = SET(1500), .reservation = SET(500) },
	};

	assert_plan(&resources,
		    "~memory.limit_in_bytes=1000\nmemory.memsw.limit_in_bytes=1500\n"
		    "memory.soft_limit_in_bytes=500\n",
		    "memory.swap.max=500\nmemory.max=1000\nmemory.low=500\n");
}

static void test_swap_equal_to_memory_is_no_swap(void **state)
{
	const struct oci_resources resources = {
		.memory = { .limit = SET(1000), .swap = SET(1000) },
	};

	assert_plan(&resources, "~memory.limit_in_bytes=1000\nmemory.memsw.limit_in_bytes=1000\n",
		    "?memory.swap.max=0\nmemory.max=1000\n");
}

static void test_unlimited_memory_means_unlimited_swap(void **state)
{
	const struct oci_resources resources = { .memory = { .limit = SET(-1) } };

	assert_plan(&resources, "?~memory.limit_in_bytes=-1\n?memory.memsw.limit_in_bytes=-1\n",
		    "?memory.swap.max=max\n?memory.max=max\n");
}

static void test_unlimited_swap_beside_limited_memory(void **state)
{
	const struct oci_resources resources = {
		.memory = { .limit = SET(1000), .swap = SET(-1) },
	};

	assert_plan(&resources, "~memory.limit_in_bytes=1000\n?memory.memsw.limit_in_bytes=-1\n",
		    "?memory.swap.max=max\nmemory.max=1000\n");
}

static void test_swap_without_memory_is_refused_where_it_means_nothing(void **state)
{
	const struct oci_resources resources = { .memory = { .swap = SET(1000) } };

	assert_plan(
		&resources, "memory.memsw.limit_in_bytes=1000\n",
		"cgroup: linux.resources.memory.swap: unable to set swap limit without memory limit");
}

static void test_swap_below_memory_is_refused(void **state)
{
	static const char msg[] =
		"cgroup: linux.resources.memory.swap: memory and swap together are less than memory";
	const struct oci_resources resources = {
		.memory = { .limit = SET(1000), .swap = SET(999) },
	};

	assert_plan(&resources, msg, msg);
}

static void test_what_only_v1_knows_about_memory_is_ignored_on_v2(void **state)
{
	const struct oci_resources resources = {
		.memory = { .kernel = SET(7),
			    .kernel_tcp = SET(8),
			    .swappiness = SET(60),
			    .disable_oom_killer = SET(true),
			    .use_hierarchy = SET(true) },
	};

	assert_plan(&resources,
		    "memory.kmem.tcp.limit_in_bytes=8\nmemory.swappiness=60\n"
		    "memory.oom_control=1\n",
		    "");
}

static void test_swappiness_has_a_range(void **state)
{
	const struct oci_resources resources = { .memory = { .swappiness = SET(101) } };

	assert_plan(&resources,
		    "cgroup: linux.resources.memory.swappiness: is not a number from 0 to 100", "");
}

static void test_shares_and_bandwidth(void **state)
{
	const struct oci_resources resources = {
		.cpu = { .shares = SET(1024),
			 .quota = SET(50000),
			 .period = SET(200000),
			 .burst = SET(10000),
			 .cpus = (char *)"0-1",
			 .mems = (char *)"0" },
	};

	assert_plan(&resources,
		    "cpu.shares=1024\n~cpu.cfs_burst_us=10000\n~cpu.cfs_period_us=200000\n"
		    "~cpu.cfs_quota_us=50000\ncpuset.cpus=0-1\ncpuset.mems=0\n",
		    "cpu.weight=100\n~cpu.max.burst=10000\ncpu.max=50000 200000\n"
		    "cpuset.cpus=0-1\ncpuset.mems=0\n");
}

static void test_a_quota_alone_keeps_the_period(void **state)
{
	const struct oci_resources resources = { .cpu = { .quota = SET(50000) } };

	assert_plan(&resources, "~cpu.cfs_quota_us=50000\n", "cpu.max=50000\n");
}

static void test_a_period_alone_has_no_quota(void **state)
{
	const struct oci_resources resources = { .cpu = { .period = SET(50000) } };

	assert_plan(&resources, "~cpu.cfs_period_us=50000\n", "cpu.max=max 50000\n");
}

static void test_a_negative_quota_is_none(void **state)
{
	const struct oci_resources resources = { .cpu = { .quota = SET(-5) } };

	assert_plan(&resources, "~cpu.cfs_quota_us=-1\n", "cpu.max=max\n");
}

static void test_an_idle_group_has_no_weight(void **state)
{
	struct oci_resources resources = { .cpu = { .shares = SET(1024), .idle = SET(1) } };

	assert_plan(&resources, "cpu.idle=1\n", "cpu.idle=1\n");
	resources.cpu.idle.value = 0;
	assert_plan(&resources, "?cpu.idle=0\ncpu.shares=1024\n", "?cpu.idle=0\ncpu.weight=100\n");
}

static void test_real_time_is_for_v1(void **state)
{
	const struct oci_resources resources = {
		.cpu = { .realtime_runtime = SET(950000), .realtime_period = SET(1000000) },
	};

	assert_plan(
		&resources, "cpu.rt_period_us=1000000\ncpu.rt_runtime_us=950000\n",
		"cgroup: linux.resources.cpu.realtimePeriod: cgroup v2 has no real-time limits");
}

static void test_pids(void **state)
{
	struct oci_resources resources = { .pids.limit = SET(32) };

	assert_plan(&resources, "pids.max=32\n", "pids.max=32\n");
	resources.pids.limit.value = 0;
	assert_plan(&resources, "pids.max=1\n", "pids.max=1\n");
	resources.pids.limit.value = -1;
	assert_plan(&resources, "?pids.max=max\n", "?pids.max=max\n");
}

static void test_unified_is_written_last_line_by_line(void **state)
{
	struct string_pair pairs[] = {
		{ (char *)"memory.high", (char *)"5" },
		{ (char *)"io.max", (char *)"8:0 rbps=1\n8:16 rbps=2\n" },
	};
	const struct oci_resources resources = {
		.pids.limit = SET(3),
		.unified = { pairs, ARRAY_SIZE(pairs) },
	};

	assert_plan(&resources, "cgroup: linux.resources.unified: this host has cgroup v1",
		    "pids.max=3\nmemory.high=5\nio.max=8:0 rbps=1\nio.max=8:16 rbps=2\n");
}

static void test_unified_names_no_file_elsewhere(void **state)
{
	static const char *const bad[] = { "../memory.max", "a/b.c", "memory", ".x", "" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct string_pair pair = { (char *)bad[i], (char *)"1" };
		const struct oci_resources resources = { .unified = { &pair, 1 } };
		cleanup_free char *text = plan_text(CGROUP_LAYOUT_V2, &resources);
		bool is_slashed = strchr(bad[i], '/');

		assert_non_null(strstr(text, is_slashed
						     ? "must be a file name (no slashes)"
						     : "must be in the form CONTROLLER.PARAMETER"));
	}
}

static void test_block_devices_have_weights_and_rates(void **state)
{
	struct oci_weight_device weights[] = {
		{ .major = 8, .minor = 0, .weight = SET(500), .leaf_weight = SET(300) },
		{ .major = 8, .minor = 16, .leaf_weight = SET(10) },
	};
	struct oci_throttle_device rates[] = { { 8, 0, 1048576 }, { 8, 16, 0 } };
	const struct oci_resources resources = {
		.block_io = {
			.weight = SET(100),
			.leaf_weight = SET(1000),
			.weight_devices = weights,
			.weight_devices_count = ARRAY_SIZE(weights),
			.read_bps = rates,
			.read_bps_count = 2,
			.write_bps = rates,
			.write_bps_count = 1,
			.read_iops = rates,
			.read_iops_count = 1,
			.write_iops = rates,
			.write_iops_count = 1,
		},
	};

	assert_plan(&resources,
		    "blkio.weight=100 else blkio.bfq.weight=100\n"
		    "blkio.leaf_weight=1000\n"
		    "blkio.weight_device=8:0 500 else blkio.bfq.weight_device=8:0 500\n"
		    "blkio.leaf_weight_device=8:0 300\n"
		    "blkio.leaf_weight_device=8:16 10\n"
		    "blkio.throttle.read_bps_device=8:0 1048576\n"
		    "blkio.throttle.read_bps_device=8:16 0\n"
		    "blkio.throttle.write_bps_device=8:0 1048576\n"
		    "blkio.throttle.read_iops_device=8:0 1048576\n"
		    "blkio.throttle.write_iops_device=8:0 1048576\n",
		    "io.bfq.weight=100 else io.weight=910\n"
		    "io.bfq.weight=8:0 500 else io.weight=8:0 4950\n"
		    "io.max=8:0 rbps=1048576\n"
		    "io.max=8:16 rbps=max\n"
		    "io.max=8:0 wbps=1048576\n"
		    "io.max=8:0 riops=1048576\n"
		    "io.max=8:0 wiops=1048576\n");
}

static void test_a_weight_of_block_devices_has_a_range(void **state)
{
	static const unsigned int bad[] = { 1, 9, 1001 };
	static const char refusal[] =
		"cgroup: linux.resources.blockIO.weight: is not a number from 10 to 1000";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_plan(&(struct oci_resources){ .block_io.weight = SET(bad[i]) }, refusal,
			    refusal);
	assert_plan(&(struct oci_resources){ .block_io.weight = SET(0) }, "", "");
	assert_int_equal(cgroup_plan_io_weight(10), 1);
	assert_int_equal(cgroup_plan_io_weight(1000), 10000);
}

static void test_huge_pages_are_limited_in_use_and_reserved(void **state)
{
	struct oci_hugepage_limit limits[] = { { (char *)"2MB", 4194304 }, { (char *)"1GB", 0 } };
	const struct oci_resources resources = { .hugepages = limits, .hugepages_count = 2 };

	assert_plan(&resources,
		    "hugetlb.2MB.limit_in_bytes=4194304\n?hugetlb.2MB.rsvd.limit_in_bytes=4194304\n"
		    "hugetlb.1GB.limit_in_bytes=0\n?hugetlb.1GB.rsvd.limit_in_bytes=0\n",
		    "hugetlb.2MB.max=4194304\n?hugetlb.2MB.rsvd.max=4194304\n"
		    "hugetlb.1GB.max=0\n?hugetlb.1GB.rsvd.max=0\n");
}

static void test_a_size_of_huge_pages_is_no_path(void **state)
{
	static const char *const bad[] = { "../2MB", "MB", "2M", "2mb", "2TB", "2MBx", "", NULL };
	static const char refusal[] =
		"cgroup: linux.resources.hugepageLimits[0]: pageSize is not a size like 2MB";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct oci_hugepage_limit limit = { (char *)bad[i], 1 };
		const struct oci_resources resources = { .hugepages = &limit,
							 .hugepages_count = 1 };

		assert_plan(&resources, refusal, refusal);
	}
}

static void test_rdma_devices_are_limited(void **state)
{
	struct oci_rdma devices[] = {
		{ (char *)"mlx5_0", SET(3), SET(10000) },
		{ (char *)"mlx5_1", SET(2), { 0 } },
		{ (char *)"rxe0", { 0 }, SET(7) },
	};
	const struct oci_resources resources = { .rdma = devices, .rdma_count = 3 };
	static const char expected[] = "rdma.max=mlx5_0 hca_handle=3 hca_object=10000\n"
				       "rdma.max=mlx5_1 hca_handle=2\nrdma.max=rxe0 hca_object=7\n";

	assert_plan(&resources, expected, expected);
}

static void test_a_limit_of_rdma_without_a_number_is_refused(void **state)
{
	struct oci_rdma device = { .device = (char *)"mlx5_0" };
	const struct oci_resources resources = { .rdma = &device, .rdma_count = 1 };
	static const char refusal[] =
		"cgroup: linux.resources.rdma[\"mlx5_0\"]: neither hcaHandles nor hcaObjects is given";

	assert_plan(&resources, refusal, refusal);
}

static void test_network_classes_are_for_v1(void **state)
{
	struct oci_interface_priority priorities[] = { { (char *)"eth0", 5 }, { (char *)"lo", 0 } };
	const struct oci_resources resources = {
		.network = { SET(1048577), priorities, ARRAY_SIZE(priorities) },
	};

	assert_plan(&resources,
		    "net_cls.classid=1048577\nnet_prio.ifpriomap=eth0 5\nnet_prio.ifpriomap=lo 0\n",
		    "");
}

static void test_weights_meet_at_least_default_and_most(void **state)
{
	static const struct {
		unsigned long long shares;
		unsigned int weight;
	} cases[] = {
		{ 1, 1 },	   { 2, 1 },
		{ 3, 2 },	   { 10, 4 },
		{ 512, 59 },	   { 1024, 100 },
		{ 2048, 174 },	   { 262143, 10000 },
		{ 262144, 10000 }, { UINT64_MAX, 10000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(cgroup_plan_weight(cases[i].shares), cases[i].weight);
}

/* Both kinds of arithmetic may miss a whole number by their last bit. */
static void test_weights_are_those_of_the_c_library(void **state)
{
	for (unsigned int shares = 3; shares < 262144; shares++) {
		double l = log2(shares);
		double weight = pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0);

		assert_int_equal(cgroup_plan_weight(shares), (unsigned int)ceil(weight - 1e-9));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_start_at_the_root_and_stay_below_it),
		cmocka_unit_test(test_nothing_asked_for_is_nothing_written),
		cmocka_unit_test(test_zeroes_of_generated_configurations_are_nothing),
		cmocka_unit_test(test_memory_and_swap),
		cmocka_unit_test(test_swap_equal_to_memory_is_no_swap),
		cmocka_unit_test(test_unlimited_memory_means_unlimited_swap),
		cmocka_unit_test(test_unlimited_swap_beside_limited_memory),
		cmocka_unit_test(test_swap_without_memory_is_refused_where_it_means_nothing),
		cmocka_unit_test(test_swap_below_memory_is_refused),
		cmocka_unit_test(test_what_only_v1_knows_about_memory_is_ignored_on_v2),
		cmocka_unit_test(test_swappiness_has_a_range),
		cmocka_unit_test(test_shares_and_bandwidth),
		cmocka_unit_test(test_a_quota_alone_keeps_the_period),
		cmocka_unit_test(test_a_period_alone_has_no_quota),
		cmocka_unit_test(test_a_negative_quota_is_none),
		cmocka_unit_test(test_an_idle_group_has_no_weight),
		cmocka_unit_test(test_real_time_is_for_v1),
		cmocka_unit_test(test_pids),
		cmocka_unit_test(test_unified_is_written_last_line_by_line),
		cmocka_unit_test(test_unified_names_no_file_elsewhere),
		cmocka_unit_test(test_block_devices_have_weights_and_rates),
		cmocka_unit_test(test_a_weight_of_block_devices_has_a_range),
		cmocka_unit_test(test_huge_pages_are_limited_in_use_and_reserved),
		cmocka_unit_test(test_a_size_of_huge_pages_is_no_path),
		cmocka_unit_test(test_rdma_devices_are_limited),
		cmocka_unit_test(test_a_limit_of_rdma_without_a_number_is_refused),
		cmocka_unit_test(test_network_classes_are_for_v1),
		cmocka_unit_test(test_who_may_manage_cgroups_below_owns_them),
		cmocka_unit_test(test_weights_meet_at_least_default_and_most),
		cmocka_unit_test(test_weights_are_those_of_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
