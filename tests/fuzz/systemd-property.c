/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/systemd/properties.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An annotation that becomes a property of the container's scope: its name's end on the first line,
 * its value after that. What is accepted is a message, or there is no value of that type. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_unit_properties struct unit_properties properties = { 0 };
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_free char *name = NULL;
	struct oci_config config = { 0 };
	struct error err = ERROR_INIT;
	char *value = strchr(text, '\n');
	int r;

	log_setup(&silent);
	if (!value)
		return 0;
	*value++ = '\0';
	name = xasprintf("org.systemd.property.%s", text);
	string_map_set(&config.annotations, name, value);
	r = unit_properties_of_annotations(&config, &properties, &err);
	if (r == 0)
		r = unit_properties_write(&properties, &body, &err);
	if (r < 0 && !*err.msg)
		abort();
	string_map_done(&config.annotations);
	return 0;
}
