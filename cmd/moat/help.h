/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct command;

/* Texts made from the tables, on standard output. */
void help_program(void);
void help_command(const struct command *command);
