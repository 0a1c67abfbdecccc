/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/answers.h"

/* clang-format off */
static const struct field version_table[] = {
	FIELD(struct fc_version, "firecracker_version", STRING, version),
};
const struct fields fc_version_answer = FIELDS(struct fc_version, version_table);

static const struct field instance_table[] = {
	FIELD(struct fc_instance, "state", STRING, state),
};
const struct fields fc_instance_answer = FIELDS(struct fc_instance, instance_table);

static const struct field machine_table[] = {
	FIELD(struct fc_machine, "vcpu_count", U32, vcpus),
	FIELD(struct fc_machine, "mem_size_mib", U32, memory_mib),
	FIELD(struct fc_machine, "huge_pages", STRING, huge_pages),
};
const struct fields fc_machine_answer = FIELDS(struct fc_machine, machine_table);

static const struct field drive_table[] = {
	FIELD(struct fc_drive, "drive_id", STRING, id),
	FIELD(struct fc_drive, "path_on_host", STRING, path),
	FIELD(struct fc_drive, "is_read_only", BOOL, is_readonly),
};
static const struct fields drive_object = FIELDS(struct fc_drive, drive_table);
static const struct field drives_table[] = {
	FIELD_OBJECTS(struct fc_drives, "drives", items, &drive_object),
};
const struct fields fc_drives_answer = FIELDS(struct fc_drives, drives_table);
/* clang-format on */

const struct fields *const fc_answers[] = {
	&fc_version_answer, &fc_instance_answer, &fc_machine_answer, &fc_drives_answer, NULL,
};
