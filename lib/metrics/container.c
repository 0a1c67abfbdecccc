/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/metrics/container.h"

#include <stddef.h>

#include "lib/base/str.h"
#include "lib/engine/cgroup-stats.h"

#define NS_PER_S 1000000000
#define US_PER_S 1000000

/* cgroup v1 says "no limit" by the largest number of whole pages. */
#define LIMIT_MAX (UINT64_MAX / 4)

struct number {
	struct metrics_family family;
	size_t offset;	  /* of a struct opt_u64 */
	uint64_t units_s; /* of a time; 0: it is none */
};

/* clang-format off */
#define AT(member) offsetof(struct cgroup_stats, member)
static const struct number numbers[] = {
	{ { "moat_container_cpu_usage_seconds_total", METRICS_COUNTER, "Processor time." }, AT(cpu.total), NS_PER_S },
	{ { "moat_container_cpu_user_seconds_total", METRICS_COUNTER, "Processor time in programs." }, AT(cpu.user), NS_PER_S },
	{ { "moat_container_cpu_system_seconds_total", METRICS_COUNTER, "Processor time in the kernel." }, AT(cpu.kernel), NS_PER_S },
	{ { "moat_container_cpu_periods_total", METRICS_COUNTER, "Periods of the processor quota." }, AT(cpu.periods), 0 },
	{ { "moat_container_cpu_throttled_periods_total", METRICS_COUNTER, "Periods in which the quota was used up." }, AT(cpu.throttled_periods), 0 },
	{ { "moat_container_cpu_throttled_seconds_total", METRICS_COUNTER, "Time spent waiting for the next period." }, AT(cpu.throttled_time), NS_PER_S },
	{ { "moat_container_memory_cache_bytes", METRICS_GAUGE, "Page cache." }, AT(memory.cache), 0 },
	{ { "moat_container_processes", METRICS_GAUGE, "Processes and threads." }, AT(pids.current), 0 },
};

struct usage {
	struct metrics_family usage, max, limit, failures;
	size_t offset; /* of a struct cgroup_usage */
};

static const struct usage usages[] = {
	{
		{ "moat_container_memory_usage_bytes", METRICS_GAUGE, "Memory in use, page cache included." },
		{ "moat_container_memory_max_usage_bytes", METRICS_GAUGE, "The most memory that was in use." },
		{ "moat_container_memory_limit_bytes", METRICS_GAUGE, "The memory limit, where there is one." },
		{ "moat_container_memory_failures_total", METRICS_COUNTER, "Times that the memory limit was hit." },
		AT(memory.usage),
	},
	{
		{ "moat_container_memory_swap_usage_bytes", METRICS_GAUGE, "Memory and swap in use." },
		{ "moat_container_memory_swap_max_usage_bytes", METRICS_GAUGE, "The most memory and swap that was in use." },
		{ "moat_container_memory_swap_limit_bytes", METRICS_GAUGE, "The limit of memory and swap, where there is one." },
		{ "moat_container_memory_swap_failures_total", METRICS_COUNTER, "Times that the limit of memory and swap was hit." },
		AT(memory.swap),
	},
};

static const struct {
	struct metrics_family family;
	size_t offset; /* of a struct cgroup_blkio_entries */
} transfers[] = {
	{ { "moat_container_io_bytes_total", METRICS_COUNTER, "Bytes from and to block devices." }, AT(blkio.service_bytes) },
	{ { "moat_container_io_operations_total", METRICS_COUNTER, "Operations of block devices." }, AT(blkio.serviced) },
};

static const struct {
	const char *resource;
	size_t offset; /* of a struct cgroup_psi */
} pressures[] = {
	{ "cpu", AT(cpu.psi) },
	{ "memory", AT(memory.psi) },
	{ "io", AT(blkio.psi) },
};
#undef AT
/* clang-format on */

static const void *member(const struct cgroup_stats *stats, size_t offset)
{
	return (const char *)stats + offset;
}

static void add_number(struct metrics *m, const struct number *n, const struct cgroup_stats *stats)
{
	const struct opt_u64 *value = member(stats, n->offset);

	if (!value->is_set)
		return;
	if (n->units_s)
		metrics_add_seconds(m, &n->family, NULL, value->value, n->units_s);
	else
		metrics_add_u64(m, &n->family, NULL, value->value);
}

static void add_limit(struct metrics *m, const struct metrics_family *family, uint64_t limit)
{
	if (limit && limit < LIMIT_MAX)
		metrics_add_u64(m, family, NULL, limit);
}

static void add_usage(struct metrics *m, const struct usage *u, const struct cgroup_stats *stats)
{
	const struct cgroup_usage *value = member(stats, u->offset);

	if (!value->is_set)
		return;
	metrics_add_u64(m, &u->usage, NULL, value->usage);
	if (value->max.is_set)
		metrics_add_u64(m, &u->max, NULL, value->max.value);
	if (value->failcnt.is_set)
		metrics_add_u64(m, &u->failures, NULL, value->failcnt.value);
	add_limit(m, &u->limit, value->limit);
}

/* cgroup v1 counts each operation by other words, too: Sync and Async, Total. */
static void add_transfers(struct metrics *m, const struct metrics_family *family,
			  const struct cgroup_blkio_entries *entries)
{
	static const char *const ops[][2] = {
		{ "Read", "read" },
		{ "Write", "write" },
		{ "Discard", "discard" },
	};

	for (size_t i = 0; i < entries->count; i++) {
		const struct cgroup_blkio_entry *e = &entries->items[i];
		cleanup_free char *device = xasprintf("%llu:%llu", (unsigned long long)e->major,
						      (unsigned long long)e->minor);
		struct metrics_label labels[] = { { "device", device }, { "op" }, { NULL } };

		for (size_t k = 0; k < ARRAY_SIZE(ops); k++)
			if (streq(ops[k][0], e->op))
				labels[1].value = ops[k][1];
		if (labels[1].value)
			metrics_add_u64(m, family, labels, e->value);
	}
}

static void add_pressure(struct metrics *m, const char *resource, const struct cgroup_psi *psi)
{
	static const struct metrics_family family = {
		"moat_container_pressure_seconds_total", METRICS_COUNTER,
		"Time in which some or all processes waited for a resource."
	};
	struct metrics_label labels[] = { { "resource", resource }, { "kind", "some" }, { NULL } };

	if (!psi->is_set)
		return;
	metrics_add_seconds(m, &family, labels, psi->some.total, US_PER_S);
	labels[1].value = "full";
	if (psi->has_full)
		metrics_add_seconds(m, &family, labels, psi->full.total, US_PER_S);
}

void metrics_add_container(struct metrics *m, const struct cgroup_stats *stats)
{
	static const struct metrics_family processes_limit = {
		"moat_container_processes_limit", METRICS_GAUGE,
		"The limit of processes and threads, where there is one."
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		add_number(m, &numbers[i], stats);
	for (size_t i = 0; i < ARRAY_SIZE(usages); i++)
		add_usage(m, &usages[i], stats);
	if (stats->pids.limit.is_set)
		add_limit(m, &processes_limit, stats->pids.limit.value);
	for (size_t i = 0; i < ARRAY_SIZE(transfers); i++)
		add_transfers(m, &transfers[i].family, member(stats, transfers[i].offset));
	for (size_t i = 0; i < ARRAY_SIZE(pressures); i++)
		add_pressure(m, pressures[i].resource, member(stats, pressures[i].offset));
}
