/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "oci/config.h"

/*
 * Against this machine's kernel, as root: in its own layout, then, in a mount namespace of the
 * test's own, as v1 alone and as v2 alone, where the machine can show these.
 */
#define SET(v)                                                                                     \
	{                                                                                          \
		.value = (v), .is_set = true                                                       \
	}
#define TIMEOUT_MS 10000

static bool is_able; /* root, and this machine shows the layout */

DEFINE_CLEANUP(free_cgroup, struct cgroup *, cgroup_free)
#define cleanup_cgroup CLEANUP(free_cgroup)

static struct cgroup *open_cgroup(const char *path)
{
	struct cgroup *cg = NULL;
	struct error err = ERROR_INIT;

	if (cgroup_open(path, &cg, &err) < 0)
		fail_msg("%s", err.msg);
	return cg;
}

static void assert_ok(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->msg);
}

static char *test_path(void)
{
	return xasprintf("/moat-test-%d/a/b", (int)getpid());
}

static int make_cgroup(void **state)
{
	cleanup_free char *path = test_path();
	struct error err = ERROR_INIT;

	if (!is_able)
		return 0;
	*state = open_cgroup(path);
	assert_ok(cgroup_create(*state, &err), &err);
	return 0;
}

/* Removes the parents too, which a container's end leaves. */
static int remove_cgroup(void **state)
{
	cleanup_free char *top = xasprintf("/moat-test-%d", (int)getpid());
	cleanup_cgroup struct cgroup *parents = NULL;
	struct error err = ERROR_INIT;

	if (!is_able)
		return 0;
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
	parents = open_cgroup(top);
	assert_ok(cgroup_remove(parents, TIMEOUT_MS, &err), &err);
	cgroup_free(*state);
	*state = NULL;
	return 0;
}

static void need_able(void)
{
	if (is_able)
		return;
	print_message("needs root and this cgroup layout\n");
	skip();
}

/* A child that joined @cg by itself and runs @fn, then waits to be killed. */
static pid_t spawn(const struct cgroup *cg, int (*fn)(void))
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (cgroup_attach(cg, 0, false, NULL) < 0 || (fn && fn() != 0) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int wait_status(pid_t *pid)
{
	int status;

	assert_int_equal(waitpid(*pid, &status, 0), *pid);
	*pid = 0;
	return status;
}

static char *read_knob(const struct cgroup *cg, const char *controller, const char *file)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, controller);
	char *text = NULL;

	assert_non_null(h);
	assert_int_equal(cgroupfs_read(h->root_fd, cgroup_relative(cg), file, &text), 0);
	return text;
}

static void test_a_process_joins_every_hierarchy_by_itself(void **state)
{
	cleanup_pid pid_t pid = 0;

	need_able();
	pid = spawn(*state, NULL);
	cgroup_each(h, (struct cgroup *)*state)
	{
		CLEANUP(cgroupfs_pids_done) struct cgroupfs_pids pids = { 0 };

		assert_int_equal(cgroupfs_add_pids(h->root_fd, cgroup_relative(*state), &pids), 0);
		assert_int_equal(pids.count, 1);
		assert_int_equal(pids.pids[0], pid);
	}
}

static void test_another_process_is_moved_by_its_pid(void **state)
{
	cleanup_free pid_t *pids = NULL;
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;
	size_t count;

	need_able();
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	assert_ok(cgroup_attach(*state, pid, false, &err), &err);
	assert_ok(cgroup_pids(*state, &pids, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(pids[0], pid);
}

static void test_a_used_cgroup_is_refused(void **state)
{
	cleanup_cgroup struct cgroup *second = NULL;
	cleanup_free char *path = test_path();
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, NULL);
	second = open_cgroup(path);
	assert_int_equal(cgroup_create(second, &err), -EBUSY);
	assert_string_equal(err.msg, "container's cgroup is not empty: 1 process(es) found");
	assert_false(second->is_new);
}

static void test_an_empty_leftover_is_taken_over(void **state)
{
	cleanup_cgroup struct cgroup *second = NULL;
	cleanup_free char *path = test_path();
	struct error err = ERROR_INIT;

	need_able();
	second = open_cgroup(path);
	assert_ok(cgroup_create(second, &err), &err);
}

static void test_a_frozen_leftover_is_refused(void **state)
{
	cleanup_cgroup struct cgroup *second = NULL;
	cleanup_free char *path = test_path();
	struct error err = ERROR_INIT;

	need_able();
	assert_ok(cgroup_freeze(*state, true, &err), &err);
	second = open_cgroup(path);
	assert_int_equal(cgroup_create(second, &err), -EBUSY);
	assert_string_equal(err.msg, "container's cgroup unexpectedly frozen");
	assert_ok(cgroup_freeze(*state, false, &err), &err);
}

static void test_freezing_stops_and_thawing_goes_on(void **state)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, NULL);
	assert_false(cgroup_is_frozen(*state));
	assert_ok(cgroup_freeze(*state, true, &err), &err);
	assert_true(cgroup_is_frozen(*state));
	assert_ok(cgroup_freeze(*state, false, &err), &err);
	assert_false(cgroup_is_frozen(*state));
}

