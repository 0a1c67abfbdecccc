/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/linux/seccomp.h"

static void flags_have_names(void **state)
{
	assert_int_equal(seccomp_flag("SECCOMP_FILTER_FLAG_LOG"), SECCOMP_FILTER_FLAG_LOG);
	assert_int_equal(seccomp_flag("LOG"), -EINVAL);
}

static void unknown_calls_and_architectures_are_told_apart_from_failures(void **state)
{
	cleanup_seccomp_builder struct seccomp_builder *builder = NULL;

	assert_int_equal(seccomp_builder_new(SECCOMP_RET_ALLOW, &builder), 0);
	assert_int_equal(seccomp_builder_add(builder, SECCOMP_RET_TRAP, "no_such_call", NULL, 0),
			 -ENOENT);
	assert_int_equal(seccomp_builder_add_arch(builder, "pdp11"), -EINVAL);
	assert_int_equal(seccomp_builder_add_arch(builder, "x86"), 0);
	assert_int_equal(seccomp_builder_add_arch(builder, "x86"), 0);
}

static int build_file(void)
{
	cleanup_seccomp_builder struct seccomp_builder *builder = NULL;
	/* (mode & 0111) == 0100 */
	const struct seccomp_compare masked = { 1, SECCOMP_OP_MASKED_EQ, 0111, 0100 };

	assert_int_equal(seccomp_builder_new(SECCOMP_RET_ALLOW, &builder), 0);
	assert_int_equal(seccomp_builder_add(builder, SECCOMP_RET_ERRNO | ENOSYS, "chdir", NULL, 0),
			 0);
	assert_int_equal(
		seccomp_builder_add(builder, SECCOMP_RET_ERRNO | EXDEV, "fchmod", &masked, 1), 0);
	return seccomp_builder_export(builder);
}

static int run_under(int fd)
{
	struct sock_fprog program;

	if (seccomp_program_read(fd, &program) < 0)
		return 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_program_load(&program, 0) < 0)
		return 2;
	seccomp_program_done(&program);
	if (chdir("/") == 0 || errno != ENOSYS)
		return 3;
	if (fchmod(-1, 0700) == 0 || errno != EXDEV)
		return 4;
	return fchmod(-1, 0711) < 0 && errno == EBADF ? 0 : 5;
}

static void a_filter_built_here_holds_where_it_is_loaded(void **state)
{
	cleanup_fd int fd = build_file();
	int status;
	pid_t pid;

	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0)
		_exit(run_under(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void files_that_are_no_programs_are_refused(void **state)
{
	cleanup_fd int empty = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct sock_fprog program;

	assert_true(empty >= 0);
	assert_int_equal(seccomp_program_read(empty, &program), -EINVAL);
	assert_int_equal(ftruncate(empty, 12), 0);
	assert_int_equal(seccomp_program_read(empty, &program), -EINVAL);
	assert_int_equal(ftruncate(empty, 8 * (BPF_MAXINSNS + 1)), 0);
	assert_int_equal(seccomp_program_read(empty, &program), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_have_names),
		cmocka_unit_test(unknown_calls_and_architectures_are_told_apart_from_failures),
		cmocka_unit_test(a_filter_built_here_holds_where_it_is_loaded),
		cmocka_unit_test(files_that_are_no_programs_are_refused),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
