/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "tests/unit/engine/live-cgroup.h"

/* Limits, devices, and rights. */

static void assert_memory(const struct cgroup *cg, const char *limit, const char *swap)
{
	bool is_v2 = cg->layout == CGROUP_LAYOUT_V2;
	cleanup_free char *max =
		read_knob(cg, "memory", is_v2 ? "memory.max" : "memory.limit_in_bytes");
	cleanup_free char *memsw =
		read_knob(cg, "memory", is_v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");

	assert_string_equal(max, limit);
	assert_string_equal(memsw, swap);
}

static void test_memory_and_swap_grow_and_shrink(void **state)
{
	struct oci_resources small = {
		.memory = { .limit = SET(16 << 20), .swap = SET(32 << 20) },
	};
	struct oci_resources large = {
		.memory = { .limit = SET(64 << 20), .swap = SET(96 << 20) },
	};
	struct cgroup *cg = *state;
	struct error err = ERROR_INIT;

	live_need_controller(cg, "memory");
	if (faccessat(cgroup_find(cg, "memory")->root_fd,
		      cg->layout == CGROUP_LAYOUT_V2 ? "" : "memory.memsw.limit_in_bytes", F_OK,
		      AT_EMPTY_PATH) < 0) {
		print_message("this kernel does not count swap\n");
		skip();
	}
	for (int i = 0; i < 2; i++) {
		bool is_v2 = cg->layout == CGROUP_LAYOUT_V2;

		assert_ok(cgroup_apply(cg, &small, &err), &err);
		assert_memory(cg, "16777216", is_v2 ? "16777216" : "33554432");
		assert_ok(cgroup_apply(cg, &large, &err), &err);
		assert_memory(cg, "67108864", is_v2 ? "33554432" : "100663296");
	}
}

#define LOCKED_BYTES (8u << 20)
static int lock_memory(void)
{
	void *p = mmap(NULL, LOCKED_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED || mlock(p, LOCKED_BYTES) < 0 ? -1 : 0;
}

/* v1 refuses; v2 would kill, which is what memory.checkBeforeUpdate is for. */
static void test_a_limit_below_what_is_in_use_names_both(void **state)
{
	const struct oci_resources resources = { .memory = { .limit = SET(1 << 20) } };
	struct cgroup *cg = *state;
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	live_need_controller(cg, "memory");
	if (cg->layout == CGROUP_LAYOUT_V2) {
		print_message("v2 kills instead\n");
		skip();
	}
	pid = spawn(cg, lock_memory);
	assert_int_equal(cgroup_update(cg, &resources, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "unable to set memory limit to 1048576 (current usage: "));
}

static void test_bandwidth_grows_and_shrinks_with_its_burst(void **state)
{
	struct oci_resources small = {
		.cpu = { .quota = SET(20000), .period = SET(100000), .burst = SET(10000) },
	};
	struct oci_resources large = {
		.cpu = { .quota = SET(400000), .period = SET(200000), .burst = SET(300000) },
	};
	struct cgroup *cg = *state;
	bool is_v2 = cg && cg->layout == CGROUP_LAYOUT_V2;
	struct error err = ERROR_INIT;

	live_need_controller(cg, "cpu");
	for (int i = 0; i < 2; i++) {
		cleanup_free char *quota = NULL;
		cleanup_free char *burst = NULL;

		assert_ok(cgroup_apply(cg, &large, &err), &err);
		assert_ok(cgroup_apply(cg, &small, &err), &err);
		quota = read_knob(cg, "cpu", is_v2 ? "cpu.max" : "cpu.cfs_quota_us");
		burst = read_knob(cg, "cpu", is_v2 ? "cpu.max.burst" : "cpu.cfs_burst_us");
		assert_string_equal(quota, is_v2 ? "20000 100000" : "20000");
		assert_string_equal(burst, "10000");
	}
}

static void test_a_wrong_value_is_named(void **state)
{
	struct oci_resources resources = { .cpu = { .quota = SET(5) } };
	struct error err = ERROR_INIT;

	live_need_controller(*state, "cpu");
	assert_int_equal(cgroup_apply(*state, &resources, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "(linux.resources.cpu.quota): Invalid argument"));
}

static void test_limits_on_pids_hold(void **state)
{
	struct oci_resources resources = { .pids.limit = SET(1) };
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	live_need_controller(*state, "pids");
	assert_ok(cgroup_apply(*state, &resources, &err), &err);
	pid = fork();
	if (pid == 0) {
		if (cgroup_attach(*state, 0, false, NULL) < 0)
			_exit(1);
		_exit(fork() < 0 && errno == EAGAIN ? 0 : 2);
	}
	assert_int_equal(wait_status(&pid), 0);
}

static void test_a_missing_controller_is_named_with_who_asked(void **state)
{
	struct oci_resources resources = { .memory = { .limit = SET(1 << 30) } };
	struct error err = ERROR_INIT;

	live_need_able();
	if (cgroup_find(*state, "memory")) {
		print_message("no controller is missing here\n");
		skip();
	}
	assert_int_equal(cgroup_apply(*state, &resources, &err), -EOPNOTSUPP);
	assert_string_equal(
		err.msg,
		"cgroup: controller 'memory' is not available on this host: linux.resources.memory.limit");
	resources.memory.limit.value = -1; /* asks for nothing */
	assert_ok(cgroup_apply(*state, &resources, &err), &err);
}

/* Bits: 1 /dev/null opens, 2 /dev/kmsg (1:11) does not, 4 nor for writing, 8 nodes can be made. */
static int probe_devices(void)
{
	static const char node[] = "/dev/moat-test-node";
	int found = 0;

	if (open("/dev/null", O_RDWR | O_CLOEXEC) >= 0)
		found |= 1;
	if (open("/dev/kmsg", O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM)
		found |= 2;
	if (open("/dev/kmsg", O_WRONLY | O_CLOEXEC) < 0 && errno == EPERM)
		found |= 4;
	if (mknod(node, S_IFCHR | 0600, makedev(1, 11)) == 0 && unlink(node) == 0)
		found |= 8;
	return found;
}

static int devices_seen(struct cgroup *cg, const struct oci_resources *resources)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	assert_ok(cgroup_apply(cg, resources, &err), &err);
	pid = fork();
	if (pid == 0)
		_exit(cgroup_attach(cg, 0, false, NULL) < 0 ? 128 : probe_devices());
	return WEXITSTATUS(wait_status(&pid));
}

static void need_kmsg(void)
{
	live_need_able();
	if (access("/dev/kmsg", F_OK) == 0 && access("/dev/null", F_OK) == 0)
		return;
	print_message("this machine has no /dev/kmsg\n");
	skip();
}

static void test_devices_are_denied_without_any_rule(void **state)
{
	need_kmsg();
	assert_int_equal(devices_seen(*state, NULL), 1 | 2 | 4 | 8);
}

static void test_a_rule_opens_a_device(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = false, .access = (char *)"rwm" },
		{ .allow = true,
		  .type = (char *)"c",
		  .major = SET(1),
		  .minor = SET(11),
		  .access = (char *)"r" },
	};
	const struct oci_resources resources = {
		.devices = rules,
		.devices_count = ARRAY_SIZE(rules),
	};

	need_kmsg();
	assert_int_equal(devices_seen(*state, &resources), 1 | 4 | 8);
}

