/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "lib/base/error.h"
#include "lib/engine/cgroup-devices.h"
#include "lib/engine/cgroup-plan.h"
#include "lib/systemd/properties.h"
#include "oci/config.h"

/*
 * systemd writes a unit's limits again whenever it sees fit (daemon-reload), so it has to know
 * ours. What it has no property for stays as we write it into the cgroup ourselves.
 */
#define PERIOD_DEFAULT_US 100000
#define CPUS_MAX 8192
/* systemd keeps the quota as a percentage, so less would be in force than was asked for. */
#define QUOTA_STEP_US 10000

static void add_number(struct unit_properties *p, const char *name, uint64_t value)
{
	unit_properties_add(p, name, "t", xasprintf("%" PRIu64, value));
	p->items[p->count - 1].is_optional = true;
}

/* -1 is "no limit" in the configuration, 0 "none given". */
static void add_limit(struct unit_properties *p, const char *name, const struct opt_i64 *limit)
{
	if (limit->is_set && limit->value)
		add_number(p, name, limit->value < 0 ? UINT64_MAX : (uint64_t)limit->value);
}

static void add_memory(struct unit_properties *p, const struct oci_memory *m, bool is_v2)
{
	struct opt_i64 swap = m->swap;

	add_limit(p, is_v2 ? "MemoryMax" : "MemoryLimit", &m->limit);
	if (!is_v2)
		return;
	add_limit(p, "MemoryLow", &m->reservation);
	/* The configuration's counts memory too; without a word, unlimited memory has all swap. */
	if (m->limit.is_set && m->limit.value == -1 && !(swap.is_set && swap.value))
		swap = (struct opt_i64){ -1, true };
	if (!swap.is_set || !swap.value)
		return;
	if (swap.value < 0)
		add_limit(p, "MemorySwapMax", &swap);
	else if (m->limit.is_set && m->limit.value > 0 && swap.value >= m->limit.value)
		add_number(p, "MemorySwapMax", (uint64_t)(swap.value - m->limit.value));
}

static void add_quota(struct unit_properties *p, int64_t quota, uint64_t period)
{
	uint64_t used = period ? period : PERIOD_DEFAULT_US;

	if (period)
		add_number(p, "CPUQuotaPeriodUSec", period);
	if (quota > 0 && quota <= INT64_MAX / 1000000) {
		uint64_t a_second = (uint64_t)quota * 1000000 / used;

		a_second = (a_second + QUOTA_STEP_US - 1) / QUOTA_STEP_US * QUOTA_STEP_US;
		add_number(p, "CPUQuotaPerSecUSec", a_second);
	} else if (quota) {
		add_number(p, "CPUQuotaPerSecUSec", UINT64_MAX);
	}
}

/* Sets the bits @first to @last. */
static int set_bits(uint8_t *bits, const char *first_text, const char *last_text, size_t *bytes)
{
	uint32_t first, last;

	if (parse_u32(first_text, &first) < 0 || parse_u32(last_text, &last) < 0 || last < first ||
	    last >= CPUS_MAX)
		return -EINVAL;
	for (uint32_t i = first; i <= last; i++)
		bits[i / 8] |= (uint8_t)(1u << (i % 8));
	if (*bytes < last / 8 + 1)
		*bytes = last / 8 + 1;
	return 0;
}

/* "0-3,5" as a mask, bit 0 first. */
static int add_mask(struct unit_properties *p, const char *name, const char *list,
		    const char *config, struct error *err)
{
	cleanup_strv char **ranges = list ? strv_split(list, ',') : NULL;
	uint8_t bits[CPUS_MAX / 8] = { 0 };
	size_t bytes = 0;
	char ***words;

	if (!list || !*list)
		return 0;
	strv_each(range, ranges) {
		char *dash = strchr(range, '-');

		if (dash)
			*dash = '\0';
		if (set_bits(bits, range, dash ? dash + 1 : range, &bytes) < 0)
			return error_set(err, -EINVAL, "linux.resources.%s: no list: '%s'", config,
					 list);
	}
	words = unit_properties_add(p, name, "ay", NULL);
	for (size_t i = 0; i < bytes; i++)
		strv_pushf(words, "%u", bits[i]);
	p->items[p->count - 1].is_optional = true;
	return 0;
}

static int add_cpu(struct unit_properties *p, const struct oci_cpu *cpu, bool is_v2,
		   struct error *err)
{
	int r;

	/* What is idle has no weight. */
	if (cpu->shares.is_set && cpu->shares.value && !(cpu->idle.is_set && cpu->idle.value)) {
		if (is_v2)
			add_number(p, "CPUWeight", cgroup_plan_weight(cpu->shares.value));
		else
			add_number(p, "CPUShares", cpu->shares.value);
	}
	add_quota(p, cpu->quota.is_set ? cpu->quota.value : 0,
		  cpu->period.is_set ? cpu->period.value : 0);
	if (!is_v2)
		return 0;
	r = add_mask(p, "AllowedCPUs", cpu->cpus, "cpu.cpus", err);
	return r < 0 ? r : add_mask(p, "AllowedMemoryNodes", cpu->mems, "cpu.mems", err);
}

/* Keys of v2's own that systemd knows, and would write over. */
static const struct unified {
	const char *key;
	const char *name;
} unified_limits[] = {
	{ "memory.min", "MemoryMin" },		{ "memory.low", "MemoryLow" },
	{ "memory.high", "MemoryHigh" },	{ "memory.max", "MemoryMax" },
	{ "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
	{ "cpu.weight", "CPUWeight" },
};

static const char *find_unified(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(unified_limits); i++)
		if (streq(unified_limits[i].key, key))
			return unified_limits[i].name;
	return NULL;
}

