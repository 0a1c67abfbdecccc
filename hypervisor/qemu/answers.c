/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu/answers.h"

/* Each answer as two tables: what "return" is, and the line around it. */

/* clang-format off */
#define ANSWER(name, object)                                                                       \
	static const struct field name##_line[] = {                                                \
		FIELD_OBJECT(struct name, "return", OBJECT, value, object),                        \
	};                                                                                         \
	const struct fields name##_answer = FIELDS(struct name, name##_line)
#define LIST_ANSWER(name, object)                                                                  \
	static const struct field name##_line[] = {                                                \
		FIELD_OBJECTS(struct name, "return", items, object),                               \
	};                                                                                         \
	const struct fields name##_answer = FIELDS(struct name, name##_line)

#define PART(type, member, json, kind_, part)                                                      \
	{ .name = json, .kind = FIELD_KIND_##kind_,                                                \
	  .offset = offsetof(type, member.part) - offsetof(type, member) }
#define PARTS(type, member, array)                                                                 \
	{ .fields = array, .count = sizeof(array) / sizeof((array)[0]),                            \
	  .size = sizeof(((type *)0)->member) }

static const struct field status_table[] = {
	PART(struct qmp_status, value, "status", STRING, status),
};
static const struct fields status_object = PARTS(struct qmp_status, value, status_table);
ANSWER(qmp_status, &status_object);

static const struct field qmp_text_line[] = { FIELD(struct qmp_text, "return", STRING, value) };
const struct fields qmp_text_answer = FIELDS(struct qmp_text, qmp_text_line);

static const struct field props_table[] = {
	PART(struct qmp_slot, props, "socket-id", OPT_U32, socket_id),
	PART(struct qmp_slot, props, "die-id", OPT_U32, die_id),
	PART(struct qmp_slot, props, "core-id", OPT_U32, core_id),
	PART(struct qmp_slot, props, "thread-id", OPT_U32, thread_id),
};
static const struct fields props_object = PARTS(struct qmp_slot, props, props_table);
static const struct field slot_table[] = {
	FIELD(struct qmp_slot, "type", STRING, type),
	FIELD(struct qmp_slot, "qom-path", STRING, qom_path),
	FIELD_OBJECT(struct qmp_slot, "props", OBJECT, props, &props_object),
};
static const struct fields slot_object = FIELDS(struct qmp_slot, slot_table);
LIST_ANSWER(qmp_slots, &slot_object);

static const struct field cpu_table[] = { FIELD(struct qmp_cpu, "cpu-index", U32, index) };
static const struct fields cpu_object = FIELDS(struct qmp_cpu, cpu_table);
LIST_ANSWER(qmp_cpus, &cpu_object);

static const struct field memory_table[] = {
	PART(struct qmp_memory, value, "base-memory", U64, base),
	PART(struct qmp_memory, value, "plugged-memory", U64, plugged),
};
static const struct fields memory_object = PARTS(struct qmp_memory, value, memory_table);
ANSWER(qmp_memory, &memory_object);

static const struct field piece_data_table[] = {
	PART(struct qmp_piece, data, "size", U64, size),
};
static const struct fields piece_data_object = PARTS(struct qmp_piece, data, piece_data_table);
static const struct field piece_table[] = {
	FIELD_OBJECT(struct qmp_piece, "data", OBJECT, data, &piece_data_object),
};
static const struct fields piece_object = FIELDS(struct qmp_piece, piece_table);
LIST_ANSWER(qmp_pieces, &piece_object);

static const struct field stats_table[] = {
	PART(struct qmp_disk, stats, "rd_bytes", U64, read_bytes),
	PART(struct qmp_disk, stats, "wr_bytes", U64, written_bytes),
	PART(struct qmp_disk, stats, "rd_operations", U64, reads),
	PART(struct qmp_disk, stats, "wr_operations", U64, writes),
};
static const struct fields stats_object = PARTS(struct qmp_disk, stats, stats_table);
static const struct field disk_table[] = {
	FIELD(struct qmp_disk, "node-name", STRING, node_name),
	FIELD(struct qmp_disk, "qdev", STRING, qdev),
	FIELD_OBJECT(struct qmp_disk, "stats", OBJECT, stats, &stats_object),
};
static const struct fields disk_object = FIELDS(struct qmp_disk, disk_table);
LIST_ANSWER(qmp_disks, &disk_object);

static const struct field ram_table[] = {
	PART(struct qmp_migration, value.ram, "total", U64, total),
	PART(struct qmp_migration, value.ram, "remaining", U64, remaining),
};
static const struct fields ram_object = PARTS(struct qmp_migration, value.ram, ram_table);
static const struct field migration_table[] = {
	PART(struct qmp_migration, value, "status", STRING, status),
	PART(struct qmp_migration, value, "error-desc", STRING, reason),
	{ .name = "ram", .kind = FIELD_KIND_OBJECT, .object = &ram_object,
	  .offset = offsetof(struct qmp_migration, value.ram) -
		    offsetof(struct qmp_migration, value) },
};
static const struct fields migration_object = PARTS(struct qmp_migration, value, migration_table);
ANSWER(qmp_migration, &migration_object);

static const struct field fd_set_table[] = {
	PART(struct qmp_fd_set, value, "fdset-id", U32, id),
};
static const struct fields fd_set_object = PARTS(struct qmp_fd_set, value, fd_set_table);
ANSWER(qmp_fd_set, &fd_set_object);
/* clang-format on */

const struct fields *const qmp_answers[] = {
	&qmp_status_answer,    &qmp_text_answer,
	&qmp_slots_answer,     &qmp_cpus_answer,
	&qmp_memory_answer,    &qmp_disks_answer,
	&qmp_migration_answer, &qmp_fd_set_answer,
	&qmp_pieces_answer,    NULL,
};
