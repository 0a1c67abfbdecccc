/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cmd/moat/command.h"
#include "cmd/moat/host.h"
#include "cmd/moat/state-text.h"
#include "cmd/moat/units.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/rfc3339.h"
#include "lib/container/container.h"
#include "lib/container/usage.h"

enum list_format { LIST_TABLE, LIST_JSON, LIST_FORMAT_COUNT };

struct values {
	int format; /* enum list_format */
	bool is_quiet;
};

static const char *const format_words[] = { "table", "json" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
static const struct option_spec specs[] = {
	{ "format", 'f', OPTION_WORD, offsetof(struct values, format), &formats, "table|json", "how to write the list (default: table)" },
	{ "quiet", 'q', OPTION_FLAG, offsetof(struct values, is_quiet), NULL, NULL, "ids only" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static char *age_of(const struct record *record)
{
	time_t created = record->created ? rfc3339_parse(record->created) : -1;

	return created < 0 ? xstrdup("-") : span_text(time(NULL) - created);
}

static const char *isolation_of(const struct record *record)
{
	return names_get(&isolation_names, (size_t)record->isolation);
}

/* Of the columns only the last may be too wide. */
static void print_row(const char *root, const struct container_info *info, const char *owner)
{
	const struct record *record = &info->record;
	bool has_process = info->status != OCI_STATUS_STOPPED;
	cleanup_free char *age = age_of(record);
	cleanup_free char *memory = NULL;
	struct container_usage usage;

	container_usage(root, info, &usage);
	memory = usage.memory ? size_text(usage.memory) : xstrdup("-");
	printf("%-24s %-10u %-9s %-10s %-10s %8s %6s %-10s %s\n", record->id,
	       has_process ? record->pid : 0, oci_status_name(info->status), isolation_of(record),
	       usage.vmm ? usage.vmm : "-", memory, age, owner,
	       record->bundle ? record->bundle : "");
	free(usage.vmm);
}

static void print_one(const char *root, const struct container_info *info, int format,
		      bool is_first)
{
	cleanup_free char *owner = user_name(info->record.owner);
	cleanup_free char *text = NULL;

	if (format == LIST_TABLE) {
		print_row(root, info, owner);
		return;
	}
	text = state_text(info, owner, false);
	printf("%s%s", is_first ? "" : ",", text);
}

static void print_all(const char *root, char *const *ids, int format)
{
	bool is_first = true;

	if (format == LIST_TABLE)
		printf("%-24s %-10s %-9s %-10s %-10s %8s %6s %-10s %s\n", "ID", "PID", "STATUS",
		       "ISOLATION", "VMM", "MEMORY", "AGE", "OWNER", "BUNDLE");
	else
		printf("[");
	strv_each(id, ids) {
		struct error err = ERROR_INIT;
		struct container_info info;
		int r = container_info(root, id, &info, &err);

		if (r == -ENOENT)
			continue; /* deleted since the directory was read */
		if (r < 0) {
			log_warning("list '%s': %s", id, err.msg);
			continue;
		}
		print_one(root, &info, format, is_first);
		container_info_done(&info);
		is_first = false;
	}
	if (format == LIST_JSON)
		printf("]\n");
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	cleanup_strv char **ids = NULL;
	int r = state_list(globals->root, &ids, err);

	if (r < 0)
		return r;
	if (!values->is_quiet) {
		print_all(globals->root, ids, values->format);
		return 0;
	}
	strv_each(id, ids)
		puts(id);
	return 0;
}

const struct command list_command = {
	.name = "list",
	.summary = "list the containers below the root directory",
	.arguments = "",
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "list",
	.run = run,
};
