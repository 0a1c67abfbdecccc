/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/stats-text.h"

#include "lib/base/json.h"
#include "lib/engine/cgroup-stats.h"
#include "lib/engine/intel-rdt.h"

/* A number by its key; some stand there when they are 0, too. */
static void add(struct json_writer *w, const char *key, uint64_t value)
{
	json_key(w, key);
	json_u64(w, value);
}

static void add_nonzero(struct json_writer *w, const char *key, uint64_t value)
{
	if (value)
		add(w, key, value);
}

static void add_list(struct json_writer *w, const char *key, const struct cgroup_u64s *list)
{
	if (!list->count)
		return;
	json_key(w, key);
	json_open_array(w);
	for (size_t i = 0; i < list->count; i++)
		json_u64(w, list->items[i]);
	json_close_array(w);
}

static void open_object(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_open_map(w);
}

static void add_double(struct json_writer *w, const char *key, double value)
{
	json_key(w, key);
	json_double(w, value);
}

static void add_psi_line(struct json_writer *w, const char *key, const struct cgroup_psi_line *line)
{
	open_object(w, key);
	add_double(w, "avg10", line->avg10);
	add_double(w, "avg60", line->avg60);
	add_double(w, "avg300", line->avg300);
	add(w, "total", line->total);
	json_close_map(w);
}

static void add_psi(struct json_writer *w, const struct cgroup_psi *psi)
{
	if (!psi->is_set)
		return;
	open_object(w, "psi");
	add_psi_line(w, "some", &psi->some);
	if (psi->has_full)
		add_psi_line(w, "full", &psi->full);
	json_close_map(w);
}

static void add_cpu(struct json_writer *w, const struct cgroup_cpu_stats *cpu)
{
	open_object(w, "cpu");
	open_object(w, "usage");
	add_nonzero(w, "total", cpu->total.value);
	add_list(w, "percpu", &cpu->percpu);
	add_list(w, "percpu_kernel", &cpu->percpu_kernel);
	add_list(w, "percpu_user", &cpu->percpu_user);
	add(w, "kernel", cpu->kernel.value);
	add(w, "user", cpu->user.value);
	json_close_map(w);
	open_object(w, "throttling");
	add_nonzero(w, "periods", cpu->periods.value);
	add_nonzero(w, "throttledPeriods", cpu->throttled_periods.value);
	add_nonzero(w, "throttledTime", cpu->throttled_time.value);
	json_close_map(w);
	add_psi(w, &cpu->psi);
	json_close_map(w);
}

static void add_cpuset(struct json_writer *w, const struct cgroup_cpuset_stats *set)
{
	open_object(w, "cpuset");
	add_list(w, "cpus", &set->cpus);
	add(w, "cpu_exclusive", set->cpu_exclusive.value);
	add_list(w, "mems", &set->mems);
	add(w, "mem_hardwall", set->mem_hardwall.value);
	add(w, "mem_exclusive", set->mem_exclusive.value);
	add(w, "memory_migrate", set->memory_migrate.value);
	add(w, "memory_spread_page", set->memory_spread_page.value);
	add(w, "memory_spread_slab", set->memory_spread_slab.value);
	add(w, "memory_pressure", set->memory_pressure.value);
	add(w, "sched_load_balance", set->sched_load_balance.value);
	json_key(w, "sched_relax_domain_level");
	json_i64(w, set->sched_relax_domain_level.value);
	json_close_map(w);
}

static void add_usage(struct json_writer *w, const char *key, const struct cgroup_usage *usage)
{
	open_object(w, key);
	add(w, "limit", usage->limit);
	add_nonzero(w, "usage", usage->usage);
	add_nonzero(w, "max", usage->max.value);
	add(w, "failcnt", usage->failcnt.value);
	json_close_map(w);
}

static void add_memory(struct json_writer *w, const struct cgroup_memory_stats *memory)
{
	open_object(w, "memory");
	add_nonzero(w, "cache", memory->cache.value);
	add_usage(w, "usage", &memory->usage);
	add_usage(w, "swap", &memory->swap);
	add_usage(w, "kernel", &memory->kernel);
	add_usage(w, "kernelTCP", &memory->kernel_tcp);
	if (memory->raw_count) {
		open_object(w, "raw");
		for (size_t i = 0; i < memory->raw_count; i++)
			add(w, memory->raw[i].key, memory->raw[i].value);
		json_close_map(w);
	}
	add_psi(w, &memory->psi);
	json_close_map(w);
}

static void add_pids(struct json_writer *w, const struct cgroup_pids_stats *pids)
{
	open_object(w, "pids");
	add_nonzero(w, "current", pids->current.value);
	add_nonzero(w, "limit", pids->limit.value);
	json_close_map(w);
}

static void add_entries(struct json_writer *w, const char *key,
			const struct cgroup_blkio_entries *entries)
{
	if (!entries->count)
		return;
	json_key(w, key);
	json_open_array(w);
	for (size_t i = 0; i < entries->count; i++) {
		const struct cgroup_blkio_entry *e = &entries->items[i];

		json_open_map(w);
		add_nonzero(w, "major", e->major);
		add_nonzero(w, "minor", e->minor);
		if (e->op && *e->op) {
			json_key(w, "op");
			json_string(w, e->op);
		}
		add_nonzero(w, "value", e->value);
		json_close_map(w);
	}
	json_close_array(w);
}

