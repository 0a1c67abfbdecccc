/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "lib/container/container.h"

static const struct option_table options = { NULL, 0 };

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	return container_pause(globals->root, args[0], err);
}

const struct command pause_command = {
	.name = "pause",
	.summary = "freeze every process of a container",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.run = run,
};
