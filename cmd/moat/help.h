/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct command;

/* Texts made from the tables, on standard output. */
void help_program(void);
void help_command(const struct command *command);

/* For the completion and the tests: a line "COMMAND" for each command, then one line
 * "COMMAND\t--name\t-letter\tARGUMENT" for each option; "-" stands for the program itself, for a
 * missing letter and for a missing argument. */
void help_dump_options(void);
