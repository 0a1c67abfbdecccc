/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-plan.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "oci/config.h"

#define RESOURCES "linux.resources."

struct planner {
	bool is_v2;
	struct cgroup_plan plan;
	struct error *err;
};

char *cgroup_plan_path(const char *cgroups_path, const char *id)
{
	cleanup_free char *clean = path_clean(cgroups_path ? cgroups_path : "");

	return streq(clean, "/") ? xasprintf("/%s", id) : steal_ptr(&clean);
}

void cgroup_plan_add(struct cgroup_plan *plan, struct cgroup_knob knob)
{
	/* Growth in powers of two, without a stored capacity. */
	if ((plan->count & (plan->count - 1)) == 0)
		plan->knobs = xrealloc(plan->knobs, plan->count ? plan->count * 2 : 1,
				       sizeof(*plan->knobs));
	plan->knobs[plan->count++] = knob;
}

void cgroup_plan_done(struct cgroup_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->knobs[i].controller);
		free(plan->knobs[i].file);
		free(plan->knobs[i].value);
		free(plan->knobs[i].config);
	}
	free(plan->knobs);
	*plan = (struct cgroup_plan){ NULL, 0 };
}

/* Adds FILE=VALUE for the configuration's linux.resources.CONFIG; its controller is what stands in
 * front of the file's dot. Takes @value. */
static struct cgroup_knob *add(struct planner *p, const char *file, char *value, const char *config)
{
	cgroup_plan_add(&p->plan, (struct cgroup_knob){
					  .controller = xstrndup(file, strcspn(file, ".")),
					  .file = xstrdup(file),
					  .value = value,
					  .config = xasprintf(RESOURCES "%s", config),
				  });
	return &p->plan.knobs[p->plan.count - 1];
}

static char *number(int64_t value)
{
	return xasprintf("%" PRId64, value);
}

static char *unsigned_number(uint64_t value)
{
	return xasprintf("%" PRIu64, value);
}

/* -1 is "no limit" everywhere in the configuration, and on v1. */
static char *limit_text(const struct planner *p, int64_t value)
{
	return value == -1 && p->is_v2 ? xstrdup("max") : number(value);
}

static void add_limit(struct planner *p, const char *file, int64_t value, const char *config)
{
	struct cgroup_knob *knob = add(p, file, limit_text(p, value), config);

	knob->is_optional = value == -1;
}

/* What a limit of 0 means is "none given", since that is what an absent number is for the
 * programs that generate configurations. */
static int64_t given(const struct opt_i64 *opt)
{
	return opt->is_set ? opt->value : 0;
}

static uint64_t given_u64(const struct opt_u64 *opt)
{
	return opt->is_set ? opt->value : 0;
}

static int refuse(struct planner *p, const char *config, const char *reason)
{
	return error_set(p->err, -EINVAL, "cgroup: " RESOURCES "%s: %s", config, reason);
}

/* memory.swap of the configuration (and of v1) counts memory and swap together; v2 counts swap
 * alone. Unlimited memory without a word about swap means unlimited swap. */
static int plan_swap(struct planner *p, int64_t limit, int64_t swap)
{
	if (limit == -1 && swap == 0)
		swap = -1;
	if (swap == 0)
		return 0;
	if (swap > 0 && limit > 0 && swap < limit)
		return refuse(p, "memory.swap", "memory and swap together are less than memory");
	if (!p->is_v2) {
		add_limit(p, "memory.memsw.limit_in_bytes", swap, "memory.swap");
		return 0;
	}
	if (swap > 0 && limit <= 0)
		return refuse(p, "memory.swap", "unable to set swap limit without memory limit");
	add_limit(p, "memory.swap.max", swap > 0 ? swap - limit : swap, "memory.swap");
	/* Without swap accounting there is no swap to be used either. */
	p->plan.knobs[p->plan.count - 1].is_optional |= swap == limit;
	return 0;
}

static int plan_memory_v1(struct planner *p, const struct oci_memory *m)
{
	if (given(&m->kernel_tcp))
		add_limit(p, "memory.kmem.tcp.limit_in_bytes", m->kernel_tcp.value,
			  "memory.kernelTCP");
	if (m->swappiness.is_set) {
		if (m->swappiness.value > 100)
			return refuse(p, "memory.swappiness", "is not a number from 0 to 100");
		add(p, "memory.swappiness", unsigned_number(m->swappiness.value),
		    "memory.swappiness");
	}
	if (m->disable_oom_killer.is_set && m->disable_oom_killer.value)
		add(p, "memory.oom_control", xstrdup("1"), "memory.disableOOMKiller");
	return 0;
}

/* Swappiness, kernel memory and the OOM killer have no knob on v2; peers ignore them there. */
static int plan_memory(struct planner *p, const struct oci_memory *m)
{
	int64_t limit = given(&m->limit);
	int r;

	/* v1 holds "memory <= memory and swap" at every moment, so which of them has to be written
	 * first depends on the values there. */
	if (limit && !p->is_v2) {
		add_limit(p, "memory.limit_in_bytes", limit, "memory.limit");
		p->plan.knobs[p->plan.count - 1].may_wait = true;
	}
	r = plan_swap(p, limit, given(&m->swap));
	if (r < 0)
		return r;
	if (limit && p->is_v2)
		add_limit(p, "memory.max", limit, "memory.limit");
	if (given(&m->reservation))
		add_limit(p, p->is_v2 ? "memory.low" : "memory.soft_limit_in_bytes",
			  m->reservation.value, "memory.reservation");
	return p->is_v2 ? 0 : plan_memory_v1(p, m);
}

