/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/fields.h"

struct cgroup;
struct error;

/*
 * What a container's cgroup says of itself, in the terms in which callers of runc know it: the
 * names and units of `events --stats`, whichever layout the host has. What the kernel, its version
 * or the layout does not tell is absent: opt_u64 without is_set, a NULL array, a bool has_… .
 * Nothing here is ever an error of the container's: files that cannot be read are absent too.
 */

/* Pressure: *.pressure (v2) and its averages in per cent. */
struct cgroup_psi_line {
	double avg10;
	double avg60;
	double avg300;
	uint64_t total; /* microseconds */
};
struct cgroup_psi {
	bool is_set;
	bool has_full;
	struct cgroup_psi_line some;
	struct cgroup_psi_line full;
};

struct cgroup_u64s {
	uint64_t *items;
	size_t count;
};

struct cgroup_cpu_stats {
	struct opt_u64 total; /* all times: nanoseconds */
	struct cgroup_u64s percpu;
	struct cgroup_u64s percpu_kernel; /* v1 only */
	struct cgroup_u64s percpu_user;	  /* v1 only */
	struct opt_u64 kernel;
	struct opt_u64 user;
	struct opt_u64 periods;
	struct opt_u64 throttled_periods;
	struct opt_u64 throttled_time;
	struct opt_u64 burst_periods;
	struct opt_u64 burst_time;
	struct cgroup_psi psi;
};

/* The lists as numbers, "0-2" is 0, 1, 2; NULL: absent. The rest: v1 only. */
struct cgroup_cpuset_stats {
	struct cgroup_u64s cpus;
	struct cgroup_u64s mems;
	struct opt_u64 cpu_exclusive;
	struct opt_u64 mem_hardwall;
	struct opt_u64 mem_exclusive;
	struct opt_u64 memory_migrate;
	struct opt_u64 memory_spread_page;
	struct opt_u64 memory_spread_slab;
	struct opt_u64 memory_pressure;
	struct opt_u64 sched_load_balance;
	struct opt_i64 sched_relax_domain_level;
};

/* Bytes. Without a limit: UINT64_MAX, on v1 the kernel's own number for that. */
struct cgroup_usage {
	bool is_set;
	uint64_t usage;
	struct opt_u64 max; /* highest usage so far */
	uint64_t limit;
	struct opt_u64 failcnt;
};

struct cgroup_stat_pair {
	char *key;
	uint64_t value;
};

struct cgroup_memory_stats {
	struct opt_u64 cache; /* page cache */
	struct cgroup_usage usage;
	struct cgroup_usage swap;   /* memory and swap together, as v1 counts */
	struct cgroup_usage kernel; /* v1 only, as is kernel_tcp */
	struct cgroup_usage kernel_tcp;
	struct cgroup_stat_pair *raw; /* the lines of memory.stat */
	size_t raw_count;
	struct cgroup_psi psi;
};

struct cgroup_pids_stats {
	struct opt_u64 current;
	struct opt_u64 limit; /* 0: none */
};

struct cgroup_blkio_entry {
	uint64_t major;
	uint64_t minor;
	char *op; /* "Read"; "" where there is but one */
	uint64_t value;
};
struct cgroup_blkio_entries {
	struct cgroup_blkio_entry *items;
	size_t count;
};
struct cgroup_blkio_stats {
	struct cgroup_blkio_entries service_bytes;
	struct cgroup_blkio_entries serviced;
	struct cgroup_blkio_entries queued;
	struct cgroup_blkio_entries service_time;
	struct cgroup_blkio_entries wait_time;
	struct cgroup_blkio_entries merged;
	struct cgroup_blkio_entries time;
	struct cgroup_blkio_entries sectors;
	struct cgroup_psi psi;
};

struct cgroup_hugetlb_stats {
	char *size; /* "2MB" */
	struct cgroup_usage usage;
};

/* UINT32_MAX: no limit. */
struct cgroup_rdma_entry {
	char *device;
	uint32_t hca_handles;
	uint32_t hca_objects;
};
struct cgroup_rdma_entries {
	struct cgroup_rdma_entry *items;
	size_t count;
};

struct cgroup_stats {
	struct cgroup_cpu_stats cpu;
	struct cgroup_cpuset_stats cpuset;
	struct cgroup_memory_stats memory;
	struct cgroup_pids_stats pids;
	struct cgroup_blkio_stats blkio;
	struct cgroup_hugetlb_stats *hugetlb;
	size_t hugetlb_count;
	struct cgroup_rdma_entries rdma_current;
	struct cgroup_rdma_entries rdma_limit;
};

/* Fails only when there is no such cgroup in any hierarchy. */
int cgroup_stats(const struct cgroup *cg, struct cgroup_stats *ret, struct error *err);
void cgroup_stats_done(struct cgroup_stats *stats);
#define cleanup_cgroup_stats CLEANUP(cgroup_stats_done)
