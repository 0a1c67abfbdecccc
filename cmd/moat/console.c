/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "lib/container/container.h"

static const struct option_table options = { NULL, 0 };

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	return container_debug_console(globals->root, args[0], err);
}

const struct command console_command = {
	.name = "console",
	.summary =
		"open a shell of the guest that a container runs in, where it has a debug console",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.run = run,
};
