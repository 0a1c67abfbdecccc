/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/seccomp-program.h"

#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define JEQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

static void flags_have_names(void **state)
{
	assert_int_equal(seccomp_flag("SECCOMP_FILTER_FLAG_LOG"), SECCOMP_FILTER_FLAG_LOG);
	assert_int_equal(seccomp_flag("LOG"), -EINVAL);
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

/* Whether the kernel takes it, asked in a child. */
static bool loads(const struct sock_fprog *program)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		      seccomp_program_load(program, 0) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void only_programs_that_the_kernel_takes_are_sound(void **state)
{
	static const struct {
		struct sock_filter insns[4];
		unsigned short len;
		bool is_sound;
	} samples[] = {
		{ { ALLOW }, 1, true },
		{ { LOAD(0), JEQ(1, 1, 0), ALLOW, ALLOW }, 4, true },
		{ { LOAD(0), JEQ(1, 2, 0), ALLOW, ALLOW }, 4, false },
		{ { LOAD(0), JEQ(1, 0, 255), ALLOW, ALLOW }, 4, false },
		{ { BPF_STMT(BPF_JMP | BPF_JA, 1), ALLOW, ALLOW }, 3, true },
		{ { BPF_STMT(BPF_JMP | BPF_JA, 2), ALLOW, ALLOW }, 3, false },
		{ { BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), ALLOW }, 2, false },
		{ { LOAD(0) }, 1, false },
		{ { LOAD(2), ALLOW }, 2, false },
		{ { LOAD(sizeof(struct seccomp_data)), ALLOW }, 2, false },
		{ { LOAD(sizeof(struct seccomp_data) - 4), ALLOW }, 2, true },
		{ { BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW }, 2, false },
		{ { BPF_STMT(0xffff, 0), ALLOW }, 2, false },
		{ { ALLOW }, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sock_fprog program = {
			samples[i].len,
			(struct sock_filter *)samples[i].insns,
		};
		int expected = samples[i].is_sound ? 0 : -EINVAL;

		if (seccomp_program_check(&program) != expected)
			fail_msg("sample %zu is taken for what it is not", i);
		if (loads(&program) != samples[i].is_sound)
			fail_msg("sample %zu: the kernel thinks otherwise", i);
	}
}

static void more_than_the_kernel_takes_is_not_copied(void **state)
{
	cleanup_free struct sock_filter *many = xcalloc(BPF_MAXINSNS + 1, sizeof(*many));
	struct sock_fprog program;

	assert_int_equal(seccomp_program_copy(many, BPF_MAXINSNS + 1, &program), -E2BIG);
	assert_int_equal(seccomp_program_copy(many, 0, &program), -EINVAL);
	assert_int_equal(seccomp_program_copy(many, BPF_MAXINSNS, &program), 0);
	assert_int_equal(program.len, BPF_MAXINSNS);
	seccomp_program_done(&program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_have_names),
		cmocka_unit_test(files_that_are_no_programs_are_refused),
		cmocka_unit_test(only_programs_that_the_kernel_takes_are_sound),
		cmocka_unit_test(more_than_the_kernel_takes_is_not_copied),
	};

	return cmocka_run_group_tests_name("seccomp-program", tests, NULL, NULL);
}
