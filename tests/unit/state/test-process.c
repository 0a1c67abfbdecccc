/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/state/process-internal.h"
#include "lib/state/record.h"
#include "tests/unit/state/fixture.h"

#define TAIL " 1 2 2 0 -1 4194304 1 0 0 0 3 4 0 0 20 0 1 0 "

static uint64_t start_of(const char *text)
{
	cleanup_free char *copy = xstrdup(text);

	return process_parse_start(copy);
}

static void test_start_is_field_22(void **state)
{
	assert_int_equal(start_of("17 (sh) S" TAIL "4711 100 2 3\n"), 4711);
}

static void test_a_name_may_contain_what_ends_a_name(void **state)
{
	assert_int_equal(start_of("17 (a) Z 1 (b) S" TAIL "12 100 2 3\n"), 12);
	assert_int_equal(start_of("17 () ) ) R" TAIL "13 100 2 3\n"), 13);
}

static void test_zombies_and_the_dead_have_no_start(void **state)
{
	assert_int_equal(start_of("17 (sh) Z" TAIL "4711 100\n"), 0);
	assert_int_equal(start_of("17 (sh) X" TAIL "4711 100\n"), 0);
	assert_int_equal(start_of("17 (sh) x" TAIL "4711 100\n"), 0);
}

static void test_cut_or_strange_lines_have_no_start(void **state)
{
	assert_int_equal(start_of(""), 0);
	assert_int_equal(start_of("17 (sh"), 0);
	assert_int_equal(start_of("17 (sh)"), 0);
	assert_int_equal(start_of("17 (sh) S 1 2 3"), 0);
	assert_int_equal(start_of("17 (sh) S" TAIL "-5 100\n"), 0);
	assert_int_equal(start_of("17 (sh) S" TAIL "x 100\n"), 0);
}

/* A child named ")" that waits until it is killed. */
static pid_t spawn(void)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, "x) Z 1 (");
		if (write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void test_a_process_is_found_while_it_runs(void **state)
{
	struct record record = { 0 };
	cleanup_pid pid_t pid = spawn();
	cleanup_fd int fd = -1;
	struct pollfd ended;

	record.pid = (uint32_t)pid;
	record.pid_start = process_start_time(pid);
	assert_true(record.pid_start > 0);
	fd = record_pidfd(&record);
	assert_true(fd >= 0);

	assert_int_equal(kill(pid, SIGKILL), 0);
	ended = (struct pollfd){ .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&ended, 1, 10000), 1);
	/* Not reaped yet: a zombie is gone already. */
	assert_int_equal(process_start_time(pid), 0);
	assert_int_equal(record_pidfd(&record), -ESRCH);
}

static void test_another_process_with_the_pid_is_not_taken_for_ours(void **state)
{
	struct record record = { .pid = (uint32_t)getpid() };

	record.pid_start = process_start_time(getpid()) + 1;
	assert_int_equal(record_pidfd(&record), -ESRCH);
}

static void test_a_record_without_a_process_has_none(void **state)
{
	assert_int_equal(record_pidfd(&(struct record){ .pid = 0 }), -ESRCH);
	assert_int_equal(record_pidfd(&(struct record){ .pid = UINT32_MAX }), -ESRCH);
	assert_int_equal(record_pidfd(&(struct record){ .pid = (uint32_t)getpid() }), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_is_field_22),
		cmocka_unit_test(test_a_name_may_contain_what_ends_a_name),
		cmocka_unit_test(test_zombies_and_the_dead_have_no_start),
		cmocka_unit_test(test_cut_or_strange_lines_have_no_start),
		cmocka_unit_test(test_a_process_is_found_while_it_runs),
		cmocka_unit_test(test_another_process_with_the_pid_is_not_taken_for_ours),
		cmocka_unit_test(test_a_record_without_a_process_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
