/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/engine/cgroup-stats.h"

/*
 * The texts of cgroup files as numbers. Pure; what is not understood is left out, since new kernels
 * add lines. Outputs are added to, and belong to the caller.
 */

/* "KEY VALUE" lines (memory.stat, cpu.stat). */
typedef void (*stats_keyed_fn)(void *ctx, const char *key, uint64_t value);
void stats_parse_keyed(const char *text, stats_keyed_fn fn, void *ctx);

/* "3 5 8": numbers between blanks. */
void stats_parse_numbers(const char *text, struct cgroup_u64s *ret);

/* "0-2,5" as 0, 1, 2, 5; of a list that makes no sense or has more than STATS_LIST_MAX nothing. */
#define STATS_LIST_MAX 65536
void stats_parse_list(const char *text, struct cgroup_u64s *ret);

/* cpuacct.usage_all: "cpu user system" and a line for each processor. */
void stats_parse_percpu(const char *text, struct cgroup_u64s *user, struct cgroup_u64s *kernel);

/* *.pressure: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for "full". */
void stats_parse_psi(const char *text, struct cgroup_psi *ret);

/* v1: "8:0 Read 5" or "8:0 5"; the sum over all devices ("Total 5") is left out. */
void stats_parse_blkio(const char *text, struct cgroup_blkio_entries *ret);
/* v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …" */
void stats_parse_io(const char *text, struct cgroup_blkio_entries *bytes,
		    struct cgroup_blkio_entries *operations);

/* "mlx4_0 hca_handle=2 hca_object=max" */
void stats_parse_rdma(const char *text, struct cgroup_rdma_entries *ret);
