/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/engine/environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The container's own file, which an image brings along. The home directory becomes part of the
 * environment, so that it may not be more than one string. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uid_t ids[] = { 0, 1000, UINT32_MAX };
	cleanup_free char *text = xstrndup((const char *)data, size);

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		cleanup_free char *home = environment_find_home(text, ids[i]);

		if (home && strchr(home, '\n'))
			abort();
	}
	return 0;
}
