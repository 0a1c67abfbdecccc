/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "oci/config.h"
#include "tests/unit/engine/fake-tree.h"

#define SET(v)                                                                                     \
	{                                                                                          \
		.value = (v), .is_set = true                                                       \
	}

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

static const char *const v1[] = { "cpu,cpuacct", "cpuset", "memory", "blkio", NULL };
static const char *const hybrid[] = { "memory", "rw,name=systemd", "unified", NULL };
static const char *const v2[] = { "unified", NULL };

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

static void assert_update(const char *const *hierarchies, const struct oci_resources *resources)
{
	cleanup_cgroup struct cgroup *cg = fake_cgroup(&tree, "/web", hierarchies);
	struct error err = ERROR_INIT;

	assert_ok(cgroup_update(cg, resources, &err), &err);
}

static void assert_update_fails(const char *const *hierarchies, const char *path,
				const struct oci_resources *resources, const char *msg)
{
	cleanup_cgroup struct cgroup *cg = fake_cgroup(&tree, path, hierarchies);
	struct error err = ERROR_INIT;

	assert_true(cgroup_update(cg, resources, &err) < 0);
	assert_string_equal(err.msg, msg);
}

static void test_the_layout_follows_from_what_is_mounted(void **state)
{
	cleanup_cgroup struct cgroup *a = fake_cgroup(&tree, "/web", v1);
	cleanup_cgroup struct cgroup *b = fake_cgroup(&tree, "/web", hybrid);
	cleanup_cgroup struct cgroup *c = fake_cgroup(&tree, "/web", v2);

	assert_int_equal(a->layout, CGROUP_LAYOUT_V1);
	assert_int_equal(b->layout, CGROUP_LAYOUT_HYBRID);
	assert_int_equal(c->layout, CGROUP_LAYOUT_V2);
}

static void test_an_update_of_what_is_gone_says_so(void **state)
{
	assert_update_fails(v1, "/web", &(struct oci_resources){ 0 },
			    "cgroup: '/web' does not exist");
}

static void test_bfq_takes_weights_as_they_are_and_others_take_theirs(void **state)
{
	struct oci_weight_device device = { .major = 8, .minor = 0, .weight = SET(1000) };
	const struct oci_resources resources = {
		.block_io = { .weight = SET(10),
			      .weight_devices = &device,
			      .weight_devices_count = 1 },
	};

	fake_file(&tree, "unified/web/cgroup.controllers", "io\n");
	fake_file(&tree, "unified/web/io.weight", "");
	assert_update(v2, &resources);
	assert_file("unified/web/io.weight", "8:0 10000");
	fake_file(&tree, "unified/web/io.bfq.weight", "");
	assert_update(v2, &resources);
	assert_file("unified/web/io.bfq.weight", "108:0 1000");

	fake_file(&tree, "blkio/web/blkio.bfq.weight", "");
	fake_file(&tree, "blkio/web/blkio.bfq.weight_device", "");
	assert_update(v1, &resources);
	assert_file("blkio/web/blkio.bfq.weight", "10");
	assert_file("blkio/web/blkio.bfq.weight_device", "8:0 1000");
}

static void test_a_kernel_without_the_file_is_named(void **state)
{
	fake_dir(&tree, "blkio/web");
	assert_update_fails(
		v1, "/web", &(struct oci_resources){ .block_io.weight = SET(10) },
		"cgroup: this kernel has no 'blkio.weight': linux.resources.blockIO.weight");
}

static void test_an_update_of_swap_knows_the_memory_there(void **state)
{
	fake_file(&tree, "unified/web/cgroup.controllers", "memory\n");
	fake_file(&tree, "unified/web/memory.max", "1000\n");
	fake_file(&tree, "unified/web/memory.swap.max", "");
	assert_update(v2, &(struct oci_resources){ .memory.swap = SET(1500) });
	assert_file("unified/web/memory.swap.max", "500");

	fake_file(&tree, "unified/web/memory.max", "max\n");
	assert_update_fails(
		v2, "/web", &(struct oci_resources){ .memory.swap = SET(1500) },
		"cgroup: linux.resources.memory.swap: unable to set swap limit without memory limit");
}

