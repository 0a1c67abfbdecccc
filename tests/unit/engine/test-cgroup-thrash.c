/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-thrash.h"
#include "lib/engine/cgroup.h"
#include "tests/unit/engine/fake-tree.h"

#define LIMIT (64ull << 20)

/* What each second adds, as a container at 64 MiB was measured to. */
struct second {
	long long ms;
	uint64_t refaults, major_faults, file_bytes;
};
static const struct second bad = { 1000, 36000, 1100, 200 << 10 };

static struct thrash_sample after(const struct thrash_sample *last, const struct second *s)
{
	return (struct thrash_sample){
		.at_ms = last->at_ms + s->ms,
		.refaults = last->refaults + s->refaults,
		.major_faults = last->major_faults + s->major_faults,
		.file_bytes = s->file_bytes,
		.limit_bytes = LIMIT,
	};
}

/* How many such seconds it takes, of ten; 0: all ten are borne. */
static int seconds_of(const struct second *s)
{
	struct thrash_sample sample = { .at_ms = 1000000, .limit_bytes = LIMIT };
	struct thrash thrash = { 0 };

	assert_false(thrash_note(&thrash, &sample));
	for (int i = 1; i <= 10; i++) {
		sample = after(&sample, s);
		if (thrash_note(&thrash, &sample))
			return i;
	}
	return 0;
}

static void five_seconds_of_reading_the_same_are_enough(void **state)
{
	struct second slow = bad;

	assert_int_equal(seconds_of(&bad), 5);
	slow.ms = 4000;
	slow.refaults *= 4;
	slow.major_faults *= 4;
	assert_int_equal(seconds_of(&slow), 5);
}

static void what_gets_something_done_is_left_alone(void **state)
{
	struct second s = bad;

	s.file_bytes = LIMIT / 32; /* that is memory to work with */
	s.refaults *= 100;
	s.major_faults *= 100;
	assert_int_equal(seconds_of(&s), 0);

	s = bad;
	s.major_faults = 500; /* read(2), of a file that is longer than what is left */
	assert_int_equal(seconds_of(&s), 0);

	s = bad;
	s.refaults = 19 * 50;
	assert_int_equal(seconds_of(&s), 0);

	s = bad;
	s.file_bytes = 0;
	s.refaults = s.major_faults = 499;
	assert_int_equal(seconds_of(&s), 0);

	s = bad;
	s.ms = 5001; /* nobody said anything meanwhile */
	s.refaults *= 5;
	s.major_faults *= 5;
	assert_int_equal(seconds_of(&s), 0);
}

static void one_good_second_begins_it_anew(void **state)
{
	static const struct second good = { 1000, 10, 10, 2 << 20 };
	struct thrash_sample sample = { .at_ms = 1000000, .limit_bytes = LIMIT };
	struct thrash thrash = { 0 };

	(void)thrash_note(&thrash, &sample);
	for (int i = 1; i <= 9; i++) {
		sample = after(&sample, i == 5 ? &good : &bad);
		assert_false(thrash_note(&thrash, &sample));
	}
	sample = after(&sample, &bad);
	assert_true(thrash_note(&thrash, &sample));
}

static void what_is_said_within_a_second_is_not_looked_at(void **state)
{
	static const struct second tenth = { 100, 3600, 110, 200 << 10 };
	struct thrash_sample sample = { .at_ms = 1000000, .limit_bytes = LIMIT };
	struct thrash thrash = { 0 };
	int count = 0;

	(void)thrash_note(&thrash, &sample);
	do {
		sample = after(&sample, &tenth);
		count++;
	} while (!thrash_note(&thrash, &sample));
	assert_int_equal(count, 50);
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static void set_score(pid_t pid, const char *adjustment)
{
	cleanup_free char *path = xasprintf("/proc/%d/oom_score_adj", (int)pid);

	assert_int_equal(write_file_at(AT_FDCWD, path, adjustment), 0);
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* On its way to the end. */
static struct thrash nearly(void)
{
	return (struct thrash){
		.last = { .at_ms = now_ms() - 2000, .limit_bytes = LIMIT },
		.count = 4,
	};
}

static void the_one_that_the_kernel_would_take_is_killed(void **state)
{
	static const char *const v2[] = { "unified", NULL };
	const pid_t small = start_child(), large = start_child(), other = start_child();
	cleanup_free char *procs = xasprintf("%d\n%d\n", (int)small, (int)large);
	struct thrash thrash = nearly();
	cleanup_cgroup struct cgroup *cg = NULL;
	struct fake_tree tree;

	set_score(large, "300");
	set_score(other, "600");
	fake_tree_new(&tree);
	fake_file(&tree, "unified/web/cgroup.controllers", "memory\n");
	fake_file(&tree, "unified/web/cgroup.procs", procs);
	fake_file(&tree, "unified/web/memory.max", "max\n");
	fake_file(&tree, "unified/web/memory.stat",
		  "anon 66576384\ninactive_file 122880\nactive_file 81920\n"
		  "workingset_refault_anon 0\nworkingset_refault_file 96423\npgmajfault 3115\n");
	cg = fake_cgroup(&tree, "/web", v2);
	assert_false(cgroup_thrash_check(cg, &thrash));
	fake_file(&tree, "unified/web/memory.max", "67108864\n");
	thrash.count = 0;
	assert_false(cgroup_thrash_check(cg, &thrash));
	thrash = nearly();
	assert_true(cgroup_thrash_check(cg, &thrash));
	assert_int_equal(end_of(large), SIGKILL);

	/* All of it, where it is to end as one. */
	fake_file(&tree, "unified/web/memory.oom.group", "1\n");
	fake_file(&tree, "unified/web/cgroup.kill", "");
	thrash = nearly();
	assert_true(cgroup_thrash_check(cg, &thrash));
	free(steal_ptr(&procs));
	procs = fake_read(&tree, "unified/web/cgroup.kill");
	assert_string_equal(procs, "1");

	assert_int_equal(kill(small, SIGTERM) | kill(other, SIGTERM), 0);
	assert_int_equal(end_of(small), SIGTERM);
	assert_int_equal(end_of(other), SIGTERM);
	fake_tree_done(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_seconds_of_reading_the_same_are_enough),
		cmocka_unit_test(what_gets_something_done_is_left_alone),
		cmocka_unit_test(one_good_second_begins_it_anew),
		cmocka_unit_test(what_is_said_within_a_second_is_not_looked_at),
		cmocka_unit_test(the_one_that_the_kernel_would_take_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
