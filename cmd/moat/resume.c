/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "lib/container/container.h"

static const struct option_table options = { NULL, 0 };

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	return container_resume(globals->root, args[0], err);
}

const struct command resume_command = {
	.name = "resume",
	.summary = "let the processes of a paused container go on",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.run = run,
};
