/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/moat/command.h"
#include "lib/base/json.h"
#include "lib/container/container.h"

enum ps_format { PS_TABLE, PS_JSON, PS_FORMAT_COUNT };

struct values {
	int format; /* enum ps_format */
};

static const char *const format_words[] = { "table", "json" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
static const struct option_spec specs[] = {
	{ "format", 'f', OPTION_WORD, offsetof(struct values, format), &formats, "table|json", "how to write them (default: table); json: pids only" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int print_pids(const char *root, const char *id, struct error *err)
{
	struct json_writer *w;
	cleanup_free pid_t *pids = NULL;
	cleanup_free char *text = NULL;
	size_t count = 0;
	int r = container_pids(root, id, &pids, &count, err);

	if (r < 0)
		return r;
	w = json_writer_new(false);
	json_open_array(w);
	for (size_t i = 0; i < count; i++)
		json_i64(w, pids[i]);
	json_close_array(w);
	text = json_finish(w);
	puts(text);
	return 0;
}

static int print_table(const char *root, const char *id, char *const *args, struct error *err)
{
	cleanup_free char *text = NULL;
	int r = container_ps(root, id, args, &text, err);

	if (r == 0)
		fputs(text, stdout);
	return r;
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;

	return values->format == PS_JSON ? print_pids(globals->root, args[0], err)
					 : print_table(globals->root, args[0], args + 1, err);
}

const struct command ps_command = {
	.name = "ps",
	.summary = "list the processes of a container",
	.arguments = "ID [PS-OPTION]...",
	.min_args = 1,
	.max_args = ANY_NUMBER_OF_ARGS,
	.stops_early = true,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
