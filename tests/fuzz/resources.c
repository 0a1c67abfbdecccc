/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/fields.h"
#include "lib/base/log.h"
#include "lib/engine/cgroup-plan.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan(const struct oci_resources *resources, enum cgroup_layout layout)
{
	cleanup_cgroup_plan struct cgroup_plan planned = { 0 };
	struct error err = ERROR_INIT;

	if (cgroup_plan_resources(layout, resources, &planned, &err) < 0) {
		if (!*err.msg)
			abort();
		return;
	}
	for (size_t i = 0; i < planned.count; i++)
		if (strchr(planned.knobs[i].file, '/'))
			abort(); /* it would be a file somewhere else */
}

/* The document of update --resources, and what it means to each kind of cgroup. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_oci_resources struct oci_resources *resources = NULL;
	struct oci_resources copy;

	log_setup(&silent);
	if (oci_resources_parse("r.json", (const char *)data, size, &resources, NULL) < 0)
		return 0;
	fields_copy(&oci_resources_fields, &copy, resources);
	plan(&copy, CGROUP_LAYOUT_V1);
	plan(&copy, CGROUP_LAYOUT_V2);
	plan(&copy, CGROUP_LAYOUT_HYBRID);
	fields_release(&oci_resources_fields, &copy);
	return 0;
}
