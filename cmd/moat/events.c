/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/moat/command.h"
#include "cmd/moat/stats-text.h"
#include "lib/base/error.h"
#include "lib/base/fields.h"
#include "lib/container/container.h"

#define DEFAULT_INTERVAL_NS 5000000000

struct values {
	struct opt_i64 interval_ns;
	bool is_once;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
static const struct option_spec specs[] = {
	{ "interval", 0, OPTION_TIME, AT(interval_ns), NULL, "TIME", "how often to show statistics (default: 5s)" },
	{ "stats", 0, OPTION_FLAG, AT(is_once), NULL, NULL, "show statistics once, and nothing else" },
};
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

/* At once: whoever reads a pipe waits for each line. Takes @text. */
static int print_line(char *text, struct error *err)
{
	cleanup_free char *line = text;

	if (puts(line) == EOF || fflush(stdout) == EOF)
		return error_sys(err, errno, "write to standard output");
	return 0;
}

static int print_stats(void *ctx, const struct container_stats *stats, struct error *err)
{
	return print_line(event_stats_text(ctx, stats->cgroup, stats->rdt), err);
}

static int print_oom(void *ctx, struct error *err)
{
	return print_line(event_oom_text(ctx), err);
}

static int show_once(const char *root, char *id, struct error *err)
{
	cleanup_container_stats struct container_stats stats = { 0 };
	int r = container_stats(root, id, &stats, err);

	return r < 0 ? r : print_stats(id, &stats, err);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	const struct container_watch watch = {
		.root = globals->root,
		.id = args[0],
		.interval_ns = values->interval_ns.is_set ? values->interval_ns.value
							  : DEFAULT_INTERVAL_NS,
		.on_stats = print_stats,
		.on_oom = print_oom,
		.ctx = args[0],
	};

	return values->is_once ? show_once(globals->root, args[0], err)
			       : container_watch(&watch, err);
}

const struct command events_command = {
	.name = "events",
	.summary = "show statistics of a container, and when it runs out of memory",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
