/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/scheduling.h"
#include "oci/config.h"

/* Names of the configuration to numbers of the kernel, and that these arrive there. */

static char *flags[3];

static const struct oci_linux no_linux;

static void a_process_without_wishes_has_none_planned(void **state)
{
	const struct oci_process process = { 0 };
	struct scheduling_plan plan;

	assert_int_equal(scheduling_plan(&process, &no_linux, &plan, NULL), 0);
	assert_false(plan.has_scheduler || plan.has_io_priority || plan.has_memory_policy ||
		     plan.has_personality);
	assert_int_equal(plan.cpus_initial.count + plan.cpus_final.count, 0);
	assert_int_equal(scheduling_apply(&plan, NULL), 0);
	scheduling_plan_done(&plan);
}

static void policies_and_their_flags_become_numbers(void **state)
{
	const struct oci_scheduler scheduler = {
		.policy = OCI_SCHED_DEADLINE,
		.flags = flags,
		.runtime = 1000000,
		.deadline = 2000000,
		.period = 3000000,
	};
	const struct oci_process process = { .scheduler = (struct oci_scheduler *)&scheduler };
	struct scheduling_plan plan;
	struct error err = ERROR_INIT;

	flags[0] = (char *)"SCHED_FLAG_RESET_ON_FORK";
	flags[1] = (char *)"SCHED_FLAG_DL_OVERRUN";
	assert_int_equal(scheduling_plan(&process, &no_linux, &plan, NULL), 0);
	assert_true(plan.has_scheduler);
	assert_int_equal(plan.scheduler.policy, 6);
	assert_int_equal(plan.scheduler.flags, 5);
	assert_int_equal(plan.scheduler.period_ns, 3000000);
	scheduling_plan_done(&plan);
	flags[1] = (char *)"SCHED_FLAG_NO_SUCH";
	assert_int_equal(scheduling_plan(&process, &no_linux, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "process.scheduler.flags: unknown flag 'SCHED_FLAG_NO_SUCH'");
}

static void memory_policies_have_a_mode_with_flags_and_nodes(void **state)
{
	struct oci_memory_policy policy = {
		.mode = OCI_MPOL_BIND,
		.nodes = (char *)"0,2-3",
		.flags = flags,
	};
	const struct oci_linux linux_ = { .memory_policy = &policy };
	const struct oci_process process = { 0 };
	struct scheduling_plan plan;

	flags[0] = (char *)"MPOL_F_STATIC_NODES";
	flags[1] = NULL;
	assert_int_equal(scheduling_plan(&process, &linux_, &plan, NULL), 0);
	assert_int_equal(plan.memory_mode, 2 | 1 << 15);
	assert_int_equal(plan.memory_nodes.words[0], 13);
	scheduling_plan_done(&plan);
}

/* Runs @check with the plan applied, in a process of its own: true when it said so. */
static bool holds(const struct scheduling_plan *plan, bool (*check)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(scheduling_apply(plan, NULL) == 0 && check() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static bool is_batch(void)
{
	return sched_getscheduler(0) == SCHED_BATCH;
}

static bool is_idle_io(void)
{
	return syscall(SYS_ioprio_get, 1, 0) >> 13 == 3;
}

static bool is_32(void)
{
	return (personality(0xffffffff) & 0xff) == PER_LINUX32;
}

static void the_kernel_knows_what_was_applied(void **state)
{
	struct oci_scheduler scheduler = {
		.policy = OCI_SCHED_BATCH,
		.nice = { .is_set = true, .value = 5 },
	};
	struct oci_io_priority io = { .class_ = OCI_IO_IDLE };
	struct oci_personality persona = { .domain = OCI_PERSONALITY_LINUX32 };
	const struct oci_linux linux_ = { .personality = &persona };
	const struct oci_process process = { .scheduler = &scheduler, .io_priority = &io };
	struct scheduling_plan plan;

	assert_int_equal(scheduling_plan(&process, &linux_, &plan, NULL), 0);
	assert_true(holds(&plan, is_batch));
	assert_true(holds(&plan, is_idle_io));
	assert_true(holds(&plan, is_32));
	scheduling_plan_done(&plan);
}

static bool has_one_processor(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1;
}

static void processors_of_the_first_stage_are_left_without_a_second(void **state)
{
	struct oci_cpu_affinity affinity = { .initial = (char *)"0" };
	const struct oci_process process = { .exec_cpu_affinity = &affinity };
	struct scheduling_plan plan;
	int status;
	pid_t pid;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	assert_int_equal(scheduling_plan(&process, &no_linux, &plan, NULL), 0);
	pid = fork();
	if (pid == 0) {
		bool is_right = scheduling_bind_initial(&plan, NULL) == 0 && has_one_processor() &&
				scheduling_bind_final(&plan, NULL) == 0 && !has_one_processor();

		_exit(is_right ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	scheduling_plan_done(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_without_wishes_has_none_planned),
		cmocka_unit_test(policies_and_their_flags_become_numbers),
		cmocka_unit_test(memory_policies_have_a_mode_with_flags_and_nodes),
		cmocka_unit_test(the_kernel_knows_what_was_applied),
		cmocka_unit_test(processors_of_the_first_stage_are_left_without_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
