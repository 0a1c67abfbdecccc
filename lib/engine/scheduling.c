/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/scheduling.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <sys/personality.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "oci/config.h"

/*
 * What makes sense together is the validation's business (oci/validate-process.c); here names
 * become the kernel's numbers, which are written down because headers are older than the kernels
 * that this may run on.
 */

#define MEMORY_FLAGS_FIRST_BIT 13 /* MPOL_F_NUMA_BALANCING */

/* clang-format off */
static const uint32_t policies[OCI_SCHED_COUNT] = {
	[OCI_SCHED_OTHER]    = 0,
	[OCI_SCHED_FIFO]     = 1,
	[OCI_SCHED_RR]       = 2,
	[OCI_SCHED_BATCH]    = 3,
	[OCI_SCHED_ISO]      = 4, /* reserved: the kernel refuses it */
	[OCI_SCHED_IDLE]     = 5,
	[OCI_SCHED_DEADLINE] = 6,
};

static const int io_classes[OCI_IO_COUNT] = {
	[OCI_IO_RT]   = IOPRIO_CLASS_RT,
	[OCI_IO_BE]   = IOPRIO_CLASS_BE,
	[OCI_IO_IDLE] = IOPRIO_CLASS_IDLE,
};

static const int memory_modes[OCI_MPOL_COUNT] = {
	[OCI_MPOL_DEFAULT]             = 0,
	[OCI_MPOL_PREFERRED]           = 1,
	[OCI_MPOL_BIND]                = 2,
	[OCI_MPOL_INTERLEAVE]          = 3,
	[OCI_MPOL_LOCAL]               = 4,
	[OCI_MPOL_PREFERRED_MANY]      = 5,
	[OCI_MPOL_WEIGHTED_INTERLEAVE] = 6,
};

static const unsigned long personalities[OCI_PERSONALITY_COUNT] = {
	[OCI_PERSONALITY_LINUX]   = PER_LINUX,
	[OCI_PERSONALITY_LINUX32] = PER_LINUX32,
};
/* clang-format on */

/* The words are in the order of the kernel's bits, of which the first is @first_bit. */
static int collect_flags(const char *where, char *const *flags, const struct names *words,
			 unsigned int first_bit, unsigned int *ret, struct error *err)
{
	strv_each(flag, flags) {
		int index = names_find(words, flag);

		if (index < 0)
			return error_set(err, -EINVAL, "%s.flags: unknown flag '%s'", where, flag);
		*ret |= 1u << (first_bit + (unsigned int)index);
	}
	return 0;
}

static int plan_scheduler(const struct oci_scheduler *s, struct scheduling_plan *plan,
			  struct error *err)
{
	unsigned int flags = 0;
	int r;

	if (!s)
		return 0;
	if (s->policy < 0 || s->policy >= OCI_SCHED_COUNT)
		return error_set(err, -EINVAL, "process.scheduler.policy: missing");
	r = collect_flags("process.scheduler", s->flags, &oci_scheduler_flag_names, 0, &flags, err);
	if (r < 0)
		return r;
	plan->has_scheduler = true;
	plan->scheduler = (struct sched_request){
		.policy = policies[s->policy],
		.flags = flags,
		.nice = (int32_t)s->nice.value,
		.priority = (uint32_t)s->priority.value,
		.runtime_ns = s->runtime,
		.deadline_ns = s->deadline,
		.period_ns = s->period,
	};
	return 0;
}

static int plan_io_priority(const struct oci_io_priority *io, struct scheduling_plan *plan,
			    struct error *err)
{
	if (!io)
		return 0;
	if (io->class_ < 0 || io->class_ >= OCI_IO_COUNT)
		return error_set(err, -EINVAL, "process.ioPriority.class: missing");
	plan->has_io_priority = true;
	plan->io_class = io_classes[io->class_];
	plan->io_priority = (int)io->priority;
	return 0;
}

static int parse_ids(const char *where, const char *list, struct id_set *ret, struct error *err)
{
	int r = list && *list ? id_set_parse(list, ret) : 0;

	return r < 0 ? error_sys(err, r, "%s: '%s'", where, list) : 0;
}

static int plan_affinity(const struct oci_cpu_affinity *affinity, struct scheduling_plan *plan,
			 struct error *err)
{
	int r;

	if (!affinity)
		return 0;
	r = parse_ids("process.execCPUAffinity.initial", affinity->initial, &plan->cpus_initial,
		      err);
	return r < 0 ? r
		     : parse_ids("process.execCPUAffinity.final", affinity->final,
				 &plan->cpus_final, err);
}

