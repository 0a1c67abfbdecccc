/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/grammar.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/moat/options.h"
#include "lib/base/str.h"

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void dump_options(const char *command, const struct option_table *table)
{
	for (size_t i = 0; table && i < table->count; i++) {
		const struct option_spec *spec = &table->specs[i];
		char letter[] = { '-', spec->letter, '\0' };

		printf("option\t%s\t--%s\t%s\t%s\t%s\n", or_dash(command), spec->name, letter,
		       or_dash(spec->argument), spec->help);
	}
}

static void dump(const struct grammar *grammar)
{
	dump_options("", grammar->globals);
	for (size_t i = 0; i < grammar->count; i++) {
		const struct grammar_command *command = &grammar->commands[i];

		printf("command\t%s\t%s\t%s\n", or_dash(command->name), or_dash(command->arguments),
		       command->summary);
		dump_options(command->name, command->options);
	}
}

/* How far a command line has come. */
struct line {
	const struct grammar *grammar;
	const struct grammar_command *command; /* NULL: not yet */
	const struct option_spec *open;	       /* whose value comes next */
	const char *root;
	size_t positionals;
	bool has_ended_options;
};

static const struct option_table *table_of(const struct line *line)
{
	return line->command ? line->command->options : line->grammar->globals;
}

static const struct option_spec *find_option(const struct line *line, const char *name, size_t len)
{
	const struct option_table *table = table_of(line);

	for (size_t i = 0; table && i < table->count; i++) {
		const struct option_spec *spec = &table->specs[i];
		bool is_name = strncmp(spec->name, name, len) == 0 && !spec->name[len];

		if (is_name || (len == 1 && spec->letter == *name))
			return spec;
	}
	return NULL;
}

static void take_value(struct line *line, const struct option_spec *spec, const char *value)
{
	if (streq(spec->name, "root"))
		line->root = value;
}

static void take_option(struct line *line, const char *word)
{
	const char *name = word + strspn(word, "-");
	size_t len = strcspn(name, "=");
	const struct option_spec *spec = find_option(line, name, len);

	line->has_ended_options |= streq(word, "--");
	if (!spec || spec->kind == OPTION_FLAG)
		return;
	if (name[len])
		take_value(line, spec, name + len + 1);
	else
		line->open = spec;
}

static const struct grammar_command *find_command(const struct grammar *grammar, const char *name)
{
	for (size_t i = 0; i < grammar->count; i++)
		if (streq(grammar->commands[i].name, name))
			return &grammar->commands[i];
	return NULL;
}

static bool is_option(const struct line *line, const char *word)
{
	return *word == '-' && !line->has_ended_options;
}

static void take_word(struct line *line, const char *word)
{
	if (line->open) {
		take_value(line, line->open, word);
		line->open = NULL;
	} else if (is_option(line, word) && word[1]) {
		take_option(line, word);
	} else if (!line->command) {
		line->command = find_command(line->grammar, word);
	} else {
		line->positionals++;
		line->has_ended_options |= line->command->stops_early;
	}
}

void grammar_offer(const struct grammar_place *place, const char *value, const char *help)
{
	if (str_after(value, place->word))
		printf("%s%s\t%s\n", place->lead, value, help ? help : "");
}

static void offer_argument(const struct grammar *grammar, const struct grammar_place *place)
{
	static const char *const of_files[] = { "FILE", "SOCKET", "PATH", "REQUEST" };

	if (strchr(place->argument, '|')) {
		cleanup_strv char **words = strv_split(place->argument, '|');

		strv_each(word, words)
			grammar_offer(place, word, NULL);
		return;
	}
	if (streq(place->argument, "DIR"))
		puts(":dirs");
	for (size_t i = 0; i < ARRAY_SIZE(of_files); i++)
		if (streq(place->argument, of_files[i]))
			puts(":files");
	grammar->offer(place);
}

static void offer_options(const struct line *line, const struct grammar_place *place)
{
	const struct option_table *table = table_of(line);

	for (size_t i = 0; table && i < table->count; i++) {
		cleanup_free char *option = xasprintf("--%s", table->specs[i].name);

		grammar_offer(place, option, table->specs[i].help);
	}
	grammar_offer(place, "--help", "show what there is");
}

/* "[PS-OPTION]..." is "PS-OPTION". */
static char *bare_argument(const char *shown)
{
	const char *start = shown + strspn(shown, "[");

	return xstrndup(start, strcspn(start, "[]."));
}

/* The argument of that number in "ID [COMMAND [ARGUMENT]...]"; the last may be any number. */
static char *positional(const struct grammar_command *command, size_t index)
{
	cleanup_strv char **shown = strv_split(command->arguments, ' ');
	size_t count = strv_len(shown);

	if (index >= count && str_ends_with(command->arguments, "..."))
		index = count - 1;
	return index < count ? bare_argument(shown[index]) : NULL;
}

static void offer_positional(const struct line *line, struct grammar_place *place)
{
	cleanup_free char *argument = positional(line->command, line->positionals);

	if (!argument)
		return;
	place->argument = argument;
	offer_argument(line->grammar, place);
}

static void offer_commands(const struct grammar *grammar, const struct grammar_place *place)
{
	for (size_t i = 0; i < grammar->count; i++)
		grammar_offer(place, grammar->commands[i].name, grammar->commands[i].summary);
}

/* "--format=js": the option's value is what is being written. True if it is one. */
static bool offer_joined_value(const struct line *line, struct grammar_place *place)
{
	const char *name = place->word + strspn(place->word, "-");
	size_t len = strcspn(name, "=");
	const struct option_spec *spec = find_option(line, name, len);
	cleanup_free char *lead = NULL;

	if (!name[len])
		return false;
	if (!spec || !spec->argument)
		return true;
	lead = xstrndup(place->word, (size_t)(name + len + 1 - place->word));
	place->lead = lead;
	place->word = name + len + 1;
	place->argument = spec->argument;
	offer_argument(line->grammar, place);
	return true;
}

static void offer_word(const struct line *line, const char *word)
{
	struct grammar_place place = { .command = line->command ? line->command->name : "",
				       .root = line->root,
				       .word = word,
				       .lead = "" };

	if (line->open) {
		place.argument = line->open->argument;
		offer_argument(line->grammar, &place);
	} else if (is_option(line, word)) {
		if (!offer_joined_value(line, &place))
			offer_options(line, &place);
	} else if (!line->command) {
		offer_commands(line->grammar, &place);
	} else {
		offer_positional(line, &place);
	}
}

static void complete(const struct grammar *grammar, char *const *words)
{
	struct line line = { .grammar = grammar, .command = find_command(grammar, "") };

	if (!*words)
		return;
	for (; words[1]; words++)
		take_word(&line, *words);
	offer_word(&line, *words);
}

bool grammar_answer(const struct grammar *grammar, char *const *args)
{
	if (streq_null(args[0], "__options"))
		dump(grammar);
	else if (streq_null(args[0], "__complete"))
		complete(grammar, args + 1);
	else
		return false;
	return true;
}
