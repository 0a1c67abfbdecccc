/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/intel-rdt.h"
#include "oci/config.h"
#include "tests/unit/engine/fake-tree.h"

/*
 * Against a directory that looks like resctrl: the hardware for it is rare. Where the kernel would
 * make the files of a new group, the tests make them before.
 */
static struct fake_tree tree;

static int make_tree(void **state)
{
	fake_tree_new(&tree);
	fake_file(&tree, "info/L3/cbm_mask", "fffff\n");
	fake_file(&tree, "info/L3/min_cbm_bits", "1\n");
	fake_file(&tree, "info/L3/num_closids", "16\n");
	fake_file(&tree, "info/MB/bandwidth_gran", "10\n");
	fake_file(&tree, "info/MB/delay_linear", "1\n");
	fake_file(&tree, "info/MB/min_bandwidth", "10\n");
	fake_file(&tree, "info/MB/num_closids", "8\n");
	fake_file(&tree, "info/last_cmd_status", "mask 0x5 has non-consecutive 1-bits\n");
	fake_file(&tree, "schemata", "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n");
	fake_file(&tree, "tasks", "");
	fake_dir(&tree, "mon_groups");
	return 0;
}

static int remove_tree(void **state)
{
	fake_tree_done(&tree);
	return 0;
}

static void open_rdt(const struct oci_intel_rdt *config, struct intel_rdt *ret)
{
	struct error err = ERROR_INIT;

	if (intel_rdt_open(tree.dir, config, "web", ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_ok(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->msg);
}

static void assert_file(const char *path, const char *expected)
{
	cleanup_free char *text = fake_read(&tree, path);

	assert_non_null(text);
	assert_string_equal(text, expected);
}

static void assert_refused(const struct oci_intel_rdt *config, const char *msg)
{
	struct intel_rdt rdt;
	struct error err = ERROR_INIT;

	assert_true(intel_rdt_open(tree.dir, config, "web", &rdt, &err) < 0);
	assert_string_equal(err.msg, msg);
}

static void test_without_a_name_the_class_is_the_containers(void **state)
{
	const struct oci_intel_rdt config = { .enable_monitoring = true };
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };

	open_rdt(&config, &rdt);
	assert_string_equal(rdt.clos, "web");
	assert_string_equal(rdt.mon, "web/mon_groups/web");
	assert_string_equal(rdt.owned, "web");
}

static void test_a_class_that_was_there_stays(void **state)
{
	const struct oci_intel_rdt named = { .clos_id = (char *)"gold" };
	const struct oci_intel_rdt monitored = { .clos_id = (char *)"gold",
						 .enable_monitoring = true };
	const struct oci_intel_rdt unnamed = { 0 };
	cleanup_intel_rdt struct intel_rdt a = { 0 }, b = { 0 }, c = { 0 };

	fake_dir(&tree, "gold");
	fake_dir(&tree, "web");
	open_rdt(&named, &a);
	assert_null(a.owned);
	open_rdt(&monitored, &b);
	assert_string_equal(b.owned, "gold/mon_groups/web");
	open_rdt(&unnamed, &c);
	assert_null(c.owned);
}

static void test_a_slash_is_the_default_class(void **state)
{
	const struct oci_intel_rdt config = { .clos_id = (char *)"/", .enable_monitoring = true };
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };

	open_rdt(&config, &rdt);
	assert_string_equal(rdt.clos, "");
	assert_string_equal(rdt.mon, "mon_groups/web");
	assert_string_equal(rdt.owned, "mon_groups/web");
}

static void test_a_class_without_schemata_must_be_there(void **state)
{
	const struct oci_intel_rdt config = { .clos_id = (char *)"gold" };
	cleanup_free char *msg =
		xasprintf("linux.intelRdt.closID: 'gold' is not in '%s', and no schemata are given",
			  tree.dir);

	assert_refused(&config, msg);
}

