/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/moat/command.h"
#include "lib/base/json.h"
#include "lib/container/logs.h"

enum logs_format { LOGS_TEXT, LOGS_JSON, LOGS_FORMAT_COUNT };

struct values {
	bool follows;
	int source; /* enum journal_source + 1, 0: all */
	int format; /* enum logs_format */
};

static const char *const format_words[] = { "text", "json" };
static const struct names formats = NAMES(format_words);

static const char *const source_words[] = { "all", "runtime", "shim", "vmm", "agent", "console" };
static const struct names sources = NAMES(source_words);

/* clang-format off */
static const struct option_spec specs[] = {
	{ "follow", 'f', OPTION_FLAG, offsetof(struct values, follows), NULL, NULL, "go on until the container ends" },
	{ "source", 0, OPTION_WORD, offsetof(struct values, source), &sources, "all|runtime|shim|vmm|agent|console", "whose words (default: all)" },
	{ "format", 0, OPTION_WORD, offsetof(struct values, format), &formats, "text|json", "how to write them (default: text)" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static void print_text(const struct journal_entry *entry)
{
	printf("%s %-7s %-7s %s\n", entry->time,
	       names_get(&journal_source_names, (size_t)entry->source),
	       names_get(&log_level_names, (size_t)entry->level), entry->msg);
}

static void print_json(const struct journal_entry *entry)
{
	struct json_writer *w = json_writer_new(false);
	cleanup_free char *text = NULL;

	json_open_map(w);
	json_key(w, "time");
	json_string(w, entry->time);
	json_key(w, "source");
	json_string(w, names_get(&journal_source_names, (size_t)entry->source));
	json_key(w, "level");
	json_string(w, names_get(&log_level_names, (size_t)entry->level));
	json_key(w, "msg");
	json_string(w, entry->msg);
	json_close_map(w);
	text = json_finish(w);
	puts(text);
}

/* Whoever follows reads each line when it comes. */
static void print(void *ctx, const struct journal_entry *entry)
{
	const struct values *values = ctx;

	if (values->format == LOGS_JSON)
		print_json(entry);
	else
		print_text(entry);
	if (values->follows)
		(void)fflush(stdout); /* it is looked at once more at the end */
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	const struct container_logs_request request = {
		.root = globals->root,
		.id = args[0],
		.source = values->source - 1,
		.follows = values->follows,
		.on_entry = print,
		.ctx = data,
	};

	return container_logs(&request, err);
}

const struct command logs_command = {
	.name = "logs",
	.summary =
		"show what moat, its shim, the virtual machine and its guest have said of a container",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
