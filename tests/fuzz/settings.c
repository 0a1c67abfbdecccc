/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"
#include "lib/settings/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* moat.json, twice over the same settings, as drop-ins are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_settings struct settings settings;
	struct error err = ERROR_INIT;

	settings_init(&settings);
	(void)settings_parse("moat.json", (const char *)data, size, &settings, &err);
	(void)settings_parse("moat.json", (const char *)data, size, &settings, &err);
	return 0;
}
