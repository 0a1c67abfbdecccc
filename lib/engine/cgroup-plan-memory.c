/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-plan-internal.h"
#include "oci/config.h"

/* memory.swap of the configuration (and of v1) counts memory and swap together; v2 counts swap
 * alone. Unlimited memory without a word about swap means unlimited swap. */
static int plan_swap(struct planner *p, int64_t limit, int64_t swap)
{
	if (limit == -1 && swap == 0)
		swap = -1;
	if (swap == 0)
		return 0;
	if (swap > 0 && limit > 0 && swap < limit)
		return planner_refuse(p, "memory.swap",
				      "memory and swap together are less than memory");
	if (!p->is_v2) {
		planner_add_limit(p, "memory.memsw.limit_in_bytes", swap, "memory.swap");
		return 0;
	}
	if (swap > 0 && limit <= 0)
		return planner_refuse(p, "memory.swap",
				      "unable to set swap limit without memory limit");
	planner_add_limit(p, "memory.swap.max", swap > 0 ? swap - limit : swap, "memory.swap");
	/* Without swap accounting there is no swap to be used either. */
	p->plan.knobs[p->plan.count - 1].is_optional |= swap == limit;
	return 0;
}

static int plan_memory_v1(struct planner *p, const struct oci_memory *m)
{
	if (planner_given(&m->kernel_tcp))
		planner_add_limit(p, "memory.kmem.tcp.limit_in_bytes", m->kernel_tcp.value,
				  "memory.kernelTCP");
	if (m->swappiness.is_set) {
		if (m->swappiness.value > 100)
			return planner_refuse(p, "memory.swappiness",
					      "is not a number from 0 to 100");
		planner_add(p, "memory.swappiness", xasprintf("%" PRIu64, m->swappiness.value),
			    "memory.swappiness");
	}
	if (m->disable_oom_killer.is_set && m->disable_oom_killer.value)
		planner_add(p, "memory.oom_control", xstrdup("1"), "memory.disableOOMKiller");
	return 0;
}

/* Swappiness and the OOM killer have no knob on v2; peers ignore them there. A limit of kernel
 * memory alone has none on kernels of this decade (deprecated in Linux 5.4), and use_hierarchy is
 * always on since 5.11. */
int cgroup_plan_memory(struct planner *p, const struct oci_memory *m)
{
	int64_t limit = planner_given(&m->limit);
	int r;

	if (planner_given(&m->kernel))
		log_warning("cgroup: " RESOURCES
			    "memory.kernel: ignored, memory.limit counts kernel memory too");

	/* v1 holds "memory <= memory and swap" at every moment, so which of them has to be written
	 * first depends on the values there. */
	if (limit && !p->is_v2) {
		planner_add_limit(p, "memory.limit_in_bytes", limit, "memory.limit");
		p->plan.knobs[p->plan.count - 1].may_wait = true;
	}
	r = plan_swap(p, limit, planner_given(&m->swap));
	if (r < 0)
		return r;
	if (limit && p->is_v2)
		planner_add_limit(p, "memory.max", limit, "memory.limit");
	if (planner_given(&m->reservation))
		planner_add_limit(p, p->is_v2 ? "memory.low" : "memory.soft_limit_in_bytes",
				  m->reservation.value, "memory.reservation");
	return p->is_v2 ? 0 : plan_memory_v1(p, m);
}
