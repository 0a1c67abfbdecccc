/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-stats-parse.h"
#include "lib/engine/cgroup.h"
#include "tests/unit/engine/fake-tree.h"

static struct fake_tree tree;

static int make_tree(void **state)
{
	fake_tree_new(&tree);
	return 0;
}

static int remove_tree(void **state)
{
	fake_tree_done(&tree);
	return 0;
}

static const char *const v1[] = {
	"cpu,cpuacct", "cpuset", "memory", "pids", "blkio", "rdma", NULL
};
static const char *const v2[] = { "unified", NULL };

static void assert_stats(const struct cgroup *cg, struct cgroup_stats *stats)
{
	struct error err = ERROR_INIT;

	if (cgroup_stats(cg, stats, &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_numbers(const struct cgroup_u64s *got, const char *expected)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < got->count; i++)
		strbuf_addf(&sb, "%s%llu", i ? " " : "", (unsigned long long)got->items[i]);
	assert_string_equal(sb.buf ? sb.buf : "", expected);
	strbuf_done(&sb);
}

/* "8:0 Read 5" */
static void assert_entries(const struct cgroup_blkio_entries *got, const char *expected)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < got->count; i++) {
		const struct cgroup_blkio_entry *e = &got->items[i];

		strbuf_addf(&sb, "%llu:%llu%s%s %llu\n", (unsigned long long)e->major,
			    (unsigned long long)e->minor, *e->op ? " " : "", e->op,
			    (unsigned long long)e->value);
	}
	assert_string_equal(sb.buf ? sb.buf : "", expected);
	strbuf_done(&sb);
}

static void test_what_is_not_told_is_absent(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_dir(&tree, "memory/web");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_false(stats.cpu.total.is_set);
	assert_false(stats.cpu.psi.is_set);
	assert_false(stats.memory.usage.is_set);
	assert_false(stats.pids.limit.is_set);
	assert_null(stats.cpu.percpu.items);
	assert_null(stats.hugetlb);
}

static void test_a_missing_cgroup_has_no_stats(void **state)
{
	cleanup_cgroup struct cgroup *cg = fake_cgroup(&tree, "/web", v1);
	struct cgroup_stats stats;
	struct error err = ERROR_INIT;

	assert_int_equal(cgroup_stats(cg, &stats, &err), -ENOENT);
	assert_string_equal(err.msg, "cgroup: '/web' does not exist");
}

static void test_v1_tells_times_by_processor(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "cpu,cpuacct/web/cpuacct.usage", "6000000000\n");
	fake_file(&tree, "cpu,cpuacct/web/cpuacct.usage_percpu", "2000000000 4000000000 \n");
	fake_file(&tree, "cpu,cpuacct/web/cpuacct.usage_all", "cpu user system\n0 1 2\n1 3 4\n");
	fake_file(&tree, "cpu,cpuacct/web/cpuacct.stat", "user 300\nsystem 100\n");
	fake_file(&tree, "cpu,cpuacct/web/cpu.stat",
		  "nr_periods 4\nnr_throttled 2\nthrottled_time 5000\nnr_bursts 1\nburst_time 7\n");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_int_equal(stats.cpu.total.value, 6000000000);
	assert_numbers(&stats.cpu.percpu, "2000000000 4000000000");
	assert_numbers(&stats.cpu.percpu_user, "1 3");
	assert_numbers(&stats.cpu.percpu_kernel, "2 4");
	assert_int_equal(stats.cpu.user.value, 300 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(stats.cpu.kernel.value, 100 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(stats.cpu.periods.value, 4);
	assert_int_equal(stats.cpu.throttled_periods.value, 2);
	assert_int_equal(stats.cpu.throttled_time.value, 5000);
	assert_int_equal(stats.cpu.burst_periods.value, 1);
	assert_int_equal(stats.cpu.burst_time.value, 7);
}

static void test_v2_tells_times_in_microseconds(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "unified/web/cpu.stat",
		  "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 3\nnr_throttled 2\n"
		  "throttled_usec 7\nnr_bursts 1\nburst_usec 4\n");
	fake_file(&tree, "unified/web/cpu.pressure",
		  "some avg10=12.50 avg60=0.75 avg300=0.00 total=1234\n"
		  "full avg10=1.01 avg60=0.00 avg300=0.10 total=99\n");
	cg = fake_cgroup(&tree, "/web", v2);
	assert_stats(cg, &stats);
	assert_int_equal(stats.cpu.total.value, 30000);
	assert_int_equal(stats.cpu.user.value, 20000);
	assert_int_equal(stats.cpu.kernel.value, 10000);
	assert_int_equal(stats.cpu.throttled_time.value, 7000);
	assert_int_equal(stats.cpu.burst_time.value, 4000);
	assert_true(stats.cpu.psi.is_set);
	assert_true(stats.cpu.psi.some.avg10 == 12.5 && stats.cpu.psi.some.avg60 == 0.75);
	assert_int_equal(stats.cpu.psi.some.total, 1234);
	assert_true(stats.cpu.psi.has_full);
	assert_int_equal(stats.cpu.psi.full.total, 99);
}

