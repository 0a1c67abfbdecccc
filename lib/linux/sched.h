/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct id_set;

/*
 * How the calling thread is scheduled: processors, disks, memory nodes. Programs that it executes
 * and processes that it clones have it too. Leaf functions: 0 or -errno.
 */

/* sched_setattr(2). Numbers are the kernel's. */
struct sched_request {
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};
int sched_set(const struct sched_request *request);

/* sched_setaffinity(2). The kernel leaves out what does not exist, and what the cgroup does not
 * allow. */
int sched_set_cpus(const struct id_set *cpus);
int sched_set_all_cpus(void);

/* ioprio_set(2) for this process. @class: IOPRIO_CLASS_… of <linux/ioprio.h>. */
int sched_set_io_priority(int class_, int priority);

/* set_mempolicy(2). @mode: with its flags; @nodes may be empty. */
int sched_set_memory_policy(int mode, const struct id_set *nodes);
