/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cmd/moat/options.h"
#include "lib/base/error.h"
#include "lib/settings/settings.h"

enum cgroup_manager {
	CGROUP_MANAGER_CGROUPFS,
	CGROUP_MANAGER_SYSTEMD,
	CGROUP_MANAGER_DISABLED,
	CGROUP_MANAGER_COUNT,
};

enum rootless { ROOTLESS_AUTO, ROOTLESS_TRUE, ROOTLESS_FALSE, ROOTLESS_COUNT };

/* What stands in front of the command. */
struct globals {
	char *const *argv; /* main()'s */
	char *root;	   /* absolute, never NULL once a command runs */
	const char *log;
	int log_format;
	int log_level; /* -1: not given */
	bool is_debugging;
	bool wants_systemd;
	int cgroup_manager; /* enum cgroup_manager */
	int rootless;	    /* enum rootless */
	int isolation;	    /* enum isolation, -1: not given */
	int hypervisor;	    /* index into settings_hypervisor_names, -1: not given */
	int guest_arch;	    /* index into settings_guest_arch_names, -1: not given */
	bool shows_version;
	char *config;	  /* another moat.json, or NULL */
	const char *criu; /* program, or NULL */
	struct settings settings;
	/* Why there are no settings. Said by the commands that need them: one that cleans up must
	 * work whatever somebody wrote into a file. */
	struct error settings_error;
};

extern const struct option_table global_options;

/* A command is one const struct in a file of its own, named in the table of main.c. */
struct command {
	const char *name;
	const char *summary;
	const char *arguments; /* its positionals as --help shows them */
	unsigned int min_args;
	unsigned int max_args;
	bool stops_early; /* what follows the first positional belongs to somebody else */
	const struct option_table *options;
	size_t values_size;  /* of the struct that `options` fills, starting from zeroes */
	const char *context; /* stands before every error; NULL: "NAME 'ID'", "": nothing */
	int failure_status;  /* exit status of an error; 0: 1 */

	/* Returns the exit status, or a negative errno with @err set. @args: NULL-terminated. */
	int (*run)(const struct globals *globals, void *values, char **args, struct error *err);
};

extern const struct command create_command, start_command, run_command, exec_command, kill_command,
	delete_command, state_command, list_command, ps_command, pause_command, resume_command,
	update_command, mounts_command, events_command, checkpoint_command, restore_command,
	spec_command, features_command, check_command, env_command, template_command,
	metrics_command, logs_command, console_command;
extern const struct command *const commands[]; /* ends with NULL */

const struct command *command_find(const char *name);

#define ANY_NUMBER_OF_ARGS (~0U)
