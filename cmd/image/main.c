/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/image/command.h"
#include "cmd/moat/grammar.h"
#include "lib/base/error.h"
#include "lib/base/log.h"

static const struct command *const commands[] = { &build_command, &check_kernel_command };

static void print_options(const struct command *command)
{
	printf("Usage: moat-image %s [OPTION]...\n\n%s\n\nOptions:\n", command->name,
	       command->summary);
	for (size_t i = 0; i < command->options->count; i++) {
		const struct option_spec *spec = &command->options->specs[i];
		cleanup_free char *left = xasprintf("--%s %s", spec->name, spec->argument);

		printf("  %-26s %s\n", left, spec->help);
	}
}

static void print_commands(void)
{
	printf("Usage: moat-image COMMAND [OPTION]...\n\n"
	       "Makes what a virtual machine boots from a kernel and the guest's agent.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-13s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n'moat-image COMMAND --help' tells more about a command.\n");
}

/* Nothing of its arguments is known here only. */
static void offer(const struct grammar_place *place)
{
}

static bool answer_shell(char *const *args)
{
	struct grammar_command list[ARRAY_SIZE(commands)];
	const struct grammar grammar = { .commands = list,
					 .count = ARRAY_SIZE(commands),
					 .offer = offer };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		list[i] = (struct grammar_command){ .name = commands[i]->name,
						    .summary = commands[i]->summary,
						    .arguments = "",
						    .options = commands[i]->options };
	return grammar_answer(&grammar, args);
}

static int run_command(const struct command *command, char **args, struct error *err)
{
	struct image_options options = { 0 };
	int r = options_parse(command->options, args, false, &options, err);

	if (r == 0 && *args)
		r = error_set(err, -EINVAL, "unexpected argument '%s'", *args);
	if (r == OPTIONS_HELP) {
		print_options(command);
		r = 0;
	} else if (r == 0) {
		r = command->run(&options, err);
	}
	options_release(command->options, &options);
	return r;
}

static int run(char **args, struct error *err)
{
	if (!*args)
		return error_set(err, -EINVAL, "no command; 'moat-image --help' lists them");
	if (streq(*args, "--help") || streq(*args, "-h")) {
		print_commands();
		return 0;
	}
	if (streq(*args, "--version")) {
		printf("moat-image %s\n", MOAT_VERSION);
		return 0;
	}
	if (answer_shell(args))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (streq(commands[i]->name, *args))
			return run_command(commands[i], args + 1, err);
	return error_set(err, -EINVAL, "unknown command '%s'", *args);
}

int main(int argc, char **argv)
{
	static const struct log_options log = {
		.program = "moat-image",
		.level = LOG_LEVEL_INFO,
		.fd = -1,
	};
	struct error err = ERROR_INIT;
	int r;

	log_setup(&log);
	r = run(argv + (argc > 0), &err);
	if (r < 0) {
		log_failure(&err);
		return 1;
	}
	return r;
}
