/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/command.h"
#include "cmd/moat/matching.h"
#include "lib/container/container.h"

struct values {
	bool is_forced;
	bool is_regex;
};

struct wish {
	const char *root;
	bool is_forced;
};

/* clang-format off */
static const struct option_spec specs[] = {
	{ "force", 'f', OPTION_FLAG, offsetof(struct values, is_forced), NULL, NULL, "kill what still runs; a missing container is no error" },
	{ "regex", 'r', OPTION_FLAG, offsetof(struct values, is_regex), NULL, NULL, "ID is a regular expression: every container that it matches" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int delete_one(void *ctx, const char *id, struct error *err)
{
	const struct wish *wish = ctx;

	return container_delete(wish->root, id, wish->is_forced, err);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	struct wish wish = { globals->root, values->is_forced };

	return values->is_regex ? matching_each(globals->root, args[0], delete_one, &wish, err)
				: delete_one(&wish, args[0], err);
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