static void test_what_the_host_cannot_do_is_named(void **state)
{
	const struct oci_intel_rdt cache = { .l3_cache_schema = (char *)"L3:0=f" };
	cleanup_free char *l3 = xasprintf("%s/info/L3", tree.dir);
	cleanup_free char *hidden = xasprintf("%s/info/L2", tree.dir);

	assert_int_equal(rename(l3, hidden), 0);
	assert_refused(&cache,
		       "linux.intelRdt.l3CacheSchema: this host cannot divide its L3 cache (CAT)");
}

/* A group as the kernel would have made it. */
static void make_group(const char *name, const char *schemata)
{
	cleanup_free char *file = xasprintf("%s/schemata", name);
	cleanup_free char *tasks = xasprintf("%s/tasks", name);

	fake_file(&tree, file, schemata);
	fake_file(&tree, tasks, "");
}

static void test_schemata_are_written_in_their_order(void **state)
{
	static char *lines[] = { (char *)"L2:0=f", (char *)"L3:0=3", NULL };
	const struct oci_intel_rdt config = {
		.schemata = lines,
		.mem_bw_schema = (char *)"MB:0=20",
		.l3_cache_schema = (char *)"L3:0=ff",
	};
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	struct error err = ERROR_INIT;

	open_rdt(&config, &rdt);
	make_group("web", "");
	assert_ok(intel_rdt_create(&rdt, &config, &err), &err);
	assert_file("web/schemata", "L3:0=ff\nMB:0=20\nL2:0=f\nL3:0=3\n");
}

static void test_nothing_asked_for_writes_no_schemata(void **state)
{
	const struct oci_intel_rdt config = { .clos_id = (char *)"/" };
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	struct error err = ERROR_INIT;

	open_rdt(&config, &rdt);
	assert_ok(intel_rdt_create(&rdt, &config, &err), &err);
	assert_file("schemata", "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n");
	assert_ok(intel_rdt_attach(&rdt, 42, &err), &err);
	assert_file("tasks", "42");
}