unsigned int cgroup_plan_weight(unsigned long long shares)
{
	double l, exponent;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	/* Through the three points where both have a meaning: least, default, most. */
	l = log2((double)shares);
	exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
	return (unsigned int)ceil(pow(10, exponent));
}

static void plan_shares(struct planner *p, const struct oci_cpu *cpu)
{
	uint64_t shares = given_u64(&cpu->shares);

	if (cpu->idle.is_set)
		add(p, "cpu.idle", number(cpu->idle.value), "cpu.idle")->is_optional =
			cpu->idle.value == 0;
	/* An idle group has the least weight, and the kernel refuses to give it another. */
	if (!shares || (cpu->idle.is_set && cpu->idle.value == 1))
		return;
	if (p->is_v2)
		add(p, "cpu.weight", number(cgroup_plan_weight(shares)), "cpu.shares");
	else
		add(p, "cpu.shares", unsigned_number(shares), "cpu.shares");
}

/* Without a period the kernel keeps the present one: at first its default, 100000. */
static char *cpu_max(int64_t quota, uint64_t period)
{
	cleanup_free char *text = quota > 0 ? number(quota) : xstrdup("max");

	return period ? xasprintf("%s %" PRIu64, text, period) : steal_ptr(&text);
}

/* On both versions burst <= quota, and on v1 quota and period are written apart although together
 * they must fit into the parent's. */
static void plan_bandwidth(struct planner *p, const struct oci_cpu *cpu)
{
	uint64_t period = given_u64(&cpu->period);
	int64_t quota = given(&cpu->quota);

	if (cpu->burst.is_set) {
		struct cgroup_knob *knob = add(p, p->is_v2 ? "cpu.max.burst" : "cpu.cfs_burst_us",
					       unsigned_number(cpu->burst.value), "cpu.burst");

		knob->may_wait = true;
		knob->is_optional = cpu->burst.value == 0;
	}
	if (p->is_v2) {
		if (quota || period)
			add(p, "cpu.max", cpu_max(quota, period),
			    quota ? "cpu.quota" : "cpu.period");
		return;
	}
	if (period)
		add(p, "cpu.cfs_period_us", unsigned_number(period), "cpu.period")->may_wait = true;
	if (quota)
		add(p, "cpu.cfs_quota_us", number(quota < 0 ? -1 : quota), "cpu.quota")->may_wait =
			true;
}

static int plan_realtime(struct planner *p, const struct oci_cpu *cpu)
{
	uint64_t period = given_u64(&cpu->realtime_period);
	int64_t runtime = given(&cpu->realtime_runtime);

	if (p->is_v2) {
		if (period || runtime)
			return refuse(p, period ? "cpu.realtimePeriod" : "cpu.realtimeRuntime",
				      "cgroup v2 has no real-time limits");
		return 0;
	}
	if (period)
		add(p, "cpu.rt_period_us", unsigned_number(period), "cpu.realtimePeriod");
	if (runtime)
		add(p, "cpu.rt_runtime_us", number(runtime), "cpu.realtimeRuntime");
	return 0;
}

static int plan_cpu(struct planner *p, const struct oci_cpu *cpu)
{
	plan_shares(p, cpu);
	plan_bandwidth(p, cpu);
	if (cpu->cpus && *cpu->cpus)
		add(p, "cpuset.cpus", xstrdup(cpu->cpus), "cpu.cpus");
	if (cpu->mems && *cpu->mems)
		add(p, "cpuset.mems", xstrdup(cpu->mems), "cpu.mems");
	return plan_realtime(p, cpu);
}

static void plan_pids(struct planner *p, const struct oci_pids *pids)
{
	int64_t limit = pids->limit.value;
	struct cgroup_knob *knob;

	if (!pids->limit.is_set)
		return;
	/* 0 forbids every process, the first too; the least that works is 1. */
	knob = add(p, "pids.max", limit < 0 ? xstrdup("max") : number(limit ? limit : 1),
		   "pids.limit");
	knob->is_optional = limit < 0;
}

/* Values of several lines ("8:0 rbps=1\n8:16 rbps=1") are as many writes. */
static int plan_unified(struct planner *p, const struct string_pair *pair)
{
	cleanup_free char *config = xasprintf("unified[\"%s\"]", pair->key);
	cleanup_strv char **lines = strv_split(pair->value, '\n');

	if (strchr(pair->key, '/') || !strchr(pair->key, '.') || *pair->key == '.')
		return refuse(p, config, "is not the name of a controller's file");
	strv_each(line, lines)
		if (*line || streq(pair->value, ""))
			add(p, pair->key, xstrdup(line), config);
	return 0;
}

static int plan_all(struct planner *p, const struct oci_resources *resources)
{
	int r = plan_memory(p, &resources->memory);

	if (r < 0)
		return r;
	r = plan_cpu(p, &resources->cpu);
	if (r < 0)
		return r;
	plan_pids(p, &resources->pids);
	if (resources->unified.count && !p->is_v2)
		return refuse(p, "unified", "this host has cgroup v1");
	/* Last, because they have the last word (config-linux.md#unified). */
	for (size_t i = 0; i < resources->unified.count; i++) {
		r = plan_unified(p, &resources->unified.items[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_plan_resources(enum cgroup_layout layout, const struct oci_resources *resources,
			  struct cgroup_plan *ret, struct error *err)
{
	struct planner p = { .is_v2 = layout == CGROUP_LAYOUT_V2, .err = err };
	int r = plan_all(&p, resources);

	if (r < 0) {
		cgroup_plan_done(&p.plan);
		return r;
	}
	*ret = p.plan;
	return 0;
}
