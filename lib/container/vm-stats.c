/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-stats.h"

#include <ctype.h>

#include "lib/base/str.h"
#include "lib/engine/cgroup-stats.h"

#define LIST_MAX 4096 /* more devices, processors or counters than any guest of ours has */
#define TEXT_MAX 128

static size_t at_most(size_t count)
{
	return count < LIST_MAX ? count : LIST_MAX;
}

static char *copy_word(const char *text)
{
	char *copy = xstrndup(text ? text : "", TEXT_MAX);

	for (char *c = copy; *c; c++)
		if (!isgraph((unsigned char)*c))
			*c = '?';
	return copy;
}

static struct opt_u64 number(uint64_t value)
{
	return (struct opt_u64){ value, true };
}

static void read_cpu(const grpc_CpuStats *cpu, struct cgroup_cpu_stats *ret)
{
	const grpc_CpuUsage *usage = &cpu->cpu_usage;
	size_t count = at_most(usage->percpu_usage_count);

	ret->total = number(usage->total_usage);
	ret->kernel = number(usage->usage_in_kernelmode);
	ret->user = number(usage->usage_in_usermode);
	if (count) {
		ret->percpu.items = xmemdup(usage->percpu_usage, count * sizeof(uint64_t));
		ret->percpu.count = count;
	}
	ret->periods = number(cpu->throttling_data.periods);
	ret->throttled_periods = number(cpu->throttling_data.throttled_periods);
	ret->throttled_time = number(cpu->throttling_data.throttled_time);
}

static struct cgroup_usage read_usage(bool is_set, const grpc_MemoryData *data)
{
	return (struct cgroup_usage){
		.is_set = is_set,
		.usage = data->usage,
		.max = number(data->max_usage),
		.limit = data->limit,
		.failcnt = number(data->failcnt),
	};
}

static void read_memory(const grpc_MemoryStats *memory, struct cgroup_memory_stats *ret)
{
	size_t count = at_most(memory->stats_count);

	ret->cache = number(memory->cache);
	ret->usage = read_usage(memory->has_usage, &memory->usage);
	ret->swap = read_usage(memory->has_swap_usage, &memory->swap_usage);
	ret->kernel = read_usage(memory->has_kernel_usage, &memory->kernel_usage);
	ret->raw = xcalloc(count, sizeof(*ret->raw));
	ret->raw_count = count;
	for (size_t i = 0; i < count; i++)
		ret->raw[i] = (struct cgroup_stat_pair){
			copy_word(memory->stats[i].key),
			memory->stats[i].value,
		};
}

static void read_entries(const grpc_BlkioStatsEntry *entries, size_t count,
			 struct cgroup_blkio_entries *ret)
{
	count = at_most(count);
	ret->items = xcalloc(count, sizeof(*ret->items));
	ret->count = count;
	for (size_t i = 0; i < count; i++)
		ret->items[i] = (struct cgroup_blkio_entry){
			.major = entries[i].major,
			.minor = entries[i].minor,
			.op = copy_word(entries[i].op),
			.value = entries[i].value,
		};
}

#define READ_ENTRIES(from, to) read_entries(blkio->from, blkio->from##_count, &ret->to)
static void read_blkio(const grpc_BlkioStats *blkio, struct cgroup_blkio_stats *ret)
{
	READ_ENTRIES(io_service_bytes_recursive, service_bytes);
	READ_ENTRIES(io_serviced_recursive, serviced);
	READ_ENTRIES(io_queued_recursive, queued);
	READ_ENTRIES(io_service_time_recursive, service_time);
	READ_ENTRIES(io_wait_time_recursive, wait_time);
	READ_ENTRIES(io_merged_recursive, merged);
	READ_ENTRIES(io_time_recursive, time);
	READ_ENTRIES(sectors_recursive, sectors);
}
#undef READ_ENTRIES

static void read_hugetlb(const grpc_CgroupStats *stats, struct cgroup_stats *ret)
{
	size_t count = at_most(stats->hugetlb_stats_count);

	ret->hugetlb = xcalloc(count, sizeof(*ret->hugetlb));
	ret->hugetlb_count = count;
	for (size_t i = 0; i < count; i++) {
		const grpc_HugetlbStats *value = &stats->hugetlb_stats[i].value;

		ret->hugetlb[i] = (struct cgroup_hugetlb_stats){
			.size = copy_word(stats->hugetlb_stats[i].key),
			.usage = { true, value->usage, number(value->max_usage), 0,
				   number(value->failcnt) },
		};
	}
}

void vm_stats_read(const grpc_CgroupStats *stats, struct cgroup_stats *ret)
{
	*ret = (struct cgroup_stats){ 0 };
	read_cpu(&stats->cpu_stats, &ret->cpu);
	read_memory(&stats->memory_stats, &ret->memory);
	ret->pids.current = number(stats->pids_stats.current);
	ret->pids.limit = number(stats->pids_stats.limit);
	read_blkio(&stats->blkio_stats, &ret->blkio);
	read_hugetlb(stats, ret);
}