static void test_v1_counts_memory(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "memory/web/memory.stat", "cache 512\nrss 1024\n");
	fake_file(&tree, "memory/web/memory.usage_in_bytes", "2048\n");
	fake_file(&tree, "memory/web/memory.max_usage_in_bytes", "4096\n");
	fake_file(&tree, "memory/web/memory.limit_in_bytes", "8192\n");
	fake_file(&tree, "memory/web/memory.failcnt", "3\n");
	fake_file(&tree, "memory/web/memory.kmem.usage_in_bytes", "5\n");
	fake_file(&tree, "memory/web/memory.kmem.limit_in_bytes", "9223372036854771712\n");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_int_equal(stats.memory.cache.value, 512);
	assert_true(stats.memory.usage.is_set);
	assert_int_equal(stats.memory.usage.usage, 2048);
	assert_int_equal(stats.memory.usage.max.value, 4096);
	assert_int_equal(stats.memory.usage.limit, 8192);
	assert_int_equal(stats.memory.usage.failcnt.value, 3);
	assert_true(stats.memory.kernel.is_set);
	assert_false(stats.memory.swap.is_set);
	assert_int_equal(stats.memory.raw_count, 2);
	assert_string_equal(stats.memory.raw[1].key, "rss");
	assert_int_equal(stats.memory.raw[1].value, 1024);
}

static void test_v2_counts_memory_and_swap_together(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "unified/web/cgroup.controllers", "memory pids\n");
	fake_file(&tree, "unified/web/memory.stat", "anon 100\nfile 28\n");
	fake_file(&tree, "unified/web/memory.current", "128\n");
	fake_file(&tree, "unified/web/memory.peak", "200\n");
	fake_file(&tree, "unified/web/memory.max", "1000\n");
	fake_file(&tree, "unified/web/memory.swap.current", "32\n");
	fake_file(&tree, "unified/web/memory.swap.max", "500\n");
	cg = fake_cgroup(&tree, "/web", v2);
	assert_stats(cg, &stats);
	assert_int_equal(stats.memory.cache.value, 28);
	assert_int_equal(stats.memory.usage.usage, 128);
	assert_int_equal(stats.memory.usage.max.value, 200);
	assert_int_equal(stats.memory.swap.usage, 160);
	assert_int_equal(stats.memory.swap.limit, 1500);
	assert_false(stats.memory.swap.max.is_set);
	cgroup_stats_done(&stats);

	fake_file(&tree, "unified/web/memory.swap.max", "max\n");
	assert_stats(cg, &stats);
	assert_true(stats.memory.swap.limit == UINT64_MAX);
	cgroup_stats_done(&stats);

	fake_file(&tree, "unified/web/memory.max", "max\n");
	fake_file(&tree, "unified/web/memory.swap.max", "0\n");
	assert_stats(cg, &stats);
	assert_true(stats.memory.usage.limit == UINT64_MAX);
	assert_true(stats.memory.swap.limit == UINT64_MAX);
}

static void test_pids_without_a_limit_have_the_limit_0(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "pids/web/pids.current", "3\n");
	fake_file(&tree, "pids/web/pids.max", "max\n");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_int_equal(stats.pids.current.value, 3);
	assert_true(stats.pids.limit.is_set);
	assert_int_equal(stats.pids.limit.value, 0);
}