static void test_a_frozen_process_dies_of_sigkill(void **state)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, NULL);
	assert_ok(cgroup_freeze(*state, true, &err), &err);
	assert_ok(cgroup_signal(*state, SIGKILL, &err), &err);
	assert_int_equal(WTERMSIG(wait_status(&pid)), SIGKILL);
}

static int make_child_cgroup(void)
{
	/* One level down in every hierarchy, where a privileged container would put its own. */
	cleanup_free char *path = xasprintf("/moat-test-%d/a/b/inner/most", (int)getppid());
	cleanup_cgroup struct cgroup *cg = NULL;

	if (cgroup_open(path, &cg, NULL) < 0 || cgroup_create(cg, NULL) < 0)
		return -1;
	return cgroup_attach(cg, 0, false, NULL);
}

static void test_signals_reach_children_of_the_cgroup(void **state)
{
	cleanup_pid pid_t outer = 0;
	cleanup_pid pid_t inner = 0;
	cleanup_free pid_t *pids = NULL;
	struct error err = ERROR_INIT;
	size_t count;

	need_able();
	outer = spawn(*state, NULL);
	inner = spawn(*state, make_child_cgroup);
	assert_ok(cgroup_pids(*state, &pids, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_ok(cgroup_signal(*state, SIGTERM, &err), &err);
	assert_int_equal(WTERMSIG(wait_status(&outer)), SIGTERM);
	assert_int_equal(WTERMSIG(wait_status(&inner)), SIGTERM);
}

static void test_removal_kills_and_takes_children_along(void **state)
{
	cleanup_pid pid_t outer = 0;
	cleanup_pid pid_t inner = 0;
	struct error err = ERROR_INIT;

	need_able();
	outer = spawn(*state, NULL);
	inner = spawn(*state, make_child_cgroup);
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
	assert_int_equal(WTERMSIG(wait_status(&outer)), SIGKILL);
	assert_int_equal(WTERMSIG(wait_status(&inner)), SIGKILL);
	cgroup_each(h, (struct cgroup *)*state)
		assert_int_equal(faccessat(h->root_fd, cgroup_relative(*state), F_OK, 0), -1);
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err); /* missing is fine */
}

static void test_removal_works_when_frozen(void **state)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, NULL);
	assert_ok(cgroup_freeze(*state, true, &err), &err);
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
	assert_int_equal(WTERMSIG(wait_status(&pid)), SIGKILL);
}

/* Replaces itself by a child without end. */
static int keep_forking(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return 0;
	close_all_but(3, NULL, 0);
	for (;;) {
		pid = fork();
		if (pid > 0)
			_exit(0);
	}
}

static void test_removal_ends_what_keeps_forking(void **state)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, keep_forking);
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
}

/* A cgroup that the container froze by itself, below its own. */
static void test_removal_reaches_what_is_frozen_below(void **state)
{
	struct cgroup *cg = *state;
	const struct cgroup_hierarchy *freezer;
	cleanup_free char *child = xasprintf("%s/own", cgroup_relative(cg));
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;
	char text[16];

	need_able();
	freezer = cgroup_v1(cg, "freezer");
	if (!freezer) {
		print_message("there is no freezer of v1 here\n");
		skip();
	}
	pid = spawn(cg, NULL);
	assert_int_equal(mkdirat(freezer->root_fd, child, 0755), 0);
	snprintf(text, sizeof(text), "%d", (int)pid);
	assert_int_equal(cgroupfs_write(freezer->root_fd, child, "cgroup.procs", text), 0);
	assert_int_equal(cgroup_v1_freeze(freezer, child, true, now_ms() + TIMEOUT_MS), 0);
	assert_ok(cgroup_remove(cg, TIMEOUT_MS, &err), &err);
	assert_int_equal(WTERMSIG(wait_status(&pid)), SIGKILL);
}

static void test_freezing_catches_what_keeps_forking(void **state)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, keep_forking);
	for (int i = 0; i < 20; i++) {
		assert_ok(cgroup_freeze(*state, true, &err), &err);
		assert_true(cgroup_is_frozen(*state));
		assert_ok(cgroup_freeze(*state, false, &err), &err);
		assert_false(cgroup_is_frozen(*state));
	}
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
}

/* A parent waits in vfork(2) for a child that does not exec. */
static int wait_in_vfork(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return 0;
	for (;;) {
		/* The child lives on its parent's memory, so it may only sleep and end. */
		if (vfork() == 0) {
			(void)poll(NULL, 0, 30);
			_exit(0);
		}
	}
}

