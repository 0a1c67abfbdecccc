/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/moat/command.h"
#include "cmd/moat/host.h"
#include "cmd/moat/state-text.h"
#include "cmd/moat/traits.h"
#include "lib/container/container.h"
#include "oci/config.h"

enum state_format { STATE_JSON, STATE_TEXT, STATE_FORMAT_COUNT };

struct values {
	int format; /* enum state_format */
};

static const char *const format_words[] = { "json", "text" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
static const struct option_spec specs[] = {
	{ "format", 'f', OPTION_WORD, offsetof(struct values, format), &formats, "json|text", "how to write it (default: json); text: for people" },
};
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

char *state_text(const struct container_info *info, const char *owner, bool is_pretty)
{
	const struct record *record = &info->record;
	struct oci_state state = {
		.id = record->id,
		.status = info->status,
		.pid = (pid_t)record->pid,
		.bundle = record->bundle,
		.rootfs = record->rootfs,
		.created = record->created,
		.owner = owner,
		.annotations = info->config ? &info->config->annotations : NULL,
	};

	return oci_state_text(&state, is_pretty);
}

static void print_line(const char *name, const char *value)
{
	if (value)
		printf("%-10s %s\n", name, value);
}

static void print_text(const char *root, const struct container_info *info)
{
	const struct record *record = &info->record;
	cleanup_free char *owner = user_name(record->owner);
	cleanup_free char *pid = xasprintf("%u", record->pid);
	cleanup_traits struct container_traits traits;

	container_traits(root, info, &traits);
	print_line("id", record->id);
	print_line("status", oci_status_name(info->status));
	print_line("pid", info->status == OCI_STATUS_STOPPED ? NULL : pid);
	print_line("isolation", traits.isolation);
	print_line("vmm", traits.vmm);
	print_line("memory", traits.memory);
	print_line("age", traits.age);
	print_line("created", record->created);
	print_line("owner", owner);
	print_line("bundle", record->bundle);
	print_line("rootfs", record->rootfs);
	print_line("cgroup", record->cgroup);
	print_line("unit", record->unit);
	print_line("agent", record->agent_address);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	const struct values *values = data;
	cleanup_free char *text = NULL;
	struct container_info info;
	int r = container_info(globals->root, args[0], &info, err);

	if (r < 0)
		return r;
	if (values->format == STATE_TEXT) {
		print_text(globals->root, &info);
	} else {
		text = state_text(&info, NULL, true);
		puts(text);
	}
	container_info_done(&info);
	return 0;
}

const struct command state_command = {
	.name = "state",
	.summary = "show a container's state as JSON",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};
