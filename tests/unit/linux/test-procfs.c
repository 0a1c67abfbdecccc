/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/linux/procfs.h"

/* The proc of the host: that it is one, and what of it can be reached. */

static void its_own_files_are_opened(void **state)
{
	cleanup_fd int procfs = procfs_open_host();
	cleanup_fd int fd = -1;
	char c;

	assert_true(procfs >= 0);
	fd = procfs_open_file(procfs, "thread-self/status", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, 'N');
}

static void no_link_leads_out_of_it(void **state)
{
	cleanup_fd int procfs = procfs_open_host();

	assert_int_equal(procfs_open_file(procfs, "self/root/etc/passwd", O_RDONLY), -ELOOP);
	assert_int_equal(procfs_open_file(procfs, "self/fd/0", O_RDONLY), -ELOOP);
	assert_int_equal(procfs_open_file(procfs, "../etc/passwd", O_RDONLY), -EXDEV);
	assert_int_equal(procfs_open_file(procfs, "/etc/passwd", O_RDONLY), -EXDEV);
}

/* @check in a mount namespace of its own; false: no right to make one. */
static bool isolated(bool (*check)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		_exit(check() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		return false;
	assert_int_equal(status, 0);
	return true;
}

static bool refuses_what_covers_a_part(void)
{
	int procfs = procfs_open_host();

	return procfs >= 0 && mount("/dev/null", "/proc/version", NULL, MS_BIND, NULL) == 0 &&
	       procfs_open_file(procfs, "version", O_RDONLY) == -EXDEV;
}

static bool refuses_what_covers_all(void)
{
	return mount("none", "/proc", "tmpfs", 0, NULL) == 0 && procfs_open_host() == -EXDEV;
}

static bool refuses_a_part_in_its_place(void)
{
	return mount("/proc/sys", "/proc", NULL, MS_BIND, NULL) == 0 &&
	       procfs_open_host() == -EXDEV;
}

static void what_is_mounted_over_it_is_not_taken_for_it(void **state)
{
	if (!isolated(refuses_what_covers_a_part))
		skip();
	assert_true(isolated(refuses_what_covers_all));
	assert_true(isolated(refuses_a_part_in_its_place));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_files_are_opened),
		cmocka_unit_test(no_link_leads_out_of_it),
		cmocka_unit_test(what_is_mounted_over_it_is_not_taken_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
