/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/help.h"

#include <stdio.h>

#include "cmd/moat/command.h"

#define LEFT_WIDTH 28
/* For what is too wide: under the other texts. */
#define NEXT_LINE "\n                              "

static void print_option(const struct option_spec *spec)
{
	cleanup_free char *left =
		xasprintf("%c%c%s --%s%s%s", spec->letter ? '-' : ' ',
			  spec->letter ? spec->letter : ' ', spec->letter ? "," : " ", spec->name,
			  spec->argument ? " " : "", spec->argument ? spec->argument : "");

	printf("  %-*s%s%s\n", LEFT_WIDTH, left, strlen(left) < LEFT_WIDTH ? "" : NEXT_LINE,
	       spec->help);
}

static void print_options(const struct option_table *table)
{
	printf("\nOptions:\n");
	for (size_t i = 0; i < table->count; i++)
		print_option(&table->specs[i]);
	printf("  %-*s%s\n", LEFT_WIDTH, "-h, --help", "show this text");
}

void help_program(void)
{
	printf("Usage: moat [OPTION]... COMMAND [ARGUMENT]...\n\n"
	       "Runs OCI containers: behind a kernel of their own in a virtual machine, or directly\n"
	       "on this host's.\n\nCommands:\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	print_options(&global_options);
	printf("\n'moat COMMAND --help' tells more about a command.\n");
}

void help_command(const struct command *command)
{
	printf("Usage: moat [OPTION]... %s [OPTION]...%s%s\n\n%s\n", command->name,
	       *command->arguments ? " " : "", command->arguments, command->summary);
	print_options(command->options);
}