static void add_blkio(struct json_writer *w, const struct cgroup_blkio_stats *blkio)
{
	open_object(w, "blkio");
	add_entries(w, "ioServiceBytesRecursive", &blkio->service_bytes);
	add_entries(w, "ioServicedRecursive", &blkio->serviced);
	add_entries(w, "ioQueueRecursive", &blkio->queued);
	add_entries(w, "ioServiceTimeRecursive", &blkio->service_time);
	add_entries(w, "ioWaitTimeRecursive", &blkio->wait_time);
	add_entries(w, "ioMergedRecursive", &blkio->merged);
	add_entries(w, "ioTimeRecursive", &blkio->time);
	add_entries(w, "sectorsRecursive", &blkio->sectors);
	add_psi(w, &blkio->psi);
	json_close_map(w);
}

static void add_hugetlb(struct json_writer *w, const struct cgroup_stats *stats)
{
	open_object(w, "hugetlb");
	for (size_t i = 0; i < stats->hugetlb_count; i++) {
		const struct cgroup_usage *usage = &stats->hugetlb[i].usage;

		open_object(w, stats->hugetlb[i].size);
		add_nonzero(w, "usage", usage->usage);
		add_nonzero(w, "max", usage->max.value);
		add(w, "failcnt", usage->failcnt.value);
		json_close_map(w);
	}
	json_close_map(w);
}

static void add_text(struct json_writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_key(w, key);
	json_string(w, text);
}

static void add_rdt_info(struct json_writer *w, const struct intel_rdt_stats *rdt)
{
	if (rdt->has_l3_info) {
		open_object(w, "l3_cache_info");
		add_text(w, "cbm_mask", rdt->l3_cbm_mask);
		add_nonzero(w, "min_cbm_bits", rdt->l3_min_cbm_bits);
		add_nonzero(w, "num_closids", rdt->l3_num_closids);
		json_close_map(w);
	}
	add_text(w, "l3_cache_schema_root", rdt->l3_schema_root);
	add_text(w, "l3_cache_schema", rdt->l3_schema);
	if (rdt->has_mb_info) {
		open_object(w, "mem_bw_info");
		add_nonzero(w, "bandwidth_gran", rdt->mb_bandwidth_gran);
		add_nonzero(w, "delay_linear", rdt->mb_delay_linear);
		add_nonzero(w, "min_bandwidth", rdt->mb_min_bandwidth);
		add_nonzero(w, "num_closids", rdt->mb_num_closids);
		json_close_map(w);
	}
	add_text(w, "mem_bw_schema_root", rdt->mb_schema_root);
	add_text(w, "mem_bw_schema", rdt->mb_schema);
}

static void add_rdt_schemata(struct json_writer *w, const struct intel_rdt_stats *rdt)
{
	if (!rdt->schemata)
		return;
	json_key(w, "schemata");
	json_open_array(w);
	strv_each(line, rdt->schemata)
		json_string(w, line);
	json_close_array(w);
}

static void add_rdt_monitoring(struct json_writer *w, const struct intel_rdt_stats *rdt)
{
	if (rdt->mbm_count) {
		json_key(w, "mbm_stats");
		json_open_array(w);
		for (size_t i = 0; i < rdt->mbm_count; i++) {
			json_open_map(w);
			add_nonzero(w, "mbm_total_bytes", rdt->mbm[i].total_bytes);
			add_nonzero(w, "mbm_local_bytes", rdt->mbm[i].local_bytes);
			json_close_map(w);
		}
		json_close_array(w);
	}
	if (rdt->llc_occupancy_count) {
		json_key(w, "cmt_stats");
		json_open_array(w);
		for (size_t i = 0; i < rdt->llc_occupancy_count; i++) {
			json_open_map(w);
			add_nonzero(w, "llc_occupancy", rdt->llc_occupancy[i]);
			json_close_map(w);
		}
		json_close_array(w);
	}
}

static void add_rdt(struct json_writer *w, const struct intel_rdt_stats *rdt)
{
	open_object(w, "intel_rdt");
	if (rdt) {
		add_rdt_info(w, rdt);
		add_rdt_schemata(w, rdt);
		add_rdt_monitoring(w, rdt);
	}
	json_close_map(w);
}

static struct json_writer *open_event(const char *type, const char *id)
{
	struct json_writer *w = json_writer_new(false);

	json_open_map(w);
	json_key(w, "type");
	json_string(w, type);
	json_key(w, "id");
	json_string(w, id);
	return w;
}

static char *close_event(struct json_writer *w)
{
	json_close_map(w);
	return json_finish(w);
}

char *event_stats_text(const char *id, const struct cgroup_stats *stats,
		       const struct intel_rdt_stats *rdt)
{
	struct json_writer *w = open_event("stats", id);

	open_object(w, "data");
	add_cpu(w, &stats->cpu);
	add_cpuset(w, &stats->cpuset);
	add_memory(w, &stats->memory);
	add_pids(w, &stats->pids);
	add_blkio(w, &stats->blkio);
	add_hugetlb(w, stats);
	add_rdt(w, rdt);
	/* runc counts those alone that it made itself, which no engine asks it for. */
	json_key(w, "network_interfaces");
	json_null(w);
	json_close_map(w);
	return close_event(w);
}

char *event_oom_text(const char *id)
{
	return close_event(open_event("oom", id));
}
