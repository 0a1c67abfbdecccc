/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/engine/live-cgroup.h"

/* Where cgroups are made, who lives in them, and how they end. */

static void test_the_layout_is_recognised(void **state)
{
	const struct cgroup *cg = *state;
	bool has_v2 = false, has_v1 = false;

	live_need_able();
	cgroup_each(h, cg) * (h->mount.is_v2 ? &has_v2 : &has_v1) = true;
	assert_int_equal(cg->layout == CGROUP_LAYOUT_V2, has_v2 && !has_v1);
	assert_int_equal(cg->layout == CGROUP_LAYOUT_V1, has_v1 && !has_v2);
}

static void test_a_process_joins_every_hierarchy_by_itself(void **state)
{
	cleanup_pid pid_t pid = 0;

	live_need_able();
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

	live_need_able();
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
	cleanup_free char *path = live_path();
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;

	live_need_able();
	pid = spawn(*state, NULL);
	second = open_cgroup(path);
	assert_int_equal(cgroup_create(second, &err), -EBUSY);
	assert_string_equal(err.msg, "container's cgroup is not empty: 1 process(es) found");
	assert_false(second->is_new);
}

static void test_an_empty_leftover_is_taken_over(void **state)
{
	cleanup_cgroup struct cgroup *second = NULL;
	cleanup_free char *path = live_path();
	struct error err = ERROR_INIT;

	live_need_able();
	second = open_cgroup(path);
	assert_ok(cgroup_create(second, &err), &err);
}

static void test_a_frozen_leftover_is_refused(void **state)
{
	cleanup_cgroup struct cgroup *second = NULL;
	cleanup_free char *path = live_path();
	struct error err = ERROR_INIT;

	live_need_able();
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

	live_need_able();
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

	live_need_able();
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

	live_need_able();
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

	live_need_able();
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

	live_need_able();
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

	live_need_able();
	pid = spawn(*state, keep_forking);
	assert_ok(cgroup_remove(*state, TIMEOUT_MS, &err), &err);
}

/* A cgroup that the container froze by itself, below its own. */
static void test_removal_reaches_what_is_frozen_below(void **state)
{
	struct cgroup *cg = *state;
	const struct cgroup_hierarchy *freezer;
	cleanup_free char *child = NULL;
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;
	char text[16];

	live_need_able();
	freezer = cgroup_v1(cg, "freezer");
	if (!freezer) {
		print_message("there is no freezer of v1 here\n");
		skip();
	}
	pid = spawn(cg, NULL);
	child = xasprintf("%s/own", cgroup_relative(cg));
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

	live_need_able();
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

	live_need_able();
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
	cleanup_free char *parent = NULL;
	cleanup_free char *path = NULL;
	cleanup_cgroup struct cgroup *cg = NULL;
	cleanup_free pid_t *pids = NULL;
	cleanup_free char *type = NULL;
	const struct cgroup_hierarchy *h;
	cleanup_pid pid_t pid = 0;
	struct error err = ERROR_INIT;
	size_t count = 0;

	live_need_able();
	h = cgroup_v2(*state);
	if (!h || ((struct cgroup *)*state)->layout != CGROUP_LAYOUT_V2) {
		print_message("this is not a host with v2 only\n");
		skip();
	}
	parent = xasprintf("%s/threads", cgroup_relative(*state));
	path = xasprintf("/%s/web", parent);
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

	live_need_able();
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

	live_need_able();
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

	live_need_able();
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

		live_need_able();
		cg = open_cgroup(paths[i]);
		assert_string_equal(cg->path, paths[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_root_is_no_containers_cgroup),
		cmocka_unit_test(test_a_unit_of_systemd_is_no_path),
		LIVE(test_the_layout_is_recognised),
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
		LIVE(test_a_read_only_hierarchy_is_told),
		LIVE(test_hierarchies_are_found_wherever_they_are),
	};

	return live_run(tests, ARRAY_SIZE(tests));
}
