/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/system-program.h"

#include <unistd.h>

#include "lib/base/str.h"

/* NixOS has the last one alone. */
static const char *const directories[] = {
	"/usr/bin",
	"/usr/sbin",
	"/bin",
	"/sbin",
	"/usr/local/bin",
	"/usr/local/sbin",
	"/run/current-system/sw/bin",
};

char *system_program_find(const char *root, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		char *path = xasprintf("%s%s/%s", root, directories[i], name);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}
