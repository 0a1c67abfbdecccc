/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/base/fields.h"

/* What Firecracker answers to the requests that are asked for more than success. */
struct fc_version {
	char *version;
};
extern const struct fields fc_version_answer; /* GET /version */

struct fc_instance {
	char *state;
};
extern const struct fields fc_instance_answer; /* GET / */

struct fc_machine {
	uint32_t vcpus, memory_mib;
	char *huge_pages; /* their size, or "None" */
};
extern const struct fields fc_machine_answer; /* GET /machine-config */

struct fc_drive {
	char *id, *path;
	bool is_readonly;
};
struct fc_drives {
	struct fc_drive *items;
	size_t items_count;
};
extern const struct fields fc_drives_answer; /* GET /vm/config */

/* Ends in NULL, for the fuzzer. */
extern const struct fields *const fc_answers[];
