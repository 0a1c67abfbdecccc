/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-plan.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-plan-internal.h"
#include "oci/config.h"

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
		free(plan->knobs[i].else_file);
		free(plan->knobs[i].else_value);
		free(plan->knobs[i].config);
	}
	free(plan->knobs);
	*plan = (struct cgroup_plan){ NULL, 0 };
}

struct cgroup_knob *planner_add(struct planner *p, const char *file, char *value,
				const char *config)
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

struct cgroup_knob *planner_add_limit(struct planner *p, const char *file, int64_t value,
				      const char *config)
{
	bool is_max = value == -1 && p->is_v2;
	struct cgroup_knob *knob =
		planner_add(p, file, is_max ? xstrdup("max") : number(value), config);

	knob->is_optional = value == -1;
	return knob;
}

int64_t planner_given(const struct opt_i64 *opt)
{
	return opt->is_set ? opt->value : 0;
}

uint64_t planner_given_u64(const struct opt_u64 *opt)
{
	return opt->is_set ? opt->value : 0;
}

int planner_refuse(struct planner *p, const char *config, const char *reason)
{
	return error_set(p->err, -EINVAL, "cgroup: " RESOURCES "%s: %s", config, reason);
}

/* The C library's logarithm and power bring 12 KiB of tables along, for 18 bits of argument. */
static double natural_log(double x)
{
	const double ln2 = 0.69314718055994530942;
	double result = 0, z, term;

	for (; x > 1.5; x /= 2)
		result += ln2;
	z = (x - 1) / (x + 1);
	term = 2 * z;
	for (int n = 1; n < 32; n += 2, term *= z * z)
		result += term / n;
	return result;
}

static double exponential(double x)
{
	double result = 1, term = 1;
	int halved = 0;

	for (; x > 0.5; x /= 2)
		halved++;
	for (int n = 1; n < 16; n++)
		result += term *= x / n;
	for (; halved > 0; halved--)
		result *= result;
	return result;
}

unsigned int cgroup_plan_weight(unsigned long long shares)
{
	const double ln10 = 2.30258509299404568402;
	double l, exponent, weight;
	unsigned int whole;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	/* Through the three points where both have a meaning: least, default, most. */
	l = natural_log((double)shares) / natural_log(2);
	exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
	weight = exponential(exponent * ln10);
	/* Rounded up, but for what is whole and came out a little over it: 1024 shares are 100. */
	whole = (unsigned int)weight;
	return weight - whole > 1e-9 ? whole + 1 : whole;
}

static void plan_shares(struct planner *p, const struct oci_cpu *cpu)
{
	uint64_t shares = planner_given_u64(&cpu->shares);

	if (cpu->idle.is_set)
		planner_add(p, "cpu.idle", number(cpu->idle.value), "cpu.idle")->is_optional =
			cpu->idle.value == 0;
	/* An idle group has the least weight, and the kernel refuses to give it another. */
	if (!shares || (cpu->idle.is_set && cpu->idle.value == 1))
		return;
	if (p->is_v2)
		planner_add(p, "cpu.weight", number(cgroup_plan_weight(shares)), "cpu.shares");
	else
		planner_add(p, "cpu.shares", unsigned_number(shares), "cpu.shares");
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
	uint64_t period = planner_given_u64(&cpu->period);
	int64_t quota = planner_given(&cpu->quota);

	if (cpu->burst.is_set) {
		struct cgroup_knob *knob =
			planner_add(p, p->is_v2 ? "cpu.max.burst" : "cpu.cfs_burst_us",
				    unsigned_number(cpu->burst.value), "cpu.burst");

		knob->may_wait = true;
		knob->is_optional = cpu->burst.value == 0;
	}
	if (p->is_v2) {
		if (quota || period)
			planner_add(p, "cpu.max", cpu_max(quota, period),
				    quota ? "cpu.quota" : "cpu.period");
		return;
	}
	if (period)
		planner_add(p, "cpu.cfs_period_us", unsigned_number(period), "cpu.period")
			->may_wait = true;
	if (quota)
		planner_add(p, "cpu.cfs_quota_us", number(quota < 0 ? -1 : quota), "cpu.quota")
			->may_wait = true;
}

static int plan_realtime(struct planner *p, const struct oci_cpu *cpu)
{
	uint64_t period = planner_given_u64(&cpu->realtime_period);
	int64_t runtime = planner_given(&cpu->realtime_runtime);

	if (p->is_v2) {
		if (period || runtime)
			return planner_refuse(p,
					      period ? "cpu.realtimePeriod" : "cpu.realtimeRuntime",
					      "cgroup v2 has no real-time limits");
		return 0;
	}
	if (period)
		planner_add(p, "cpu.rt_period_us", unsigned_number(period), "cpu.realtimePeriod");
	if (runtime)
		planner_add(p, "cpu.rt_runtime_us", number(runtime), "cpu.realtimeRuntime");
	return 0;
}

static int plan_cpu(struct planner *p, const struct oci_cpu *cpu)
{
	plan_shares(p, cpu);
	plan_bandwidth(p, cpu);
	if (cpu->cpus && *cpu->cpus)
		planner_add(p, "cpuset.cpus", xstrdup(cpu->cpus), "cpu.cpus");
	if (cpu->mems && *cpu->mems)
		planner_add(p, "cpuset.mems", xstrdup(cpu->mems), "cpu.mems");
	return plan_realtime(p, cpu);
}

static void plan_pids(struct planner *p, const struct oci_pids *pids)
{
	int64_t limit = pids->limit.value;
	struct cgroup_knob *knob;

	if (!pids->limit.is_set)
		return;
	/* 0 forbids every process, the first too; the least that works is 1. */
	knob = planner_add(p, "pids.max", limit < 0 ? xstrdup("max") : number(limit ? limit : 1),
			   "pids.limit");
	knob->is_optional = limit < 0;
}

/* Values of several lines ("8:0 rbps=1\n8:16 rbps=1") are as many writes. */
static int plan_unified(struct planner *p, const struct string_pair *pair)
{
	cleanup_free char *config = xasprintf("unified[\"%s\"]", pair->key);
	cleanup_strv char **lines = strv_split(pair->value, '\n');

	if (strchr(pair->key, '/'))
		return planner_refuse(p, config, "must be a file name (no slashes)");
	if (!strchr(pair->key, '.') || *pair->key == '.')
		return planner_refuse(p, config, "must be in the form CONTROLLER.PARAMETER");
	strv_each(line, lines)
		if (*line || streq(pair->value, ""))
			planner_add(p, pair->key, xstrdup(line), config);
	return 0;
}

static int plan_all(struct planner *p, const struct oci_resources *resources)
{
	int r = cgroup_plan_memory(p, &resources->memory);

	if (r < 0)
		return r;
	r = plan_cpu(p, &resources->cpu);
	if (r < 0)
		return r;
	plan_pids(p, &resources->pids);
	r = cgroup_plan_devices_io(p, resources);
	if (r < 0)
		return r;
	if (resources->unified.count && !p->is_v2)
		return planner_refuse(p, "unified", "this host has cgroup v1");
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
