/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct option_table;

/*
 * What a program's command line is made of, taken from its tables: for shells, which ask the
 * program itself what can stand somewhere, and for the test that compares man pages with it.
 */
struct grammar_command {
	const char *name; /* "": a program without commands */
	const char *summary;
	const char *arguments; /* positionals, as --help shows them: "ID [SIGNAL]" */
	bool stops_early;      /* what follows the first positional belongs to somebody else */
	const struct option_table *options;
};

/* A place in a command line that is being written. */
struct grammar_place {
	const char *command;
	const char *argument; /* what is wanted: "ID", "SIGNAL" */
	const char *root;     /* value of --root, or NULL */
	const char *word;     /* what is written of it by now */
	const char *lead;     /* what stands in front of it in the same word: "--signal=" */
};

struct grammar {
	const struct option_table *globals; /* in front of a command; NULL: none */
	const struct grammar_command *commands;
	size_t count;
	/* Offers what only the program knows. */
	void (*offer)(const struct grammar_place *place);
};

/* If @args are one of the words that are for shells and tests alone, answers and returns true:
 *
 * "__options": a line for each command and option, its parts separated by tabs: "command", name,
 * arguments, summary; "option", command or "-", "--name", "-l" or "-", argument or "-", help.
 *
 * "__complete WORD…", of which the last is being written: a line for each word that can stand there
 * and, after a tab, what it means; ":files" and ":dirs" mean those. */
bool grammar_answer(const struct grammar *grammar, char *const *args);

/* Prints @value as a candidate if the word can become it. @help may be NULL. */
void grammar_offer(const struct grammar_place *place, const char *value, const char *help);
