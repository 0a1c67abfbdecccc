/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/base/id-set.h"
#include "lib/linux/sched.h"

struct error;
struct oci_linux;
struct oci_process;

/*
 * process.scheduler, ioPriority and execCPUAffinity, linux.memoryPolicy and personality: how the
 * kernel is to treat a process, in one plan because they are applied in one place.
 */
struct scheduling_plan {
	bool has_scheduler;
	struct sched_request scheduler;
	bool has_io_priority;
	int io_class; /* IOPRIO_CLASS_… */
	int io_priority;
	bool has_personality;
	unsigned long personality;
	bool has_memory_policy;
	int memory_mode; /* MPOL_… and MPOL_F_… */
	struct id_set memory_nodes;

	/* For a process that enters; empty: not given. */
	struct id_set cpus_initial;
	struct id_set cpus_final;
	/* Engines know the host's processors only: a set of which a guest has none is as if it were
	 * not given. */
	bool is_guest;
};

/* Pure. scheduling_plan_done() what it made. */
int scheduling_plan(const struct oci_process *process, const struct oci_linux *linux_,
		    struct scheduling_plan *ret, struct error *err);
void scheduling_plan_done(struct scheduling_plan *plan);

/* In the process itself, while it still has the rights and no filter forbids the calls: all but
 * the processors. */
int scheduling_apply(const struct scheduling_plan *plan, struct error *err);

/* In a new process: before it joins its cgroup, and after that. Without a final affinity it gets
 * all processors of the cgroup (config.md#linux-process), not those that whoever started the
 * runtime, or the first stage, was bound to. */
int scheduling_bind_initial(const struct scheduling_plan *plan, struct error *err);
int scheduling_bind_final(const struct scheduling_plan *plan, struct error *err);
