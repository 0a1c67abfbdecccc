/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/progress.h"
#include "lib/container/templates.h"

enum list_format { LIST_TABLE, LIST_JSON };

struct values {
	uint32_t memory_mib, vcpus, nics;
	bool is_pod, has_userns, replaces;
	int format; /* enum list_format */
	bool is_quiet;
	bool removes_all, removes_stale;
};

static const char *const format_words[] = { "table", "json" };
static const struct names formats = NAMES(format_words);

/* clang-format off */
#define AT(member) offsetof(struct values, member)
static const struct option_spec specs[] = {
	{ "memory-mib", 'm', OPTION_U32, AT(memory_mib), NULL, "N", "create: of machines with so much memory (default: without a limit)" },
	{ "vcpus", 'c', OPTION_U32, AT(vcpus), NULL, "N", "create: and so many processors (default: without a quota)" },
	{ "nics", 'n', OPTION_U32, AT(nics), NULL, "N", "create: and so many network interfaces (default: 0)" },
	{ "pod", 0, OPTION_FLAG, AT(is_pod), NULL, NULL, "create: of a pod's machines" },
	{ "userns", 0, OPTION_FLAG, AT(has_userns), NULL, NULL, "create: of containers with a user namespace" },
	{ "replace", 0, OPTION_FLAG, AT(replaces), NULL, NULL, "create: even if there is a good one" },
	{ "format", 'f', OPTION_WORD, AT(format), &formats, "table|json", "list: how to write it (default: table)" },
	{ "quiet", 'q', OPTION_FLAG, AT(is_quiet), NULL, NULL, "list: names only" },
	{ "all", 'a', OPTION_FLAG, AT(removes_all), NULL, NULL, "remove: every template" },
	{ "stale", 0, OPTION_FLAG, AT(removes_stale), NULL, NULL, "remove: those that are not used any more" },
};
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

/* --- create ------------------------------------------------------------------------------- */

static int create(const struct globals *globals, const struct values *values, char **names,
		  struct error *err)
{
	const struct template_request request = {
		.memory_mib = values->memory_mib,
		.vcpus = values->vcpus,
		.nics = values->nics,
		.has_disk_slots = values->is_pod,
		.has_low_ports = values->has_userns,
		.replaces = values->replaces,
	};
	cleanup_free char *name = NULL;
	int r;

	if (*names)
		return error_set(err, -EINVAL, "create: unexpected argument '%s'", *names);
	progress_show("moat", PROGRESS_EVERYWHERE);
	r = templates_create(globals->root, &request, &name, err);
	if (r == 0)
		puts(name);
	return r;
}

/* --- list --------------------------------------------------------------------------------- */

static const char *status_of(const struct template_info *info)
{
	return info->problem ? info->problem : "ready";
}

static const char *or_nothing(const char *text)
{
	return text ? text : "-";
}

static void print_row(const struct template_info *info)
{
	printf("%-16s %-8s %10u %6u %5u %-4s %-7s %-12s %s\n", info->name, status_of(info),
	       info->memory_mib, info->vcpus, info->nics, info->has_disk_slots ? "yes" : "no",
	       info->has_low_ports ? "yes" : "no", or_nothing(info->accelerator),
	       or_nothing(info->created));
}

static void write_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_string(w, text ? text : "");
}

static void write_number(struct json_writer *w, const char *key, uint32_t number)
{
	json_key(w, key);
	json_u64(w, number);
}

static void write_one(struct json_writer *w, const struct template_info *info)
{
	json_open_map(w);
	write_text(w, "name", info->name);
	write_text(w, "status", status_of(info));
	write_number(w, "memory_mib", info->memory_mib);
	write_number(w, "vcpus", info->vcpus);
	write_number(w, "nics", info->nics);
	json_key(w, "pod");
	json_bool(w, info->has_disk_slots);
	json_key(w, "userns");
	json_bool(w, info->has_low_ports);
	write_text(w, "accelerator", info->accelerator);
	write_text(w, "hypervisor", info->hypervisor);
	write_text(w, "kernel", info->kernel);
	write_text(w, "initrd", info->initrd);
	write_text(w, "created", info->created);
	json_close_map(w);
}

static void print_json(const struct template_info *infos, size_t count)
{
	struct json_writer *w = json_writer_new(true);
	cleanup_free char *text = NULL;

	json_open_array(w);
	for (size_t i = 0; i < count; i++)
		write_one(w, &infos[i]);
	json_close_array(w);
	text = json_finish(w);
	puts(text);
}

static void print_table(const struct template_info *infos, size_t count)
{
	printf("%-16s %-8s %10s %6s %5s %-4s %-7s %-12s %s\n", "NAME", "STATUS", "MEMORY MIB",
	       "VCPUS", "NICS", "POD", "USERNS", "ACCELERATOR", "CREATED");
	for (size_t i = 0; i < count; i++)
		print_row(&infos[i]);
}

static int list(const struct globals *globals, const struct values *values, char **names,
		struct error *err)
{
	struct template_info *infos;
	size_t count;
	int r;

	if (*names)
		return error_set(err, -EINVAL, "list: unexpected argument '%s'", *names);
	r = templates_list(&globals->settings.vm, &infos, &count, err);
	if (r < 0)
		return r;
	if (values->is_quiet)
		for (size_t i = 0; i < count; i++)
			puts(infos[i].name);
	else if (values->format == LIST_JSON)
		print_json(infos, count);
	else
		print_table(infos, count);
	templates_list_free(infos, count);
	return 0;
}

/* --- remove ------------------------------------------------------------------------------- */

static int remove_listed(const struct globals *globals, bool only_stale, struct error *err)
{
	struct template_info *infos;
	size_t count;
	int r = templates_list(&globals->settings.vm, &infos, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (only_stale && !infos[i].problem)
			continue;
		r = templates_remove(&globals->settings.vm, infos[i].name, err);
		if (r == -ENOENT) /* somebody else has */
			r = 0;
	}
	templates_list_free(infos, count);
	return r;
}

static int remove_named(const struct globals *globals, const struct values *values, char **names,
			struct error *err)
{
	const bool takes_none = values->removes_all || values->removes_stale;
	int r = 0;

	if (!*names == !takes_none)
		return error_set(err, -EINVAL, "remove: either names or --all or --stale");
	if (takes_none)
		return remove_listed(globals, !values->removes_all, err);
	for (; *names && r == 0; names++)
		r = templates_remove(&globals->settings.vm, *names, err);
	return r;
}

/* --- all ---------------------------------------------------------------------------------- */

/* clang-format off */
static const struct deed {
	const char *name;
	int (*run)(const struct globals *globals, const struct values *values, char **names,
		   struct error *err);
} deeds[] = {
	{ "create", create },
	{ "list", list },
	{ "remove", remove_named },
};
/* clang-format on */

static int run(const struct globals *globals, void *values, char **args, struct error *err)
{
	if (globals->settings_error.code < 0)
		return error_set(err, globals->settings_error.code, "%s",
				 globals->settings_error.msg);
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++)
		if (streq(deeds[i].name, args[0]))
			return deeds[i].run(globals, values, args + 1, err);
	return error_set(err, -EINVAL, "neither 'create' nor 'list' nor 'remove': '%s'", args[0]);
}

const struct command template_command = {
	.name = "template",
	.summary = "make virtual machines to start others from, list or remove them",
	.arguments = "create|list|remove [TEMPLATE]...",
	.min_args = 1,
	.max_args = ANY_NUMBER_OF_ARGS,
	.options = &options,
	.values_size = sizeof(struct values),
	.context = "template",
	.run = run,
};
