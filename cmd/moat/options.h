/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct error;

/*
 * The one parser of command lines. A table says which options there are and where in a struct
 * their values go; the same table feeds --help, the completion and the check of the man page.
 *
 * Accepted are --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -n=VALUE, bundled letters (-dt), a
 * long name behind one dash (-no-subreaper, as containerd writes it), and "--" as the end of the
 * options. A comma separates nothing.
 */
enum option_kind {
	OPTION_FLAG,  /* bool: --name, --name=true, --name=false */
	OPTION_TEXT,  /* const char *, borrowed from argv; NULL: not given */
	OPTION_PATH,  /* char *, owned: made absolute at once, before anything changes directory */
	OPTION_U32,   /* uint32_t */
	OPTION_WORD,  /* int, an index into .words */
	OPTION_TEXTS, /* char **, owned: one string each time the option is given */
	/* Of these, an empty argument is as good as none, as in runc. */
	OPTION_OPT_U32, /* struct opt_u32 */
	OPTION_OPT_U64, /* struct opt_u64 */
	OPTION_OPT_I64, /* struct opt_i64 */
	OPTION_SIZE,	/* struct opt_i64: bytes, size_parse() */
	OPTION_TIME,	/* struct opt_i64: nanoseconds, duration_parse() */
	OPTION_KIND_COUNT,
};

struct option_spec {
	const char *name; /* without dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	size_t offset;
	const struct names *words; /* OPTION_WORD */
	const char *argument;	   /* as --help names it; NULL for a flag */
	const char *help;
	char other_letter; /* that some peer has for it; 0: none */
};

struct option_table {
	const struct option_spec *specs;
	size_t count;
};
#define OPTION_TABLE(array)                                                                        \
	{                                                                                          \
		array, ARRAY_SIZE(array)                                                           \
	}

/* What options_parse() returns when it met --help or -h, which every table has. */
#define OPTIONS_HELP 1

/*
 * Parses the NULL-terminated @argv into @values and leaves the positionals in @argv, in order and
 * NULL-terminated. With @stops_early everything from the first positional on is left as it is.
 * Returns 0, OPTIONS_HELP, or an error; @values wants options_release() in each case.
 */
int options_parse(const struct option_table *table, char **argv, bool stops_early, void *values,
		  struct error *err);

/* Frees what @values owns and clears it. */
void options_release(const struct option_table *table, void *values);
