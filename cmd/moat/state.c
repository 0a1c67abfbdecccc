/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/moat/command.h"
#include "cmd/moat/state-text.h"
#include "lib/container/container.h"
#include "oci/config.h"

static const struct option_table options = { NULL, 0 };

char *state_text(const struct container_info *info, const char *owner, bool is_pretty)
{
	const struct record *record = &info->record;
	struct oci_state state = {
		.id = record->id,
		.status = info->status,
		.pid = (pid_t)record->pid,
		.bundle = record->bundle,
		.rootfs = record->rootfs,
		.created = record->created,
		.owner = owner,
		.annotations = info->config ? &info->config->annotations : NULL,
	};

	return oci_state_text(&state, is_pretty);
}

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	cleanup_free char *text = NULL;
	struct container_info info;
	int r = container_info(globals->root, args[0], &info, err);

	if (r < 0)
		return r;
	text = state_text(&info, NULL, true);
	puts(text);
	container_info_done(&info);
	return 0;
}

const struct command state_command = {
	.name = "state",
	.summary = "show a container's state as JSON",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.run = run,
};