static void test_an_update_leaves_devices_alone(void **state)
{
	struct oci_device_rule everything = { .allow = true };
	const struct oci_resources resources = { .devices = &everything, .devices_count = 1 };
	cleanup_cgroup struct cgroup *again = NULL;
	cleanup_free char *path = live_path();

	need_kmsg();
	assert_int_equal(devices_seen(*state, NULL), 1 | 2 | 4 | 8);
	again = open_cgroup(path);
	assert_int_equal(devices_seen(again, &resources), 1 | 2 | 4 | 8);
}

static void test_a_second_filter_replaces_the_first(void **state)
{
	struct oci_device_rule everything = { .allow = true };
	const struct oci_resources resources = { .devices = &everything, .devices_count = 1 };
	cleanup_cgroup struct cgroup *again = NULL;
	cleanup_free char *path = live_path();
	struct error err = ERROR_INIT;

	need_kmsg();
	assert_int_equal(devices_seen(*state, NULL), 1 | 2 | 4 | 8);
	again = open_cgroup(path);
	assert_ok(cgroup_create(again, &err), &err);
	assert_int_equal(devices_seen(again, &resources), 1 | 8);
}

static void test_a_vmm_keeps_its_devices(void **state)
{
	struct cgroup *cg = *state;

	need_kmsg();
	cg->keeps_devices = true;
	assert_int_equal(devices_seen(cg, NULL), 1 | 8);
}

