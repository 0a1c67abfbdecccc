/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names that the guest gives back in its requests for files. */
static void expect_inside(const char *name)
{
	if (*name == '/' || strstr(name, ".."))
		abort();
}

static void plan(const struct oci_config *config, enum sandbox_role role)
{
	cleanup_sandbox_plan struct sandbox_plan *planned = NULL;
	struct error err = ERROR_INIT;

	if (sandbox_plan_new("fuzz", role, SANDBOX_SHARED, "/nonexistent", config, &planned, &err) <
	    0) {
		if (!*err.msg)
			abort();
		return;
	}
	for (size_t i = 0; i < planned->shares_count; i++)
		expect_inside(planned->shares[i].guest_name);
}

/* From a config.json to what a virtual machine is asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_oci_config struct oci_config *config = NULL;

	log_setup(&silent);
	if (oci_config_parse("config.json", (const char *)data, size, &config, NULL) < 0)
		return 0;
	plan(config, SANDBOX_OWNER);
	plan(config, SANDBOX_MEMBER);
	return 0;
}
