/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "lib/base/log.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted is written so that it is accepted again, as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_oci_config struct oci_config *again = NULL;
	cleanup_oci_process struct oci_process *process = NULL;
	cleanup_free char *first = NULL;
	cleanup_free char *second = NULL;
	int r;

	log_setup(&silent);
	if (oci_config_parse("config.json", (const char *)data, size, &config, NULL) < 0)
		return 0;
	if (config->process)
		process = oci_process_copy(config->process);
	first = oci_config_text(config, false);
	r = oci_config_parse("again.json", first, strlen(first), &again, NULL);
	assert(r == 0);
	(void)r;
	second = oci_config_text(again, false);
	assert(streq(first, second));
	return 0;
}
