/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "cmd/moat/command.h"
#include "cmd/moat/matching.h"
#include "cmd/moat/signals.h"
#include "lib/base/error.h"
#include "lib/container/container.h"

struct values {
	bool is_for_all;
	bool is_regex;
};

struct wish {
	const char *root;
	int sig;
	bool is_for_all;
};

/* clang-format off */
static const struct option_spec specs[] = {
	{ "all", 'a', OPTION_FLAG, offsetof(struct values, is_for_all), NULL, NULL, "signal every process of the container" },
	{ "regex", 'r', OPTION_FLAG, offsetof(struct values, is_regex), NULL, NULL, "ID is a regular expression: every container that it matches" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int kill_one(void *ctx, const char *id, struct error *err)
{
	const struct wish *wish = ctx;

	return container_kill(wish->root, id, wish->sig, wish->is_for_all, err);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	const char *name = args[1] ? args[1] : "TERM";
	int sig = signal_parse(name);
	struct wish wish;

	if (sig < 0)
		return error_set(err, -EINVAL, "unknown signal \"%s\"", name);
	wish = (struct wish){ globals->root, sig, values->is_for_all };
	return values->is_regex ? matching_each(globals->root, args[0], kill_one, &wish, err)
				: kill_one(&wish, args[0], err);
}

const struct command kill_command = {
	.name = "kill",
	.summary = "send a signal (default: TERM) to a container's first process",
	.arguments = "ID [SIGNAL]",
	.min_args = 1,
	.max_args = 2,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
