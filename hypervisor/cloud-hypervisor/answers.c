/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/cloud-hypervisor/answers.h"

/* clang-format off */
static const struct field ping_table[] = {
	FIELD(struct ch_ping, "version", STRING, version),
};
const struct fields ch_ping_answer = FIELDS(struct ch_ping, ping_table);

static const struct field cpus_table[] = {
	FIELD(struct ch_cpus, "boot_vcpus", U32, boot),
};
static const struct fields cpus_object = FIELDS(struct ch_cpus, cpus_table);
static const struct field memory_table[] = {
	FIELD(struct ch_memory, "size", U64, size),
};
static const struct fields memory_object = FIELDS(struct ch_memory, memory_table);
static const struct field config_table[] = {
	FIELD_OBJECT(struct ch_config, "cpus", OBJECT, cpus, &cpus_object),
	FIELD_OBJECT(struct ch_config, "memory", OBJECT, memory, &memory_object),
};
static const struct fields config_object = FIELDS(struct ch_config, config_table);
static const struct field info_table[] = {
	FIELD(struct ch_info, "state", STRING, state),
	FIELD(struct ch_info, "memory_actual_size", OPT_U64, memory_bytes),
	FIELD_OBJECT(struct ch_info, "config", OBJECT, config, &config_object),
};
const struct fields ch_info_answer = FIELDS(struct ch_info, info_table);

static const struct field counters_table[] = {
	FIELD(struct ch_counters, "read_bytes", OPT_U64, read_bytes),
	FIELD(struct ch_counters, "write_bytes", OPT_U64, written_bytes),
	FIELD(struct ch_counters, "read_ops", OPT_U64, reads),
	FIELD(struct ch_counters, "write_ops", OPT_U64, writes),
	FIELD(struct ch_counters, "rx_bytes", OPT_U64, received_bytes),
	FIELD(struct ch_counters, "tx_bytes", OPT_U64, sent_bytes),
	FIELD(struct ch_counters, "rx_frames", OPT_U64, received),
	FIELD(struct ch_counters, "tx_frames", OPT_U64, sent),
};
static const struct fields counters_object = FIELDS(struct ch_counters, counters_table);
static const struct field all_counters_table[] = {
	FIELD_KEYED(struct ch_all_counters, "counters", items, &counters_object,
		    struct ch_counters, id),
};
const struct fields ch_counters_answer = FIELDS(struct ch_all_counters, all_counters_table);

static const struct field event_table[] = {
	FIELD(struct ch_event, "source", STRING, source),
	FIELD(struct ch_event, "event", STRING, event),
};
const struct fields ch_event_object = FIELDS(struct ch_event, event_table);
/* clang-format on */

const struct fields *const ch_answers[] = {
	&ch_ping_answer, &ch_info_answer, &ch_counters_answer, &ch_event_object, NULL,
};
