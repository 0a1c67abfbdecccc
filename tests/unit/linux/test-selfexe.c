/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/caps.h"
#include "lib/linux/selfexe.h"

/*
 * The program protects itself by executing itself, so each test executes a copy of this one, with
 * a word that says what to do: the attack of CVE-2019-5736. It opens its image, which the kernel
 * keeps from being written only as long as it runs, becomes a shell, and has that write to it.
 */
#define ATTACK_FD 9
#define SHELL_FAILED 99

static int attack(char *argv[])
{
	struct error err = ERROR_INIT;
	char *command;
	int fd;

	if (!streq(argv[1], "bare") && selfexe_protect(argv, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 10;
	}
	if (getenv("_MOAT_SELFEXE") || !streq(argv[2], "rest"))
		return 11;
	fd = open("/proc/self/exe", O_PATH);
	if (fd < 0 || dup2(fd, ATTACK_FD) < 0)
		return 12;
	command = xasprintf("(echo hacked > /proc/self/fd/%d) 2>/dev/null || exit %d", ATTACK_FD,
			    SHELL_FAILED);
	execl("/bin/sh", "sh", "-c", command, NULL);
	return 13;
}

static char copy[] = "/tmp/moat-selfexe-XXXXXX";

static void make_copy(void)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int fd = -1;
	struct stat st;

	memcpy(strrchr(copy, '-'), "-XXXXXX", 7);
	fd = mkostemp(copy, O_CLOEXEC);
	assert_true(self >= 0 && fd >= 0 && fstat(self, &st) == 0);
	assert_int_equal(sendfile(fd, self, NULL, (size_t)st.st_size), st.st_size);
	assert_int_equal(fchmod(fd, 0755), 0);
}

static bool is_hacked(void)
{
	cleanup_free char *text = NULL;

	assert_int_equal(read_file_at(AT_FDCWD, copy, 64 << 20, &text, NULL), 0);
	return streq(text, "hacked\n");
}

static int run_as(const char *word, bool may_mount)
{
	char *const args[] = { (char *)"test-selfexe", (char *)word, (char *)"rest", NULL };
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	make_copy();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!may_mount && caps_drop_bounding(~(UINT64_C(1) << CAP_SYS_ADMIN)) < 0)
			_exit(20);
		execv(copy, args);
		_exit(21);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int remove_copy(void **state)
{
	(void)unlink(copy);
	return 0;
}

static void without_protection_the_attack_succeeds(void **state)
{
	assert_int_equal(run_as("bare", true), 0);
	assert_true(is_hacked());
}

static void a_read_only_mount_withstands_it(void **state)
{
	assert_int_equal(run_as("mount", true), SHELL_FAILED);
	assert_false(is_hacked());
}

static void without_the_right_to_mount_a_sealed_copy_does(void **state)
{
	assert_int_equal(run_as("memory", false), SHELL_FAILED);
	assert_false(is_hacked());
}

static void a_kernel_that_does_not_show_it_is_an_error_and_no_loop(void **state)
{
	assert_int_equal(setenv("_MOAT_SELFEXE", "1", 1), 0);
	assert_int_equal(run_as("mount", true), 10);
	assert_int_equal(unsetenv("_MOAT_SELFEXE"), 0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(without_protection_the_attack_succeeds, remove_copy),
		cmocka_unit_test_teardown(a_read_only_mount_withstands_it, remove_copy),
		cmocka_unit_test_teardown(without_the_right_to_mount_a_sealed_copy_does,
					  remove_copy),
		cmocka_unit_test_teardown(a_kernel_that_does_not_show_it_is_an_error_and_no_loop,
					  remove_copy),
	};

	if (argc == 3)
		return attack(argv);
	return cmocka_run_group_tests_name("selfexe", tests, NULL, NULL);
}