static void test_an_update_of_the_period_keeps_the_quota(void **state)
{
	fake_file(&tree, "unified/web/cgroup.controllers", "cpu\n");
	fake_file(&tree, "unified/web/cpu.max", "50000 100000\n");
	assert_update(v2, &(struct oci_resources){ .cpu.period = SET(200000) });
	assert_file("unified/web/cpu.max", "50000 200000\n");
	fake_file(&tree, "unified/web/cpu.max", "max 100000");
	assert_update(v2, &(struct oci_resources){ .cpu.period = SET(300000) });
	assert_file("unified/web/cpu.max", "max 300000");
}

static void test_a_limit_below_what_is_used_is_refused_if_asked(void **state)
{
	const struct oci_resources resources = {
		.memory = { .limit = SET(100), .check_before_update = SET(true) },
	};
	const struct oci_resources swap = {
		.memory = { .limit = SET(300), .swap = SET(350), .check_before_update = SET(true) },
	};

	fake_file(&tree, "memory/web/memory.usage_in_bytes", "200\n");
	fake_file(&tree, "memory/web/memory.memsw.usage_in_bytes", "400\n");
	fake_file(&tree, "memory/web/memory.limit_in_bytes", "0000");
	assert_update_fails(
		v1, "/web", &resources,
		"cgroup: linux.resources.memory.limit: 100 is less than the 200 in use (checkBeforeUpdate)");
	assert_update_fails(
		v1, "/web", &swap,
		"cgroup: linux.resources.memory.swap: 350 is less than the 400 in use (checkBeforeUpdate)");
	assert_file("memory/web/memory.limit_in_bytes", "0000");

	fake_file(&tree, "unified/web/cgroup.controllers", "memory\n");
	fake_file(&tree, "unified/web/memory.current", "200\n");
	fake_file(&tree, "unified/web/memory.swap.current", "200\n");
	assert_update_fails(
		v2, "/web", &swap,
		"cgroup: linux.resources.memory.swap: 350 is less than the 400 in use (checkBeforeUpdate)");
}

/* As systemd leaves it, which has enabled what its units ask for. */
static void test_a_controller_that_is_missing_is_asked_for_on_the_way(void **state)
{
	struct oci_hugepage_limit limit = { .page_size = (char *)"2MB", .limit = 1 };
	const struct oci_resources resources = { .hugepages = &limit, .hugepages_count = 1 };

	fake_file(&tree, "unified/cgroup.controllers", "cpu hugetlb\n");
	fake_file(&tree, "unified/cgroup.subtree_control", "");
	fake_file(&tree, "unified/a/cgroup.controllers", "cpu\n");
	fake_file(&tree, "unified/a/cgroup.subtree_control", "");
	fake_file(&tree, "unified/a/web/cgroup.controllers", "cpu\n");
	/* No kernel is behind the files. */
	assert_update_fails(
		v2, "/a/web", &resources,
		"cgroup: controller 'hugetlb' cannot be enabled for what is in '/': linux.resources.hugepageLimits[0]");
	assert_file("unified/cgroup.subtree_control", "+hugetlb");
	assert_file("unified/a/cgroup.subtree_control", "+hugetlb");
}

static void test_a_parent_with_processes_is_named(void **state)
{
	const struct oci_resources resources = { .memory.limit = SET(1) };

	fake_file(&tree, "unified/cgroup.controllers", "cpu memory\n");
	fake_file(&tree, "unified/a/cgroup.controllers", "cpu memory\n");
	fake_file(&tree, "unified/a/cgroup.procs", "1\n");
	fake_file(&tree, "unified/a/web/cgroup.controllers", "\n");
	assert_update_fails(
		v2, "/a/web", &resources,
		"cgroup: controller 'memory' cannot be enabled for what is in '/a', which has processes itself: linux.resources.memory.limit");
	fake_file(&tree, "unified/a/cgroup.procs", "");
	assert_update_fails(
		v2, "/a/web", &resources,
		"cgroup: controller 'memory' cannot be enabled for what is in '/a': linux.resources.memory.limit");
	fake_file(&tree, "unified/cgroup.controllers", "cpu\n");
	fake_file(&tree, "unified/a/cgroup.controllers", "cpu\n");
	assert_update_fails(
		v2, "/a/web", &resources,
		"cgroup: controller 'memory' is not available on this host: linux.resources.memory.limit");
}

