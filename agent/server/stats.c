/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-stats.h"

/* StatsContainer: the cgroup's numbers in the protocol's messages. What they have no room for
 * (cpusets, pressure) stays here. */

static void fill_cpu(const struct cgroup_cpu_stats *cpu, grpc_CpuStats *ret)
{
	ret->has_cpu_usage = true;
	ret->cpu_usage = (grpc_CpuUsage){
		.total_usage = cpu->total.value,
		.usage_in_kernelmode = cpu->kernel.value,
		.usage_in_usermode = cpu->user.value,
	};
	ret->has_throttling_data = true;
	ret->throttling_data = (grpc_ThrottlingData){
		.periods = cpu->periods.value,
		.throttled_periods = cpu->throttled_periods.value,
		.throttled_time = cpu->throttled_time.value,
	};
}

static grpc_MemoryData memory_data(const struct cgroup_usage *usage)
{
	return (grpc_MemoryData){
		.usage = usage->usage,
		.max_usage = usage->max.value,
		.failcnt = usage->failcnt.value,
		.limit = usage->limit,
	};
}

static void fill_memory(const struct cgroup_memory_stats *memory, grpc_MemoryStats *ret)
{
	ret->cache = memory->cache.value;
	ret->has_usage = memory->usage.is_set;
	ret->usage = memory_data(&memory->usage);
	ret->has_swap_usage = memory->swap.is_set;
	ret->swap_usage = memory_data(&memory->swap);
	ret->has_kernel_usage = memory->kernel.is_set;
	ret->kernel_usage = memory_data(&memory->kernel);
	ret->use_hierarchy = true; /* as it is on v2 */
	ret->stats = xcalloc(memory->raw_count, sizeof(*ret->stats));
	ret->stats_count = (pb_size_t)memory->raw_count;
	for (size_t i = 0; i < memory->raw_count; i++)
		ret->stats[i] = (grpc_MemoryStats_StatsEntry){
			xstrdup(memory->raw[i].key),
			memory->raw[i].value,
		};
}

static void fill_entries(const struct cgroup_blkio_entries *entries, grpc_BlkioStatsEntry **ret,
			 pb_size_t *ret_count)
{
	if (!entries->count)
		return;
	*ret = xcalloc(entries->count, sizeof(**ret));
	*ret_count = (pb_size_t)entries->count;
	for (size_t i = 0; i < entries->count; i++) {
		const struct cgroup_blkio_entry *e = &entries->items[i];

		(*ret)[i] = (grpc_BlkioStatsEntry){ e->major, e->minor, xstrdup(e->op), e->value };
	}
}

static void fill_blkio(const struct cgroup_blkio_stats *blkio, grpc_BlkioStats *ret)
{
	fill_entries(&blkio->service_bytes, &ret->io_service_bytes_recursive,
		     &ret->io_service_bytes_recursive_count);
	fill_entries(&blkio->serviced, &ret->io_serviced_recursive,
		     &ret->io_serviced_recursive_count);
	fill_entries(&blkio->queued, &ret->io_queued_recursive, &ret->io_queued_recursive_count);
	fill_entries(&blkio->service_time, &ret->io_service_time_recursive,
		     &ret->io_service_time_recursive_count);
	fill_entries(&blkio->wait_time, &ret->io_wait_time_recursive,
		     &ret->io_wait_time_recursive_count);
	fill_entries(&blkio->merged, &ret->io_merged_recursive, &ret->io_merged_recursive_count);
	fill_entries(&blkio->time, &ret->io_time_recursive, &ret->io_time_recursive_count);
	fill_entries(&blkio->sectors, &ret->sectors_recursive, &ret->sectors_recursive_count);
}

static void fill_hugetlb(const struct cgroup_stats *stats, grpc_CgroupStats *ret)
{
	if (!stats->hugetlb_count)
		return;
	ret->hugetlb_stats = xcalloc(stats->hugetlb_count, sizeof(*ret->hugetlb_stats));
	ret->hugetlb_stats_count = (pb_size_t)stats->hugetlb_count;
	for (size_t i = 0; i < stats->hugetlb_count; i++) {
		const struct cgroup_usage *usage = &stats->hugetlb[i].usage;

		ret->hugetlb_stats[i] = (grpc_CgroupStats_HugetlbStatsEntry){
			.key = xstrdup(stats->hugetlb[i].size),
			.has_value = true,
			.value = { usage->usage, usage->max.value, usage->failcnt.value },
		};
	}
}

int stats_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_StatsContainerRequest *req = request;
	const struct container *container = container_find(call->server, req->container_id, err);
	cleanup_cgroup_stats struct cgroup_stats stats = { 0 };
	grpc_CgroupStats *ret = &((grpc_StatsContainerResponse *)response)->cgroup_stats;
	int r;

	if (!container)
		return err->code;
	r = cgroup_stats(container->cgroup, &stats, err);
	if (r < 0)
		return r;
	((grpc_StatsContainerResponse *)response)->has_cgroup_stats = true;
	ret->has_cpu_stats = ret->has_memory_stats = ret->has_pids_stats = true;
	ret->has_blkio_stats = true;
	fill_cpu(&stats.cpu, &ret->cpu_stats);
	fill_memory(&stats.memory, &ret->memory_stats);
	ret->pids_stats = (grpc_PidsStats){ stats.pids.current.value, stats.pids.limit.value };
	fill_blkio(&stats.blkio, &ret->blkio_stats);
	fill_hugetlb(&stats, ret);
	return 0;
}
