/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/moat/command.h"
#include "cmd/moat/host.h"
#include "cmd/moat/state-text.h"
#include "cmd/moat/traits.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/container/container.h"

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

/* Of the columns only the last may be too wide. */
static void print_row(const char *root, const struct container_info *info, const char *owner)
{
	const struct record *record = &info->record;
	bool has_process = info->status != OCI_STATUS_STOPPED;
	cleanup_traits struct container_traits traits;

	container_traits(root, info, &traits);
	printf("%-24s %-10u %-9s %-10s %-10s %8s %6s %-10s %s\n", record->id,
	       has_process ? record->pid : 0, oci_status_name(info->status), traits.isolation,
	       traits.vmm, traits.memory, traits.age, owner, record->bundle ? record->bundle : "");
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