/* As a rootless user's: nothing may be made in one of them. A file stands in for rights, which root
 * always has; ENOTDIR is no matter of rights, so the code is set by hand. */
static void test_a_lenient_caller_is_refused_limits_only(void **state)
{
	cleanup_cgroup struct cgroup *cg = fake_cgroup(&tree, "/web", v1);
	const struct oci_resources limits = { .memory.limit = SET(1) };
	const struct oci_resources unlimited = { .memory.limit = SET(-1) };
	struct error err = ERROR_INIT;
	cleanup_free char *msg = xasprintf(
		"cgroup: no rights to make '/web' in '%s/memory' (linux.resources.memory.limit): Permission denied",
		tree.dir);

	cg->is_lenient = true;
	cgroup_each(h, cg)
	{
		h->refusal = -EACCES;
		h->is_missing = true;
		close_fdp(&h->root_fd);
		h->root_fd = -1;
	}
	assert_false(cgroup_exists(cg));
	assert_ok(cgroup_apply(cg, &unlimited, &err), &err);
	assert_ok(cgroup_attach(cg, 0, false, &err), &err);
	assert_int_equal(cgroup_apply(cg, &limits, &err), -EACCES);
	assert_string_equal(err.msg, msg);
}

static void aim(const char *const *hierarchies, char *const *specs, const char *msg,
		struct cgroup **ret)
{
	struct cgroup *cg = fake_cgroup(&tree, "/web", hierarchies);
	struct error err = ERROR_INIT;
	int r = cgroup_aim_exec(cg, specs, getpid(), &err);

	assert_int_equal(r < 0, msg != NULL);
	if (msg)
		assert_string_equal(err.msg, msg);
	*ret = cg;
}

static const char *joined(const struct cgroup *cg, const char *controller)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, controller);

	return h->joined ? h->joined : cgroup_relative(cg);
}

static void test_exec_joins_the_containers_cgroup(void **state)
{
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_dir(&tree, "memory/web");
	aim(v1, NULL, NULL, &cg);
	assert_string_equal(joined(cg, "memory"), "web");
}

static void test_exec_joins_a_part_of_it_by_controller(void **state)
{
	char *specs[] = { (char *)"cpu,cpuset:sub", (char *)"memory:/deep/er/", NULL };
	cleanup_cgroup struct cgroup *cg = NULL;

	fake_dir(&tree, "cpu,cpuacct/web/sub");
	fake_dir(&tree, "cpuset/web/sub");
	fake_dir(&tree, "memory/web/deep/er");
	aim(v1, specs, NULL, &cg);
	assert_string_equal(joined(cg, "cpu"), "web/sub");
	assert_string_equal(joined(cg, "cpuset"), "web/sub");
	assert_string_equal(joined(cg, "memory"), "web/deep/er");
	assert_string_equal(joined(cg, "blkio"), "web");
}

static void test_exec_joins_a_part_of_all(void **state)
{
	char *specs[] = { (char *)"sub", NULL };
	cleanup_cgroup struct cgroup *one = NULL;
	cleanup_cgroup struct cgroup *other = NULL;

	/* What has no controllers need not have it. */
	fake_dir(&tree, "memory/web/sub");
	aim(hybrid, specs, NULL, &one);
	assert_string_equal(joined(one, "memory"), "web/sub");
	assert_null(cgroup_v2(one)->joined);
	fake_dir(&tree, "unified/web/sub");
	aim(v2, specs, NULL, &other);
	assert_string_equal(joined(other, "cgroup"), "web/sub");
	assert_true(other->v2_fd >= 0);
}

