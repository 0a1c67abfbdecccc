/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/engine/engine.h"
#include "lib/engine/plan.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a config.json to everything that is decided before there is a process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_oci_config struct oci_config *config = NULL;
	struct engine_container container = {
		.id = "fuzz", .bundle = "/bundle", .console_socket = -1, .start_fd = 0
	};
	struct container_plan plan;
	struct error err = ERROR_INIT;

	log_setup(&silent);
	if (oci_config_parse("config.json", (const char *)data, size, &config, NULL) < 0)
		return 0;
	container.config = config;
	if (config->process && config->process->terminal)
		container.console_socket = 0;
	if (container_plan(&container, UINT64_MAX, &plan, &err) < 0 && !*err.msg)
		abort();
	container_plan_done(&plan);
	return 0;
}