static int plan_memory(const struct oci_memory_policy *policy, struct scheduling_plan *plan,
		       struct error *err)
{
	unsigned int flags = 0;
	int r;

	if (!policy)
		return 0;
	if (policy->mode < 0 || policy->mode >= OCI_MPOL_COUNT)
		return error_set(err, -EINVAL, "linux.memoryPolicy.mode: missing");
	r = collect_flags("linux.memoryPolicy", policy->flags, &oci_memory_policy_flag_names,
			  MEMORY_FLAGS_FIRST_BIT, &flags, err);
	if (r == 0)
		r = parse_ids("linux.memoryPolicy.nodes", policy->nodes, &plan->memory_nodes, err);
	if (r < 0)
		return r;
	plan->has_memory_policy = true;
	plan->memory_mode = memory_modes[policy->mode] | (int)flags;
	return 0;
}

static int plan_personality(const struct oci_personality *personality, struct scheduling_plan *plan,
			    struct error *err)
{
	if (!personality)
		return 0;
	if (personality->domain < 0 || personality->domain >= OCI_PERSONALITY_COUNT)
		return error_set(err, -EINVAL, "linux.personality.domain: missing");
	plan->has_personality = true;
	plan->personality = personalities[personality->domain];
	return 0;
}

int scheduling_plan(const struct oci_process *process, const struct oci_linux *linux_,
		    struct scheduling_plan *ret, struct error *err)
{
	struct scheduling_plan plan = { 0 };
	int r = plan_scheduler(process->scheduler, &plan, err);

	if (r == 0)
		r = plan_io_priority(process->io_priority, &plan, err);
	if (r == 0)
		r = plan_affinity(process->exec_cpu_affinity, &plan, err);
	if (r == 0)
		r = plan_memory(linux_->memory_policy, &plan, err);
	if (r == 0)
		r = plan_personality(linux_->personality, &plan, err);
	if (r < 0) {
		scheduling_plan_done(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

void scheduling_plan_done(struct scheduling_plan *plan)
{
	id_set_done(&plan->memory_nodes);
	id_set_done(&plan->cpus_initial);
	id_set_done(&plan->cpus_final);
}

static int set_scheduler(const struct scheduling_plan *plan, struct error *err)
{
	int r = plan->has_scheduler ? sched_set(&plan->scheduler) : 0;

	/* Its bandwidth is reserved on all processors of a root domain (sched(7)). */
	if (r == -EPERM && plan->scheduler.policy == policies[OCI_SCHED_DEADLINE])
		return error_sys(
			err, r, "process.scheduler (SCHED_DEADLINE cannot be bound to processors)");
	return r < 0 ? error_sys(err, r, "process.scheduler") : 0;
}

static int set_memory_policy(const struct scheduling_plan *plan, struct error *err)
{
	int r = 0;

	if (plan->has_memory_policy)
		r = sched_set_memory_policy(plan->memory_mode, &plan->memory_nodes);
	if (r == -ENOSYS)
		return error_set(err, r, "linux.memoryPolicy: this kernel has no NUMA support");
	return r < 0 ? error_sys(err, r, "linux.memoryPolicy") : 0;
}

int scheduling_apply(const struct scheduling_plan *plan, struct error *err)
{
	int r = set_scheduler(plan, err);

	if (r == 0 && plan->has_io_priority) {
		r = sched_set_io_priority(plan->io_class, plan->io_priority);
		if (r < 0)
			return error_sys(err, r, "process.ioPriority");
	}
	if (r == 0 && plan->has_personality && personality(plan->personality) < 0)
		return error_sys(err, errno, "linux.personality");
	return r < 0 ? r : set_memory_policy(plan, err);
}

/* 1: done. */
static int bind_to(const struct scheduling_plan *plan, const struct id_set *cpus, const char *where,
		   struct error *err)
{
	int r = cpus->count ? sched_set_cpus(cpus) : -ENODATA;

	if (r == 0)
		return 1;
	if (r == -ENODATA || (r == -EINVAL && plan->is_guest))
		return 0;
	return error_sys(err, r, "process.execCPUAffinity.%s", where);
}

int scheduling_bind_initial(const struct scheduling_plan *plan, struct error *err)
{
	int r = bind_to(plan, &plan->cpus_initial, "initial", err);

	return r < 0 ? r : 0;
}

int scheduling_bind_final(const struct scheduling_plan *plan, struct error *err)
{
	int r = bind_to(plan, &plan->cpus_final, "final", err);

	if (r)
		return r < 0 ? r : 0;
	/* Else it keeps those it has. */
	r = sched_set_all_cpus();
	if (r < 0)
		log_debug("reset the process's processors: %s", strerror(-r));
	return 0;
}
