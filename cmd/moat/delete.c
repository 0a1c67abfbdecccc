/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "lib/container/container.h"

struct values {
	bool is_forced;
};

/* clang-format off */
static const struct option_spec specs[] = {
	{ "force", 'f', OPTION_FLAG, offsetof(struct values, is_forced), NULL, NULL, "kill what still runs; a missing container is no error" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;

	return container_delete(globals->root, args[0], values->is_forced, err);
}

const struct command delete_command = {
	.name = "delete",
	.summary = "release everything that a stopped container holds",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
