/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/engine/process-plan.h"
#include "lib/engine/scheduling.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan(const struct oci_process *process)
{
	const struct oci_linux container = { 0 };
	struct process_request request = {
		.process = process,
		.linux_ = &container,
		.available = UINT64_MAX,
		.is_entering = true,
	};
	struct process_plan planned;
	struct error err = ERROR_INIT;

	if (process_plan(&request, &planned, &err) == 0)
		process_plan_done(&planned);
	else if (!*err.msg)
		abort();
}

/* A process document, as exec takes it: what is accepted is written as the same, copied, and
 * planned. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_oci_process struct oci_process *process = NULL;
	cleanup_oci_process struct oci_process *again = NULL;
	cleanup_oci_process struct oci_process *copy = NULL;
	cleanup_free char *first = NULL;
	cleanup_free char *second = NULL;

	log_setup(&silent);
	if (oci_process_parse("process.json", (const char *)data, size, &process, NULL) < 0)
		return 0;
	first = oci_process_text(process);
	if (oci_process_parse("again.json", first, strlen(first), &again, NULL) < 0)
		abort();
	copy = oci_process_copy(again);
	second = oci_process_text(copy);
	if (!streq(first, second))
		abort();
	plan(copy);
	return 0;
}