static void test_a_shared_class_must_say_the_same(void **state)
{
	static const struct {
		const char *l3;
		const char *mb;
		bool is_same;
	} cases[] = {
		{ "L3:0=ff;1=f", NULL, true },	{ "L3:0=0ff", NULL, true },
		{ "L3:1=F", "MB:1=50", true },	{ "L3:0=f", NULL, false },
		{ "L3:2=ff", NULL, false },	{ NULL, "MB:0=10", false },
		{ "L3:0=ff", "MB:0=5", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct oci_intel_rdt config = {
			.clos_id = (char *)"gold",
			.l3_cache_schema = (char *)cases[i].l3,
			.mem_bw_schema = (char *)cases[i].mb,
		};
		cleanup_intel_rdt struct intel_rdt rdt = { 0 };
		struct error err = ERROR_INIT;
		int r;

		make_group("gold", "    L3:0=000ff;1=0000f\n    MB:0=20;1=50\n");
		open_rdt(&config, &rdt);
		r = intel_rdt_create(&rdt, &config, &err);
		assert_int_equal(r, cases[i].is_same ? 0 : -EEXIST);
		if (!cases[i].is_same)
			assert_non_null(strstr(err.msg, "/gold/schemata' has"));
	}
}

static void test_a_failure_says_what_the_kernel_said(void **state)
{
	const struct oci_intel_rdt config = { .l3_cache_schema = (char *)"L3:0=5" };
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	cleanup_free char *msg = xasprintf(
		"intelRdt: write '%s/web/schemata': No such file or directory (mask 0x5 has non-consecutive 1-bits)",
		tree.dir);
	cleanup_free char *dir = xasprintf("%s/web", tree.dir);
	struct error err = ERROR_INIT;

	open_rdt(&config, &rdt);
	assert_int_equal(intel_rdt_create(&rdt, &config, &err), -ENOENT);
	assert_string_equal(err.msg, msg);
	assert_int_equal(access(dir, F_OK), -1);
}

static void test_monitoring_has_a_group_that_goes_again(void **state)
{
	const struct oci_intel_rdt config = { .clos_id = (char *)"gold",
					      .enable_monitoring = true };
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	cleanup_free char *dir = xasprintf("%s/gold/mon_groups/web", tree.dir);
	cleanup_free char *tasks = NULL;
	struct error err = ERROR_INIT;

	make_group("gold", "L3:0=f\n");
	fake_dir(&tree, "gold/mon_groups");
	open_rdt(&config, &rdt);
	assert_ok(intel_rdt_create(&rdt, &config, &err), &err);
	fake_file(&tree, "gold/mon_groups/web/tasks", "");
	assert_ok(intel_rdt_attach(&rdt, 7, &err), &err);
	assert_file("gold/tasks", "7");
	assert_file("gold/mon_groups/web/tasks", "7");
	tasks = xasprintf("%s/tasks", dir);
	assert_int_equal(unlink(tasks), 0); /* the kernel's would go by themselves */
	assert_ok(intel_rdt_remove(tree.dir, rdt.owned, &err), &err);
	assert_int_equal(access(dir, F_OK), -1);
	assert_ok(intel_rdt_remove(tree.dir, rdt.owned, &err), &err);
}

static void test_stats_are_the_hosts_and_the_containers(void **state)
{
	const struct oci_intel_rdt config = { .clos_id = (char *)"gold" };
	cleanup_intel_rdt_stats struct intel_rdt_stats stats = { 0 };
	cleanup_intel_rdt struct intel_rdt rdt = { 0 };
	struct error err = ERROR_INIT;

	make_group("gold", "    L3:0=000ff;1=0000f\n    MB:0=20;1=50\n");
	fake_file(&tree, "gold/mon_data/mon_L3_01/mbm_total_bytes", "30\n");
	fake_file(&tree, "gold/mon_data/mon_L3_01/mbm_local_bytes", "Unavailable\n");
	fake_file(&tree, "gold/mon_data/mon_L3_00/mbm_total_bytes", "10\n");
	fake_file(&tree, "gold/mon_data/mon_L3_00/mbm_local_bytes", "20\n");
	fake_file(&tree, "gold/mon_data/mon_L3_00/llc_occupancy", "4096\n");
	open_rdt(&config, &rdt);
	assert_ok(intel_rdt_stats(&rdt, &stats, &err), &err);
	assert_true(stats.has_l3_info);
	assert_string_equal(stats.l3_cbm_mask, "fffff");
	assert_int_equal(stats.l3_num_closids, 16);
	assert_true(stats.has_mb_info);
	assert_int_equal(stats.mb_min_bandwidth, 10);
	assert_string_equal(stats.l3_schema_root, "L3:0=fffff;1=fffff");
	assert_string_equal(stats.l3_schema, "L3:0=000ff;1=0000f");
	assert_string_equal(stats.mb_schema, "MB:0=20;1=50");
	assert_int_equal(strv_len(stats.schemata), 2);
	assert_int_equal(stats.mbm_count, 2);
	assert_int_equal(stats.mbm[0].local_bytes, 20);
	assert_int_equal(stats.mbm[1].total_bytes, 30);
	assert_int_equal(stats.llc_occupancy_count, 1);
	assert_int_equal(stats.llc_occupancy[0], 4096);
}

#define FAKE(fn) cmocka_unit_test_setup_teardown(fn, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(test_without_a_name_the_class_is_the_containers),
		FAKE(test_a_class_that_was_there_stays),
		FAKE(test_a_slash_is_the_default_class),
		FAKE(test_a_class_without_schemata_must_be_there),
		FAKE(test_what_the_host_cannot_do_is_named),
		FAKE(test_schemata_are_written_in_their_order),
		FAKE(test_nothing_asked_for_writes_no_schemata),
		FAKE(test_a_shared_class_must_say_the_same),
		FAKE(test_a_failure_says_what_the_kernel_said),
		FAKE(test_monitoring_has_a_group_that_goes_again),
		FAKE(test_stats_are_the_hosts_and_the_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
