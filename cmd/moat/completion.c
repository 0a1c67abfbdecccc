/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/completion.h"

#include "cmd/moat/command.h"
#include "cmd/moat/grammar.h"
#include "cmd/moat/host.h"
#include "cmd/moat/signals.h"
#include "lib/base/error.h"
#include "lib/container/container.h"
#include "lib/container/templates.h"
#include "lib/settings/settings.h"

/* Of some commands only containers in some states can be the object. */
static const struct {
	const char *command;
	unsigned int statuses; /* 1 << enum oci_status */
} wanted[] = {
	{ "start", 1u << OCI_STATUS_CREATED },
	{ "exec", 1u << OCI_STATUS_RUNNING | 1u << OCI_STATUS_CREATED | 1u << OCI_STATUS_PAUSED },
	{ "pause", 1u << OCI_STATUS_RUNNING | 1u << OCI_STATUS_CREATED },
	{ "resume", 1u << OCI_STATUS_PAUSED },
	{ "kill", ~(1u << OCI_STATUS_STOPPED) },
	{ "checkpoint", 1u << OCI_STATUS_RUNNING | 1u << OCI_STATUS_PAUSED },
};
/* Those make one, whose name nobody has. */
static const char *const makers[] = { "create", "run", "restore" };

static bool is_wanted(const char *command, enum oci_status status)
{
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (streq(wanted[i].command, command))
			return wanted[i].statuses >> status & 1;
	return true;
}

static void offer_container(const struct grammar_place *place, const char *root, const char *id)
{
	struct container_info info;

	/* A look at each takes a moment, so only at those that it can be. */
	if (!str_after(id, place->word) || container_info(root, id, &info, NULL) < 0)
		return;
	if (is_wanted(place->command, info.status))
		grammar_offer(place, id, oci_status_name(info.status));
	container_info_done(&info);
}

static void offer_containers(const struct grammar_place *place)
{
	cleanup_free char *usual = NULL;
	cleanup_strv char **ids = NULL;
	const char *root = place->root;

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		if (streq(makers[i], place->command))
			return;
	if (!root && state_default_root(&usual, NULL) == 0)
		root = usual;
	if (!root || state_list(root, &ids, NULL) < 0)
		return;
	strv_each(id, ids)
		offer_container(place, root, id);
}

static void offer_signals(const struct grammar_place *place)
{
	const char *name;

	for (size_t i = 0; (name = signal_name(i)); i++) {
		cleanup_free char *whole = xasprintf("SIG%s", name);

		grammar_offer(place, name, NULL);
		if (*place->word) /* else all would stand there twice */
			grammar_offer(place, whole, NULL);
	}
}

static void offer_capabilities(const struct grammar_place *place)
{
	cleanup_strv char **names = capability_names();

	strv_each(name, names)
		grammar_offer(place, name, NULL);
}

static void offer_templates(const struct grammar_place *place)
{
	cleanup_settings struct settings settings;
	struct template_info *infos;
	size_t count;

	settings_init(&settings);
	if (settings_load(&settings, NULL) < 0 ||
	    templates_list(&settings.vm, &infos, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		grammar_offer(place, infos[i].name, infos[i].problem);
	templates_list_free(infos, count);
}

static const struct {
	const char *argument;
	void (*offer)(const struct grammar_place *place);
} offers[] = {
	{ "ID", offer_containers },
	{ "SIGNAL", offer_signals },
	{ "CAP_NAME", offer_capabilities },
	{ "TEMPLATE", offer_templates },
};

static void offer(const struct grammar_place *place)
{
	for (size_t i = 0; i < ARRAY_SIZE(offers); i++)
		if (streq(offers[i].argument, place->argument))
			offers[i].offer(place);
}

bool completion_answer(char *const *args)
{
	struct grammar grammar = { .globals = &global_options, .offer = offer };
	cleanup_free struct grammar_command *list = NULL;

	while (commands[grammar.count])
		grammar.count++;
	list = xcalloc(grammar.count, sizeof(*list));
	for (size_t i = 0; i < grammar.count; i++)
		list[i] = (struct grammar_command){ .name = commands[i]->name,
						    .summary = commands[i]->summary,
						    .arguments = commands[i]->arguments,
						    .stops_early = commands[i]->stops_early,
						    .options = commands[i]->options };
	grammar.commands = list;
	return grammar_answer(&grammar, args);
}
