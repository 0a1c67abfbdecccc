/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-stats-parse.h"

#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"
#define NSEC_PER_USEC 1000u
#define NSEC_PER_SEC 1000000000ull

struct collector {
	const struct cgroup *cg;
	struct cgroup_stats *stats;
	uint64_t tick_ns; /* of cpuacct.stat */
};

/* NULL: absent. */
static char *read_text(const struct collector *c, const char *controller, const char *file)
{
	const struct cgroup_hierarchy *h = cgroup_find(c->cg, controller);
	char *text = NULL;

	if (h)
		(void)cgroupfs_read(h->root_fd, cgroup_relative(c->cg), file, &text);
	return text;
}

/* "max" is UINT64_MAX. */
static bool read_number(const struct collector *c, const char *controller, const char *file,
			uint64_t *ret)
{
	cleanup_free char *text = read_text(c, controller, file);

	if (!text)
		return false;
	if (streq(text, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	return parse_u64(text, ret) == 0;
}

static void read_opt(const struct collector *c, const char *controller, const char *file,
		     struct opt_u64 *ret)
{
	ret->is_set = read_number(c, controller, file, &ret->value);
}

/* The lines of a file that are wanted: their keys, where they go, and what their unit is. */
struct keyed {
	const char *key;
	struct opt_u64 *ret;
	uint64_t unit;
};
struct keyed_table {
	const struct keyed *keyed;
	size_t count;
};

static void take_keyed(void *ctx, const char *key, uint64_t value)
{
	const struct keyed_table *table = ctx;

	for (size_t i = 0; i < table->count; i++) {
		const struct keyed *keyed = &table->keyed[i];

		if (streq(key, keyed->key))
			*keyed->ret = (struct opt_u64){ value * keyed->unit, true };
	}
}

static void read_keyed(const struct collector *c, const char *controller, const char *file,
		       const struct keyed *keyed, size_t count)
{
	cleanup_free char *text = read_text(c, controller, file);
	struct keyed_table table = { keyed, count };

	if (text)
		stats_parse_keyed(text, take_keyed, &table);
}

static void read_psi(const struct collector *c, const char *file, struct cgroup_psi *ret)
{
	const struct cgroup_hierarchy *h = cgroup_v2(c->cg);
	cleanup_free char *text = NULL;

	/* Of a hybrid host too, though its controllers are elsewhere. */
	if (h && cgroupfs_read(h->root_fd, cgroup_relative(c->cg), file, &text) == 0)
		stats_parse_psi(text, ret);
}

static void collect_cpu_v2(const struct collector *c)
{
	struct cgroup_cpu_stats *cpu = &c->stats->cpu;
	/* clang-format off */
	const struct keyed keyed[] = {
		{ "usage_usec", &cpu->total, NSEC_PER_USEC },
		{ "user_usec", &cpu->user, NSEC_PER_USEC },
		{ "system_usec", &cpu->kernel, NSEC_PER_USEC },
		{ "nr_periods", &cpu->periods, 1 },
		{ "nr_throttled", &cpu->throttled_periods, 1 },
		{ "throttled_usec", &cpu->throttled_time, NSEC_PER_USEC },
		{ "nr_bursts", &cpu->burst_periods, 1 },
		{ "burst_usec", &cpu->burst_time, NSEC_PER_USEC },
	};
	/* clang-format on */

	/* There also where the controller is not enabled (cgroup-v2.rst, "cpu.stat"). */
	read_keyed(c, "cgroup", "cpu.stat", keyed, ARRAY_SIZE(keyed));
}

static void collect_cpu_v1(const struct collector *c)
{
	struct cgroup_cpu_stats *cpu = &c->stats->cpu;
	/* clang-format off */
	const struct keyed throttling[] = {
		{ "nr_periods", &cpu->periods, 1 },
		{ "nr_throttled", &cpu->throttled_periods, 1 },
		{ "throttled_time", &cpu->throttled_time, 1 },
		{ "nr_bursts", &cpu->burst_periods, 1 },
		{ "burst_time", &cpu->burst_time, 1 },
	};
	const struct keyed modes[] = {
		{ "user", &cpu->user, c->tick_ns },
		{ "system", &cpu->kernel, c->tick_ns },
	};
	/* clang-format on */
	cleanup_free char *percpu = read_text(c, "cpuacct", "cpuacct.usage_percpu");
	cleanup_free char *all = read_text(c, "cpuacct", "cpuacct.usage_all");

	read_keyed(c, "cpu", "cpu.stat", throttling, ARRAY_SIZE(throttling));
	read_keyed(c, "cpuacct", "cpuacct.stat", modes, ARRAY_SIZE(modes));
	read_opt(c, "cpuacct", "cpuacct.usage", &cpu->total);
	if (percpu)
		stats_parse_numbers(percpu, &cpu->percpu);
	if (all)
		stats_parse_percpu(all, &cpu->percpu_user, &cpu->percpu_kernel);
}

static void collect_cpuset(const struct collector *c)
{
	struct cgroup_cpuset_stats *s = &c->stats->cpuset;
	const struct {
		const char *file;
		struct opt_u64 *ret;
	} flags[] = {
		{ "cpuset.cpu_exclusive", &s->cpu_exclusive },
		{ "cpuset.mem_hardwall", &s->mem_hardwall },
		{ "cpuset.mem_exclusive", &s->mem_exclusive },
		{ "cpuset.memory_migrate", &s->memory_migrate },
		{ "cpuset.memory_spread_page", &s->memory_spread_page },
		{ "cpuset.memory_spread_slab", &s->memory_spread_slab },
		{ "cpuset.memory_pressure", &s->memory_pressure },
		{ "cpuset.sched_load_balance", &s->sched_load_balance },
	};
	bool is_v2 = c->cg->layout == CGROUP_LAYOUT_V2;
	cleanup_free char *cpus =
		read_text(c, "cpuset", is_v2 ? "cpuset.cpus.effective" : "cpuset.cpus");
	cleanup_free char *mems =
		read_text(c, "cpuset", is_v2 ? "cpuset.mems.effective" : "cpuset.mems");
	cleanup_free char *level = read_text(c, "cpuset", "cpuset.sched_relax_domain_level");

	if (cpus)
		stats_parse_list(cpus, &s->cpus);
	if (mems)
		stats_parse_list(mems, &s->mems);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		read_opt(c, "cpuset", flags[i].file, flags[i].ret);
	if (level)
		s->sched_relax_domain_level.is_set =
			parse_i64(level, &s->sched_relax_domain_level.value) == 0;
}

static void add_raw(void *ctx, const char *key, uint64_t value)
{
	struct cgroup_memory_stats *m = ctx;

	m->raw = xrealloc(m->raw, m->raw_count + 1, sizeof(*m->raw));
	m->raw[m->raw_count++] = (struct cgroup_stat_pair){ xstrdup(key), value };
}

static void collect_raw_memory(const struct collector *c, const char *cache_key)
{
	struct cgroup_memory_stats *m = &c->stats->memory;
	cleanup_free char *text = read_text(c, "memory", "memory.stat");

	if (!text)
		return;
	stats_parse_keyed(text, add_raw, m);
	for (size_t i = 0; i < m->raw_count; i++)
		if (streq(m->raw[i].key, cache_key))
			m->cache = (struct opt_u64){ m->raw[i].value, true };
}

/* PREFIX.current, .max and .peak (Linux 5.19; of swap 6.5). */
static void read_usage_v2(const struct collector *c, const char *prefix, struct cgroup_usage *ret)
{
	cleanup_free char *current = xasprintf("%s.current", prefix);
	cleanup_free char *max = xasprintf("%s.max", prefix);
	cleanup_free char *peak = xasprintf("%s.peak", prefix);

	ret->is_set = read_number(c, "memory", current, &ret->usage) &&
		      read_number(c, "memory", max, &ret->limit);
	read_opt(c, "memory", peak, &ret->max);
}

/* Swap in v1's sense, with memory. The sum of two peaks at two times would be none. */
static void collect_memory_v2(const struct collector *c)
{
	struct cgroup_memory_stats *m = &c->stats->memory;

	collect_raw_memory(c, "file");
	read_usage_v2(c, "memory", &m->usage);
	read_usage_v2(c, "memory.swap", &m->swap);
	m->swap.max = (struct opt_u64){ 0, false };
	m->swap.is_set &= m->usage.is_set;
	m->swap.usage += m->usage.usage;
	if (m->swap.limit != UINT64_MAX && m->usage.limit == UINT64_MAX)
		m->swap.limit = UINT64_MAX;
	else if (m->swap.limit != UINT64_MAX)
		m->swap.limit += m->usage.limit;
}

static void read_usage_v1(const struct collector *c, const char *prefix, struct cgroup_usage *ret)
{
	cleanup_free char *usage = xasprintf("%s.usage_in_bytes", prefix);
	cleanup_free char *limit = xasprintf("%s.limit_in_bytes", prefix);
	cleanup_free char *max = xasprintf("%s.max_usage_in_bytes", prefix);
	cleanup_free char *failcnt = xasprintf("%s.failcnt", prefix);

	ret->is_set = read_number(c, "memory", usage, &ret->usage) &&
		      read_number(c, "memory", limit, &ret->limit);
	read_opt(c, "memory", max, &ret->max);
	read_opt(c, "memory", failcnt, &ret->failcnt);
}

static void collect_memory_v1(const struct collector *c)
{
	struct cgroup_memory_stats *m = &c->stats->memory;

	collect_raw_memory(c, "cache");
	read_usage_v1(c, "memory", &m->usage);
	read_usage_v1(c, "memory.memsw", &m->swap);
	read_usage_v1(c, "memory.kmem", &m->kernel);
	read_usage_v1(c, "memory.kmem.tcp", &m->kernel_tcp);
}

static void collect_pids(const struct collector *c)
{
	struct cgroup_pids_stats *pids = &c->stats->pids;

	read_opt(c, "pids", "pids.current", &pids->current);
	read_opt(c, "pids", "pids.max", &pids->limit);
	if (pids->limit.value == UINT64_MAX)
		pids->limit.value = 0;
}

static bool read_blkio(const struct collector *c, const char *file,
		       struct cgroup_blkio_entries *ret)
{
	cleanup_free char *text = read_text(c, "blkio", file);

	if (text)
		stats_parse_blkio(text, ret);
	return ret->count > 0;
}

/* Which of them there are depends on the I/O scheduler; throttling counts under all of them. */
static void collect_blkio_v1(const struct collector *c)
{
	struct cgroup_blkio_stats *b = &c->stats->blkio;
	const struct {
		const char *files[5];
		struct cgroup_blkio_entries *ret;
	} kinds[] = {
		{ { "blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive",
		    "blkio.throttle.io_service_bytes_recursive",
		    "blkio.throttle.io_service_bytes" },
		  &b->service_bytes },
		{ { "blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive",
		    "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced" },
		  &b->serviced },
		{ { "blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive" }, &b->queued },
		{ { "blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive" },
		  &b->service_time },
		{ { "blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive" },
		  &b->wait_time },
		{ { "blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive" }, &b->merged },
		{ { "blkio.bfq.time_recursive", "blkio.time_recursive" }, &b->time },
		{ { "blkio.bfq.sectors_recursive", "blkio.sectors_recursive" }, &b->sectors },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (const char *const *file = kinds[i].files; *file; file++)
			if (read_blkio(c, *file, kinds[i].ret))
				break;
}

static void collect_blkio_v2(const struct collector *c)
{
	struct cgroup_blkio_stats *b = &c->stats->blkio;
	cleanup_free char *text = read_text(c, "io", "io.stat");

	if (text)
		stats_parse_io(text, &b->service_bytes, &b->serviced);
}

/* "hugepages-2048kB" is "2MB" in the names of cgroup files; NULL: something else. */
static char *page_size(const char *name)
{
	static const char units[] = { 'K', 'M', 'G' };
	const char *number = str_after(name, "hugepages-");
	cleanup_free char *digits = NULL;
	size_t unit = 0;
	uint64_t size;

	if (!number || !str_ends_with(number, "kB"))
		return NULL;
	digits = xstrndup(number, strlen(number) - strlen("kB"));
	if (parse_u64(digits, &size) < 0)
		return NULL;
	for (; size >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		size /= 1024;
	return xasprintf("%" PRIu64 "%cB", size, units[unit]);
}

/* Reserved pages count from the moment they are promised (Linux 5.7). */
static bool read_hugetlb(const struct collector *c, const char *size, const char *kind,
			 struct cgroup_usage *ret)
{
	bool is_v2 = c->cg->layout == CGROUP_LAYOUT_V2;
	cleanup_free char *usage =
		xasprintf("hugetlb.%s%s.%s", size, kind, is_v2 ? "current" : "usage_in_bytes");
	cleanup_free char *limit =
		xasprintf("hugetlb.%s%s.%s", size, kind, is_v2 ? "max" : "limit_in_bytes");
	cleanup_free char *max = xasprintf("hugetlb.%s%s.max_usage_in_bytes", size, kind);
	cleanup_free char *failcnt = xasprintf("hugetlb.%s%s.failcnt", size, kind);
	cleanup_free char *events = xasprintf("hugetlb.%s.events", size);
	const struct keyed keyed = { "max", &ret->failcnt, 1 };

	ret->is_set = read_number(c, "hugetlb", usage, &ret->usage) &&
		      read_number(c, "hugetlb", limit, &ret->limit);
	if (!ret->is_set)
		return false;
	if (is_v2) {
		read_keyed(c, "hugetlb", events, &keyed, 1);
		return true;
	}
	read_opt(c, "hugetlb", max, &ret->max);
	read_opt(c, "hugetlb", failcnt, &ret->failcnt);
	return true;
}

static void collect_hugetlb(const struct collector *c)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;

	if (!cgroup_find(c->cg, "hugetlb"))
		return;
	dir = opendir(HUGEPAGES_DIR);
	while (dir && (entry = readdir(dir))) {
		struct cgroup_stats *s = c->stats;
		struct cgroup_hugetlb_stats one = { .size = page_size(entry->d_name) };

		if (!one.size || (!read_hugetlb(c, one.size, ".rsvd", &one.usage) &&
				  !read_hugetlb(c, one.size, "", &one.usage))) {
			free(one.size);
			continue;
		}
		s->hugetlb = xrealloc(s->hugetlb, s->hugetlb_count + 1, sizeof(*s->hugetlb));
		s->hugetlb[s->hugetlb_count++] = one;
	}
}

static void collect_rdma(const struct collector *c)
{
	cleanup_free char *current = read_text(c, "rdma", "rdma.current");
	cleanup_free char *limit = read_text(c, "rdma", "rdma.max");

	if (current)
		stats_parse_rdma(current, &c->stats->rdma_current);
	if (limit)
		stats_parse_rdma(limit, &c->stats->rdma_limit);
}

int cgroup_stats(const struct cgroup *cg, struct cgroup_stats *ret, struct error *err)
{
	struct cgroup_stats stats = { 0 };
	const struct collector c = {
		.cg = cg,
		.stats = &stats,
		.tick_ns = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK),
	};
	bool is_v2 = cg->layout == CGROUP_LAYOUT_V2;

	if (!cgroup_exists(cg))
		return error_set(err, -ENOENT, "cgroup: '%s' does not exist", cg->path);
	(is_v2 ? collect_cpu_v2 : collect_cpu_v1)(&c);
	collect_cpuset(&c);
	(is_v2 ? collect_memory_v2 : collect_memory_v1)(&c);
	collect_pids(&c);
	(is_v2 ? collect_blkio_v2 : collect_blkio_v1)(&c);
	collect_hugetlb(&c);
	collect_rdma(&c);
	read_psi(&c, "cpu.pressure", &stats.cpu.psi);
	read_psi(&c, "memory.pressure", &stats.memory.psi);
	read_psi(&c, "io.pressure", &stats.blkio.psi);
	*ret = stats;
	return 0;
}

static void entries_done(struct cgroup_blkio_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->items[i].op);
	free(entries->items);
}

static void rdma_done(struct cgroup_rdma_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->items[i].device);
	free(entries->items);
}

void cgroup_stats_done(struct cgroup_stats *stats)
{
	struct cgroup_blkio_stats *b = &stats->blkio;
	struct cgroup_blkio_entries *const blkio[] = {
		&b->service_bytes, &b->serviced, &b->queued, &b->service_time,
		&b->wait_time,	   &b->merged,	 &b->time,   &b->sectors,
	};

	free(stats->cpu.percpu.items);
	free(stats->cpu.percpu_kernel.items);
	free(stats->cpu.percpu_user.items);
	free(stats->cpuset.cpus.items);
	free(stats->cpuset.mems.items);
	for (size_t i = 0; i < stats->memory.raw_count; i++)
		free(stats->memory.raw[i].key);
	free(stats->memory.raw);
	for (size_t i = 0; i < ARRAY_SIZE(blkio); i++)
		entries_done(blkio[i]);
	for (size_t i = 0; i < stats->hugetlb_count; i++)
		free(stats->hugetlb[i].size);
	free(stats->hugetlb);
	rdma_done(&stats->rdma_current);
	rdma_done(&stats->rdma_limit);
	*stats = (struct cgroup_stats){ 0 };
}