static void test_on_v2_it_is_given_to_a_user(void **state)
{
	const struct cgroup *cg = *state;
	struct error err = ERROR_INIT;
	struct stat st;

	live_need_able();
	assert_ok(cgroup_give(cg, 12345, &err), &err);
	if (cg->layout != CGROUP_LAYOUT_V2) {
		print_message("this is not a host with v2 only\n");
		skip();
	}
	assert_int_equal(fstat(cg->v2_fd, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(fstatat(cg->v2_fd, "cgroup.procs", &st, 0), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(fstatat(cg->v2_fd, "cgroup.freeze", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
}

/* What a user without any rights over cgroups gets; 0 when that is as it should be. */
static int try_without_rights(void)
{
	struct oci_resources limits = { .pids.limit = SET(5) };
	struct oci_resources unlimited = { .pids.limit = SET(-1) };
	cleanup_cgroup struct cgroup *strict = open_cgroup("/moat-test-rights");
	cleanup_cgroup struct cgroup *lenient = open_cgroup("/moat-test-rights");
	struct error err = ERROR_INIT;

	if (setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (cgroup_create(strict, &err) != -EACCES || !strstr(err.msg, "cgroup: no rights to make"))
		return 2;
	lenient->is_lenient = true;
	if (cgroup_create(lenient, &err) < 0 || cgroup_exists(lenient))
		return 3;
	if (cgroup_apply(lenient, &unlimited, &err) < 0 ||
	    cgroup_attach(lenient, 0, false, &err) < 0)
		return 4;
	if (cgroup_apply(lenient, &limits, &err) != -EACCES ||
	    !strstr(err.msg, "(linux.resources.pids.limit)"))
		return 5;
	return cgroup_remove(lenient, 0, &err) < 0 ? 6 : 0;
}

static void test_without_rights_nothing_is_made_and_nothing_limited(void **state)
{
	cleanup_pid pid_t pid = 0;

	live_need_able();
	if (((struct cgroup *)*state)->layout == CGROUP_LAYOUT_V2 && !cgroup_find(*state, "pids")) {
		print_message("this machine does not show controller 'pids' here\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(try_without_rights());
	assert_int_equal(wait_status(&pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(test_memory_and_swap_grow_and_shrink),
		LIVE(test_a_limit_below_what_is_in_use_names_both),
		LIVE(test_bandwidth_grows_and_shrinks_with_its_burst),
		LIVE(test_a_wrong_value_is_named),
		LIVE(test_limits_on_pids_hold),
		LIVE(test_a_missing_controller_is_named_with_who_asked),
		LIVE(test_devices_are_denied_without_any_rule),
		LIVE(test_a_rule_opens_a_device),
		LIVE(test_an_update_leaves_devices_alone),
		LIVE(test_a_second_filter_replaces_the_first),
		LIVE(test_a_vmm_keeps_its_devices),
		LIVE(test_on_v2_it_is_given_to_a_user),
		LIVE(test_without_rights_nothing_is_made_and_nothing_limited),
	};

	return live_run(tests, ARRAY_SIZE(tests));
}
