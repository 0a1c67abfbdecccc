/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "cmd/moat/command.h"
#include "cmd/moat/signals.h"
#include "lib/base/error.h"
#include "lib/container/container.h"

struct values {
	bool is_for_all;
};

/* clang-format off */
static const struct option_spec specs[] = {
	{ "all", 'a', OPTION_FLAG, offsetof(struct values, is_for_all), NULL, NULL, "signal every process of the container" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	const char *name = args[1] ? args[1] : "TERM";
	int sig = signal_parse(name);

	if (sig < 0)
		return error_set(err, -EINVAL, "unknown signal \"%s\"", name);
	return container_kill(globals->root, args[0], sig, values->is_for_all, err);
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
