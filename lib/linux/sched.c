/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/sched.h"

#include <errno.h>
#include <string.h>
#include <linux/ioprio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/id-set.h"

/* struct sched_attr under a name of our own: the kernel's header and newer C libraries both have
 * it, and cannot be included together everywhere. */
struct attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max; /* since Linux 5.3 */
};
#define CPUS_MAX 8192 /* of a kernel, whatever its architecture (NR_CPUS) */
#define SIZE_FIRST offsetof(struct attr, util_min)
#define FLAGS_UTIL (UINT64_C(0x20) | UINT64_C(0x40))

int sched_set(const struct sched_request *request)
{
	struct attr attr = {
		.size = request->flags & FLAGS_UTIL ? sizeof(attr) : SIZE_FIRST,
		.policy = request->policy,
		.flags = request->flags,
		.nice = request->nice,
		.priority = request->priority,
		.runtime = request->runtime_ns,
		.deadline = request->deadline_ns,
		.period = request->period_ns,
	};

	return syscall(SYS_sched_setattr, 0, &attr, 0) < 0 ? -errno : 0;
}

static int set_cpus(const unsigned long *words, size_t size)
{
	return syscall(SYS_sched_setaffinity, 0, size, words) < 0 ? -errno : 0;
}

int sched_set_cpus(const struct id_set *cpus)
{
	return set_cpus(cpus->words, cpus->count * sizeof(*cpus->words));
}

int sched_set_all_cpus(void)
{
	unsigned long all[CPUS_MAX / ID_SET_BITS];

	memset(all, 0xff, sizeof(all));
	return set_cpus(all, sizeof(all));
}

int sched_set_io_priority(int class_, int priority)
{
	int value = IOPRIO_PRIO_VALUE(class_, priority);

	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) < 0 ? -errno : 0;
}

/* The kernel takes one bit less than it is told there were (set_mempolicy(2), BUGS). */
int sched_set_memory_policy(int mode, const struct id_set *nodes)
{
	size_t bits = nodes->count * ID_SET_BITS;
	long r = syscall(SYS_set_mempolicy, mode, bits ? nodes->words : NULL, bits ? bits + 1 : 0);

	return r < 0 ? -errno : 0;
}