static void test_processors_and_nodes_are_numbers(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "cpuset/web/cpuset.cpus", "0-2,7\n");
	fake_file(&tree, "cpuset/web/cpuset.mems", "0\n");
	fake_file(&tree, "cpuset/web/cpuset.sched_load_balance", "1\n");
	fake_file(&tree, "cpuset/web/cpuset.sched_relax_domain_level", "-1\n");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_numbers(&stats.cpuset.cpus, "0 1 2 7");
	assert_numbers(&stats.cpuset.mems, "0");
	assert_int_equal(stats.cpuset.sched_load_balance.value, 1);
	assert_int_equal(stats.cpuset.sched_relax_domain_level.value, -1);
}

static void test_v1_counts_blocks_by_whatever_schedules_them(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "blkio/web/blkio.throttle.io_service_bytes",
		  "8:0 Read 10\n8:0 Write 20\nTotal 30\n");
	fake_file(&tree, "blkio/web/blkio.throttle.io_serviced_recursive", "8:0 Read 1\nTotal 1\n");
	fake_file(&tree, "blkio/web/blkio.throttle.io_serviced", "8:0 Read 2\nTotal 2\n");
	fake_file(&tree, "blkio/web/blkio.bfq.sectors_recursive", "8:0 77\n");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_entries(&stats.blkio.service_bytes, "8:0 Read 10\n8:0 Write 20\n");
	assert_entries(&stats.blkio.serviced, "8:0 Read 1\n");
	assert_entries(&stats.blkio.sectors, "8:0 77\n");
	assert_null(stats.blkio.merged.items);
}

static void test_v2_counts_blocks_in_one_file(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "unified/web/cgroup.controllers", "io\n");
	fake_file(&tree, "unified/web/io.stat",
		  "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0 \n");
	cg = fake_cgroup(&tree, "/web", v2);
	assert_stats(cg, &stats);
	assert_entries(&stats.blkio.service_bytes, "8:16 Read 1\n8:16 Write 2\n");
	assert_entries(&stats.blkio.serviced, "8:16 Read 3\n8:16 Write 4\n");
}

static void test_rdma_is_told_by_device(void **state)
{
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_file(&tree, "rdma/web/rdma.current", "mlx4_0 hca_handle=1 hca_object=20\n");
	fake_file(&tree, "rdma/web/rdma.max",
		  "mlx4_0 hca_handle=2 hca_object=max\nocrdma1 hca_handle=max hca_object=max\n");
	cg = fake_cgroup(&tree, "/web", v1);
	assert_stats(cg, &stats);
	assert_int_equal(stats.rdma_current.count, 1);
	assert_int_equal(stats.rdma_current.items[0].hca_objects, 20);
	assert_int_equal(stats.rdma_limit.count, 2);
	assert_string_equal(stats.rdma_limit.items[0].device, "mlx4_0");
	assert_int_equal(stats.rdma_limit.items[0].hca_handles, 2);
	assert_true(stats.rdma_limit.items[0].hca_objects == UINT32_MAX);
}

static void test_lists_that_make_no_sense_are_absent(void **state)
{
	static const char *const bad[] = { "1-", "-1", "3-1", "a", "1,,2", "0-99999999", "1 2" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cgroup_u64s numbers = { NULL, 0 };

		stats_parse_list(bad[i], &numbers);
		assert_null(numbers.items);
	}
}

#define FAKE(fn) cmocka_unit_test_setup_teardown(fn, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(test_what_is_not_told_is_absent),
		FAKE(test_a_missing_cgroup_has_no_stats),
		FAKE(test_v1_tells_times_by_processor),
		FAKE(test_v2_tells_times_in_microseconds),
		FAKE(test_v1_counts_memory),
		FAKE(test_v2_counts_memory_and_swap_together),
		FAKE(test_pids_without_a_limit_have_the_limit_0),
		FAKE(test_processors_and_nodes_are_numbers),
		FAKE(test_v1_counts_blocks_by_whatever_schedules_them),
		FAKE(test_v2_counts_blocks_in_one_file),
		FAKE(test_rdma_is_told_by_device),
		cmocka_unit_test(test_lists_that_make_no_sense_are_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
