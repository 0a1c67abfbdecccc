/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cmd/moat/options.h"

struct error;

/* A command is one const struct in a file of its own, named in the table of main.c. */
struct command {
	const char *name;
	const char *summary;
	const struct option_table *options;
	/* @values: what the options filled. Returns the exit status, or -errno with @err set. */
	int (*run)(void *values, struct error *err);
};

extern const struct command build_command, check_kernel_command;

/* One struct for both: which kernel, and what comes of it. */
struct image_options {
	char *kernel;
	const char *release;
	char *config;
	char *modules;
	char **extra_modules;
	char *agent;
	char *output;
	int format;
};
