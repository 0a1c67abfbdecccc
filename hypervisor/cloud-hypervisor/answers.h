/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/fields.h"

/*
 * What Cloud Hypervisor answers to the requests that are asked for more than success. Sizes are the
 * guest's to choose once it has taken the VMM over, so nothing is computed from them without a
 * bound.
 */
struct ch_ping {
	char *version;
};
extern const struct fields ch_ping_answer; /* vmm.ping */

struct ch_cpus {
	uint32_t boot;
};
struct ch_memory {
	uint64_t size;
};
struct ch_config {
	struct ch_cpus cpus;
	struct ch_memory memory;
};
struct ch_info {
	char *state;
	struct opt_u64 memory_bytes; /* with what was plugged in */
	struct ch_config config;
};
extern const struct fields ch_info_answer; /* vm.info */

struct ch_counters {
	char *id;
	struct opt_u64 read_bytes, written_bytes, reads, writes;   /* a disk's */
	struct opt_u64 received_bytes, sent_bytes, received, sent; /* a guest's interface's */
};
struct ch_all_counters {
	struct ch_counters *items;
	size_t items_count;
};
extern const struct fields ch_counters_answer; /* vm.counters as the member "counters" */

/* What it writes to the event monitor. */
struct ch_event {
	char *source, *event;
};
extern const struct fields ch_event_object;

/* Ends in NULL, for the fuzzer. */
extern const struct fields *const ch_answers[];