static void test_freezing_catches_what_waits_in_vfork(void **state)
{
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_able();
	pid = spawn(*state, wait_in_vfork);
	for (int i = 0; i < 20; i++) {
		assert_ok(cgroup_freeze(*state, true, &err), &err);
		assert_ok(cgroup_freeze(*state, false, &err), &err);
	}
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
}

/* cgroup-v2.rst, "Threads": below a threaded cgroup there are threaded ones only. */
static void test_a_threaded_parent_makes_a_threaded_cgroup(void **state)
{
	cleanup_free char *parent = xasprintf("%s/threads", cgroup_relative(*state));
	cleanup_free char *path = xasprintf("/%s/web", parent);
	cleanup_cgroup struct cgroup *cg = NULL;
	cleanup_free pid_t *pids = NULL;
	cleanup_free char *type = NULL;
	const struct cgroup_hierarchy *h;
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;
	size_t count = 0;

	need_able();
	h = cgroup_v2(*state);
	if (!h || ((struct cgroup *)*state)->layout != CGROUP_LAYOUT_V2) {
		print_message("this is not a host with v2 only\n");
		skip();
	}
	assert_int_equal(mkdirat(h->root_fd, parent, 0755), 0);
	assert_int_equal(cgroupfs_write(h->root_fd, parent, "cgroup.type", "threaded"), 0);
	cg = open_cgroup(path);
	assert_ok(cgroup_create(cg, &err), &err);
	assert_int_equal(cgroupfs_read(h->root_fd, path + 1, "cgroup.type", &type), 0);
	assert_string_equal(type, "threaded");
	pid = spawn(cg, NULL);
	assert_ok(cgroup_pids(cg, &pids, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(pids[0], pid);
	assert_ok(cgroup_remove(cg, TIMEOUT_MS, &err), &err);
	assert_int_equal(WTERMSIG(wait_status(&pid)), SIGKILL);
}

static void test_nesting_without_end_is_removed_too(void **state)
{
	const struct cgroup_hierarchy *h;
	cleanup_fd int fd = -1;
	int depth = 0;

	need_able();
	h = cgroup_main(*state);
	fd = openat(h->root_fd, cgroup_relative(*state), O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (; depth < 1500; depth++) {
		int next;

		if (mkdirat(fd, "deep", 0755) < 0)
			break;
		next = openat(fd, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close_fdp(&fd);
		fd = next;
	}
	assert_true(depth > 100);
	close_fdp(&fd);
	assert_int_equal(cgroupfs_remove(h->root_fd, cgroup_relative(*state)), 0);
	assert_int_equal(faccessat(h->root_fd, cgroup_relative(*state), F_OK, 0), -1);
}

static void need_controller(const struct cgroup *cg, const char *controller)
{
	need_able();
	if (cgroup_find(cg, controller))
		return;
	print_message("this machine does not show controller '%s' here\n", controller);
	skip();
}

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

	need_controller(cg, "memory");
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

	need_controller(cg, "memory");
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

	need_controller(cg, "cpu");
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

	need_controller(*state, "cpu");
	assert_int_equal(cgroup_apply(*state, &resources, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "(linux.resources.cpu.quota): Invalid argument"));
}

static void test_limits_on_pids_hold(void **state)
{
	struct oci_resources resources = { .pids.limit = SET(1) };
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	need_controller(*state, "pids");
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

	need_able();
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
	need_able();
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
	cleanup_free char *path = test_path();

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
	cleanup_free char *path = test_path();
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

	need_able();
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

	need_able();
	if (((struct cgroup *)*state)->layout == CGROUP_LAYOUT_V2 && !cgroup_find(*state, "pids")) {
		print_message("this machine does not show controller 'pids' here\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(try_without_rights());
	assert_int_equal(wait_status(&pid), 0);
}

/* As it is inside of a container. */
static int try_read_only(void)
{
	cleanup_cgroup struct cgroup *cg = open_cgroup("/moat-test-ro");
	const char *point = cgroup_main(cg)->mount.mount_point;
	cleanup_cgroup struct cgroup *again = NULL;
	struct error err = ERROR_INIT;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return 1;
	again = open_cgroup("/moat-test-ro");
	if (cgroup_create(again, &err) != -EROFS)
		return 2;
	return strstr(err.msg, "Read-only file system") ? 0 : 3;
}

static void test_a_read_only_hierarchy_is_told(void **state)
{
	cleanup_pid pid_t pid = 0;

	need_able();
	pid = fork();
	if (pid == 0)
		_exit(try_read_only());
	assert_int_equal(wait_status(&pid), 0);
}

static int try_elsewhere(void)
{
	char dir[] = "/tmp/moat-test-XXXXXX";
	cleanup_cgroup struct cgroup *before = open_cgroup("/moat-test-elsewhere");
	cleanup_cgroup struct cgroup *cg = NULL;
	struct error err = ERROR_INIT;
	bool is_made;

	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(cgroup_main(before)->mount.mount_point, dir, NULL, MS_BIND, NULL) < 0 ||
	    umount2(CGROUPFS_DIR, MNT_DETACH) < 0)
		return 1;
	cg = open_cgroup("/moat-test-elsewhere");
	is_made = cgroup_create(cg, &err) == 0 && cgroup_exists(cg);
	if (cgroup_remove(cg, TIMEOUT_MS, &err) < 0 || umount2(dir, MNT_DETACH) < 0 ||
	    rmdir(dir) < 0)
		return 2;
	return is_made ? 0 : 3;
}

static void test_hierarchies_are_found_wherever_they_are(void **state)
{
	cleanup_pid pid_t pid = 0;

	need_able();
	pid = fork();
	if (pid == 0)
		_exit(try_elsewhere());
	assert_int_equal(wait_status(&pid), 0);
}

static void test_the_root_is_no_containers_cgroup(void **state)
{
	struct cgroup *cg = NULL;

	assert_int_equal(cgroup_open("/", &cg, NULL), -EINVAL);
	assert_int_equal(cgroup_open("/a/..", &cg, NULL), -EINVAL);
}

static void test_a_unit_of_systemd_is_no_path(void **state)
{
	static const char *const units[] = { "system.slice:web:1", ":web:1", "-:web:1",
					     "/a-b.slice:web:1" };
	static const char *const paths[] = { "/a:b:c", "/pods/a.slice:b:c", "/a.slice:b" };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		struct cgroup *cg = NULL;
		struct error err = ERROR_INIT;

		assert_int_equal(cgroup_open(units[i], &cg, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "--systemd-cgroup"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		cleanup_cgroup struct cgroup *cg = NULL;

		need_able();
		cg = open_cgroup(paths[i]);
		assert_string_equal(cg->path, paths[i]);
	}
}

static bool show_layout(enum cgroup_layout layout)
{
	cleanup_cgroup struct cgroup *cg = NULL;

	if (geteuid() != 0 || cgroup_open("/moat-test", &cg, NULL) < 0)
		return false;
	if (cg->layout == layout)
		return true;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	if (layout == CGROUP_LAYOUT_V2)
		return mount("cgroup2", CGROUPFS_DIR, "cgroup2", 0, NULL) == 0;
	return layout == CGROUP_LAYOUT_V1 && cg->layout == CGROUP_LAYOUT_HYBRID &&
	       umount2(cgroup_v2(cg)->mount.mount_point, MNT_DETACH) == 0;
}

static void test_the_layout_is_recognised(void **state)
{
	const enum cgroup_layout *layout = *state;
	cleanup_cgroup struct cgroup *cg = NULL;

	need_able();
	cg = open_cgroup("/moat-test");
	assert_int_equal(cg->layout, *layout);
}

#define LIVE(fn) cmocka_unit_test_setup_teardown(fn, make_cgroup, remove_cgroup)

static int run_in(enum cgroup_layout layout, const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_the_layout_is_recognised, &layout),
		cmocka_unit_test(test_the_root_is_no_containers_cgroup),
		cmocka_unit_test(test_a_unit_of_systemd_is_no_path),
		LIVE(test_a_process_joins_every_hierarchy_by_itself),
		LIVE(test_another_process_is_moved_by_its_pid),
		LIVE(test_a_used_cgroup_is_refused),
		LIVE(test_an_empty_leftover_is_taken_over),
		LIVE(test_a_frozen_leftover_is_refused),
		LIVE(test_freezing_stops_and_thawing_goes_on),
		LIVE(test_a_frozen_process_dies_of_sigkill),
		LIVE(test_signals_reach_children_of_the_cgroup),
		LIVE(test_removal_kills_and_takes_children_along),
		LIVE(test_removal_works_when_frozen),
		LIVE(test_removal_ends_what_keeps_forking),
		LIVE(test_removal_reaches_what_is_frozen_below),
		LIVE(test_freezing_catches_what_keeps_forking),
		LIVE(test_freezing_catches_what_waits_in_vfork),
		LIVE(test_a_threaded_parent_makes_a_threaded_cgroup),
		LIVE(test_nesting_without_end_is_removed_too),
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
		LIVE(test_a_read_only_hierarchy_is_told),
		LIVE(test_hierarchies_are_found_wherever_they_are),
	};

	is_able = show_layout(layout);
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
	int failed = run_in(CGROUP_LAYOUT_HYBRID, "hybrid");

	failed += run_in(CGROUP_LAYOUT_V1, "v1");
	failed += run_in(CGROUP_LAYOUT_V2, "v2");
	return failed;
}
