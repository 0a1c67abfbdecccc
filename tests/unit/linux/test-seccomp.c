/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/linux/seccomp-program.h"
#include "lib/linux/seccomp.h"

static void unknown_calls_and_architectures_are_told_apart_from_failures(void **state)
{
	cleanup_seccomp_builder struct seccomp_builder *builder = NULL;

	assert_int_equal(seccomp_builder_new(SECCOMP_RET_ALLOW, &builder), 0);
	assert_int_equal(seccomp_builder_add(builder, SECCOMP_RET_TRAP, "no_such_call", NULL, 0),
			 -ENOENT);
	assert_int_equal(seccomp_arch("pdp11"), 0);
	assert_int_equal(seccomp_builder_add_arch(builder, seccomp_arch("x86")), 0);
	assert_int_equal(seccomp_builder_add_arch(builder, seccomp_arch("x86")), 0);
	assert_int_equal(seccomp_builder_add_arch(builder, seccomp_arch("s390x")), -EDOM);
}

static void calls_have_a_number_of_their_own_or_none(void **state)
{
	assert_int_equal(seccomp_call_number(AUDIT_ARCH_X86_64, "read"), 0);
	assert_int_equal(seccomp_call_number(AUDIT_ARCH_I386, "read"), 3);
	assert_int_equal(seccomp_call_number(seccomp_arch("x32"), "read"), 0x40000000);
	assert_int_equal(seccomp_call_number(AUDIT_ARCH_X86_64, "socketcall"), -ENOENT);
	assert_int_equal(seccomp_call_number(AUDIT_ARCH_X86_64, "no_such_call"), -ENOENT);
	assert_true(strlen(seccomp_library_version()) >= 5);
}

static void build(struct sock_fprog *ret)
{
	cleanup_seccomp_builder struct seccomp_builder *builder = NULL;
	/* (mode & 0111) == 0100 */
	const struct seccomp_compare masked = { 1, SECCOMP_OP_MASKED_EQ, 0111, 0100 };

	assert_int_equal(seccomp_builder_new(SECCOMP_RET_ALLOW, &builder), 0);
	assert_int_equal(seccomp_builder_add(builder, SECCOMP_RET_ERRNO | ENOSYS, "chdir", NULL, 0),
			 0);
	assert_int_equal(
		seccomp_builder_add(builder, SECCOMP_RET_ERRNO | EXDEV, "fchmod", &masked, 1), 0);
	assert_int_equal(seccomp_builder_export(builder, ret), 0);
}

static int run_under(const struct sock_fprog *built)
{
	cleanup_fd int fd = seccomp_program_write(built);
	struct sock_fprog program;

	if (fd < 0 || seccomp_program_read(fd, &program) < 0)
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
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	int status;
	pid_t pid;

	build(&program);
	assert_int_equal(seccomp_program_check(&program), 0);
	pid = fork();
	if (pid == 0)
		_exit(run_under(&program));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_calls_and_architectures_are_told_apart_from_failures),
		cmocka_unit_test(calls_have_a_number_of_their_own_or_none),
		cmocka_unit_test(a_filter_built_here_holds_where_it_is_loaded),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
