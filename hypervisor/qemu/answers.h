/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/fields.h"

/*
 * What QEMU answers to the commands that are asked for more than success: the whole line, of which
 * "return" is the only member. Sizes are the guest's to choose once it has taken QEMU over, so
 * nothing is computed from them without a bound.
 */
struct qmp_status {
	struct {
		char *status;
	} value;
};
extern const struct fields qmp_status_answer;

/* A property that is a string, such as the machine's type. */
struct qmp_text {
	char *value;
};
extern const struct fields qmp_text_answer;

struct qmp_slot {
	char *type;
	char *qom_path; /* NULL: free */
	struct {
		struct opt_u32 socket_id, die_id, core_id, thread_id;
	} props;
};
struct qmp_slots {
	struct qmp_slot *items;
	size_t items_count;
};
extern const struct fields qmp_slots_answer; /* query-hotpluggable-cpus */

struct qmp_cpu {
	uint32_t index;
};
struct qmp_cpus {
	struct qmp_cpu *items;
	size_t items_count;
};
extern const struct fields qmp_cpus_answer; /* query-cpus-fast */

struct qmp_memory {
	struct {
		uint64_t base, plugged; /* bytes */
	} value;
};
extern const struct fields qmp_memory_answer; /* query-memory-size-summary */

struct qmp_piece {
	struct {
		uint64_t size;
	} data;
};
struct qmp_pieces {
	struct qmp_piece *items; /* in the order of their addresses */
	size_t items_count;
};
extern const struct fields qmp_pieces_answer; /* query-memory-devices */

struct qmp_disk {
	char *node_name; /* of the whole disk, NULL for what lies beneath it */
	char *qdev;
	struct {
		uint64_t read_bytes, written_bytes, reads, writes;
	} stats;
};
struct qmp_disks {
	struct qmp_disk *items;
	size_t items_count;
};
extern const struct fields qmp_disks_answer; /* query-blockstats */

struct qmp_migration {
	struct {
		char *status;
		char *reason;
		struct {
			uint64_t total, remaining; /* bytes */
		} ram;
	} value;
};
extern const struct fields qmp_migration_answer; /* query-migrate */

struct qmp_fd_set {
	struct {
		uint32_t id;
	} value;
};
extern const struct fields qmp_fd_set_answer; /* add-fd */

/* Ends in NULL, for the fuzzer. */
extern const struct fields *const qmp_answers[];