static void add_cpu_max(struct unit_properties *p, const char *value)
{
	cleanup_strv char **words = strv_split(value, ' ');
	int64_t quota = -1;
	uint64_t period = 0;

	if (words[0])
		(void)parse_i64(words[0], &quota); /* "max" stays -1 */
	if (words[0] && words[1])
		(void)parse_u64(words[1], &period); /* the kernel says what is wrong with it */
	add_quota(p, quota, period);
}

static int add_unified(struct unit_properties *p, const struct string_pair *pair, struct error *err)
{
	const char *name = find_unified(pair->key);
	uint64_t value = UINT64_MAX;

	if (streq(pair->key, "cpuset.cpus"))
		return add_mask(p, "AllowedCPUs", pair->value, "unified[\"cpuset.cpus\"]", err);
	if (streq(pair->key, "cpuset.mems"))
		return add_mask(p, "AllowedMemoryNodes", pair->value, "unified[\"cpuset.mems\"]",
				err);
	if (streq(pair->key, "cpu.max"))
		add_cpu_max(p, pair->value);
	/* "50M" is understood by the kernel, and left to it. */
	if (name && (streq(pair->value, "max") || parse_u64(pair->value, &value) == 0))
		add_number(p, name, value);
	return 0;
}

int unit_properties_of_resources(const struct oci_resources *resources, bool is_v2,
				 struct unit_properties *p, struct error *err)
{
	struct opt_i64 pids = resources->pids.limit;
	int r;

	add_memory(p, &resources->memory, is_v2);
	r = add_cpu(p, &resources->cpu, is_v2, err);
	/* 0 is no number of tasks that systemd takes; the least that works is 1. */
	if (pids.is_set && !pids.value)
		pids.value = 1;
	add_limit(p, "TasksMax", &pids);
	for (size_t i = 0; r == 0 && is_v2 && i < resources->unified.count; i++)
		r = add_unified(p, &resources->unified.items[i], err);
	return r;
}

/* The name that a major number has in the part of proc_devices(5) for its kind. free(3) it; NULL:
 * no driver has it. */
static char *find_driver(const char *proc_devices, char type, int64_t major)
{
	cleanup_strv char **lines = strv_split(proc_devices, '\n');
	bool is_there = false;

	strv_each(line, lines) {
		cleanup_strv char **words = strv_split(line + strspn(line, " "), ' ');
		int64_t number;

		if (str_ends_with(line, " devices:"))
			is_there = *line == (type == 'b' ? 'B' : 'C');
		else if (is_there && strv_len(words) == 2 && parse_i64(words[0], &number) == 0 &&
			 number == major)
			return xstrdup(words[1]);
	}
	return NULL;
}

/* A major number with any minor is a driver's name for systemd. One that no driver has is, for
 * whichever comes, the whole kind: our own rules have the last word. */
static char *device_name(const struct device_rule *rule, const char *proc_devices)
{
	const char *kind = rule->type == 'b' ? "block" : "char";
	cleanup_free char *driver = NULL;

	if (rule->major != DEVICE_ANY && rule->minor != DEVICE_ANY)
		return xasprintf("/dev/%s/%" PRId64 ":%" PRId64, kind, rule->major, rule->minor);
	if (rule->major != DEVICE_ANY)
		driver = find_driver(proc_devices, rule->type, rule->major);
	return xasprintf("%s-%s", kind, driver ? driver : "*");
}

static char *access_letters(unsigned int access)
{
	return xasprintf("%s%s%s", access & DEVICE_READ ? "r" : "",
			 access & DEVICE_WRITE ? "w" : "", access & DEVICE_MKNOD ? "m" : "");
}

static void allow(char ***words, const struct device_rule *rule, const char *proc_devices)
{
	for (const char *type = "cb"; *type; type++) {
		struct device_rule of_type = *rule;

		if (rule->type != 'a' && rule->type != *type)
			continue;
		of_type.type = *type;
		strv_push(words, device_name(&of_type, proc_devices));
		strv_push(words, access_letters(rule->access));
	}
}

/* What is denied of something that was allowed, systemd cannot be told: it allows more there. */
int unit_properties_of_devices(const struct oci_resources *resources, const char *proc_devices,
			       struct unit_properties *p, struct error *err)
{
	cleanup_free struct device_rule *rules = NULL;
	size_t count, first = 0;
	char ***words;
	int r = cgroup_devices_rules(resources, &rules, &count, err);

	if (r < 0)
		return r;
	/* What stands in front of a rule about everything has no effect any more. */
	for (size_t i = 0; i < count; i++)
		if (rules[i].type == 'a' && rules[i].major == DEVICE_ANY &&
		    rules[i].minor == DEVICE_ANY && rules[i].access == DEVICE_ALL)
			first = i;
	if (first < count && rules[first].type == 'a' && rules[first].allow) {
		unit_properties_add(p, "DevicePolicy", "s", xstrdup("auto"));
		return 0;
	}
	unit_properties_add(p, "DevicePolicy", "s", xstrdup("strict"));
	words = unit_properties_add(p, "DeviceAllow", "a(ss)", NULL);
	for (size_t i = first; i < count; i++)
		if (rules[i].allow)
			allow(words, &rules[i], proc_devices);
	return 0;
}
