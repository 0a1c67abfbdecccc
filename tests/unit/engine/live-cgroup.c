/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/live-cgroup.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static bool is_able; /* root, and this machine shows the layout */

struct cgroup *open_cgroup(const char *path)
{
	struct cgroup *cg = NULL;
	struct error err = ERROR_INIT;

	if (cgroup_open(path, &cg, &err) < 0)
		fail_msg("%s", err.msg);
	return cg;
}

void assert_ok(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->msg);
}

char *live_path(void)
{
	return xasprintf("/moat-test-%d/a/b", (int)getpid());
}

int live_make_cgroup(void **state)
{
	cleanup_free char *path = live_path();
	struct error err = ERROR_INIT;

	if (!is_able)
		return 0;
	*state = open_cgroup(path);
	assert_ok(cgroup_create(*state, &err), &err);
	return 0;
}

/* Removes the parents too, which a container's end leaves. */
int live_remove_cgroup(void **state)
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

void live_need_able(void)
{
	if (is_able)
		return;
	print_message("needs root and this cgroup layout\n");
	skip();
}

pid_t spawn(const struct cgroup *cg, int (*fn)(void))
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

int wait_status(pid_t *pid)
{
	int status;

	assert_int_equal(waitpid(*pid, &status, 0), *pid);
	*pid = 0;
	return status;
}

char *read_knob(const struct cgroup *cg, const char *controller, const char *file)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, controller);
	char *text = NULL;

	assert_non_null(h);
	assert_int_equal(cgroupfs_read(h->root_fd, cgroup_relative(cg), file, &text), 0);
	return text;
}

void live_need_controller(const struct cgroup *cg, const char *controller)
{
	live_need_able();
	if (cgroup_find(cg, controller))
		return;
	print_message("this machine does not show controller '%s' here\n", controller);
	skip();
}

bool live_show(enum cgroup_layout layout)
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

int live_run(const struct CMUnitTest *tests, size_t count)
{
	static const char *const names[] = {
		[CGROUP_LAYOUT_V2] = "v2",
		[CGROUP_LAYOUT_V1] = "v1",
		[CGROUP_LAYOUT_HYBRID] = "hybrid",
	};
	static const enum cgroup_layout layouts[] = { CGROUP_LAYOUT_HYBRID, CGROUP_LAYOUT_V1,
						      CGROUP_LAYOUT_V2 };
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		is_able = live_show(layouts[i]);
		failed += _cmocka_run_group_tests(names[layouts[i]], tests, count, NULL, NULL);
	}
	return failed;
}
