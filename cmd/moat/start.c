/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "lib/container/container.h"

static const struct option_table options = { NULL, 0 };

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	return container_start(globals->root, args[0], err);
}

const struct command start_command = {
	.name = "start",
	.summary = "let a created container's program run",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.run = run,
};
