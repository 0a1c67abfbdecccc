/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/criu-options.h"

#include <stdlib.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"

/* Where an administrator puts what CRIU shall do for runtimes; runc's is read as well. */
static const char *const config_files[] = { "/etc/criu/moat.conf", "/etc/criu/runc.conf" };

static const char *find_config(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_files); i++)
		if (access(config_files[i], R_OK) == 0)
			return config_files[i];
	return NULL;
}

void criu_options_complete(struct criu_options *options, const struct globals *globals)
{
	options->program = globals->criu;
	options->config_path = find_config();
	if (!options->image_path) {
		cleanup_free char *here = getcwd(NULL, 0);

		options->image_path = xasprintf("%s/checkpoint", here ? here : "");
	}
}