static void test_exec_stays_inside_and_says_what_is_wrong(void **state)
{
	static const struct {
		const char *spec;
		const char *msg;
	} cases[] = {
		{ "..", "bad sub cgroup path: .." },
		{ "cpu:a/../..", "bad sub cgroup path: a/../.." },
		{ "cpu,:a", "invalid --cgroup argument: cpu,:a (empty <controller> prefix)" },
		{ ":a", "invalid --cgroup argument: :a (empty <controller> prefix)" },
		{ "nope:a", "invalid --cgroup argument: nope:a (unknown controller nope)" },
	};
	char *two[] = { (char *)"memory:sub", (char *)"sub", NULL };
	char *twice[] = { (char *)"memory:sub", (char *)"memory:sub", NULL };
	char *with_controller[] = { (char *)"memory:sub", NULL };
	char *missing[] = { (char *)"memory:gone", NULL };
	cleanup_free char *msg = xasprintf(
		"cgroup: join '/web/gone' in '%s/memory': No such file or directory", tree.dir);
	struct cgroup *cg;

	fake_dir(&tree, "memory/web/sub");
	fake_dir(&tree, "unified/web/sub");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *specs[] = { (char *)cases[i].spec, NULL };

		aim(v1, specs, cases[i].msg, &cg);
		cgroup_free(cg);
	}
	aim(v1, two, "invalid --cgroup argument: sub (missing <controller>: prefix)", &cg);
	cgroup_free(cg);
	aim(v1, twice, "invalid --cgroup argument: memory:sub (duplicate controller memory)", &cg);
	cgroup_free(cg);
	aim(v1, missing, msg, &cg);
	cgroup_free(cg);
	aim(v2, with_controller,
	    "invalid --cgroup argument: memory:sub (this host has cgroup v2, whose controllers share one path)",
	    &cg);
	cgroup_free(cg);
}

static void test_the_path_of_a_process_is_found_below_what_is_mounted(void **state)
{
	static const struct {
		const char *text;
		const char *root;
		const char *expected;
	} cases[] = {
		{ "0::/web/init\n", "/", "/web/init" },
		{ "3:cpu:/x\n0::/web\n", "/", "/web" },
		{ "0::/docker/1/web/init\n", "/docker/1", "/web/init" },
		{ "0::/docker/1\n", "/docker/1", "/" },
		{ "0::/docker/12\n", "/docker/1", NULL },
		{ "0::/../other\n", "/", NULL },
		{ "3:cpu:/x\n", "/", NULL },
		{ "", "/", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *path = cgroup_find_v2_path(cases[i].text, cases[i].root);

		assert_true(streq_null(path, cases[i].expected));
	}
}

static void test_an_inner_node_is_left_for_inits_own(void **state)
{
	cleanup_cgroup struct cgroup *cg = NULL;

	/* The test itself is in another one: not followed out of the container's. */
	fake_file(&tree, "unified/web/cgroup.subtree_control", "memory\n");
	aim(v2, NULL, NULL, &cg);
	assert_null(cgroup_v2(cg)->joined);
}

#define FAKE(fn) cmocka_unit_test_setup_teardown(fn, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(test_the_layout_follows_from_what_is_mounted),
		FAKE(test_an_update_of_what_is_gone_says_so),
		FAKE(test_bfq_takes_weights_as_they_are_and_others_take_theirs),
		FAKE(test_a_kernel_without_the_file_is_named),
		FAKE(test_an_update_of_swap_knows_the_memory_there),
		FAKE(test_an_update_of_the_period_keeps_the_quota),
		FAKE(test_a_limit_below_what_is_used_is_refused_if_asked),
		FAKE(test_a_controller_that_is_missing_is_asked_for_on_the_way),
		FAKE(test_a_parent_with_processes_is_named),
		FAKE(test_a_lenient_caller_is_refused_limits_only),
		FAKE(test_exec_joins_the_containers_cgroup),
		FAKE(test_exec_joins_a_part_of_it_by_controller),
		FAKE(test_exec_joins_a_part_of_all),
		FAKE(test_exec_stays_inside_and_says_what_is_wrong),
		cmocka_unit_test(test_the_path_of_a_process_is_found_below_what_is_mounted),
		FAKE(test_an_inner_node_is_left_for_inits_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
