/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "cmd/moat/completion.h"
#include "cmd/moat/help.h"
#include "cmd/moat/version.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/state/record.h"
#include "oci/config.h"

static const char *const log_format_words[] = { "text", "json" };
static const struct names log_formats = NAMES(log_format_words);
static const char *const cgroup_manager_words[] = { "cgroupfs", "systemd", "disabled" };
static const struct names cgroup_managers = NAMES(cgroup_manager_words);
static const char *const rootless_words[] = {
	[ROOTLESS_AUTO] = "auto",
	[ROOTLESS_TRUE] = "true",
	[ROOTLESS_FALSE] = "false",
};
static const struct names rootless_choices = NAMES(rootless_words);

/* clang-format off */
#define AT(member) offsetof(struct globals, member)
static const struct option_spec global_specs[] = {
	{ "root", 0, OPTION_PATH, AT(root), NULL, "DIR", "where the state of containers is kept" },
	{ "isolation", 0, OPTION_WORD, AT(isolation), &isolation_names, "vm|native", "what a new container runs behind (default: vm)" },
	{ "hypervisor", 0, OPTION_WORD, AT(hypervisor), &settings_hypervisor_names, "auto|qemu|cloud-hypervisor|firecracker|builtin", "what runs a new virtual machine (default: qemu)" },
	{ "guest-arch", 0, OPTION_WORD, AT(guest_arch), &settings_guest_arch_names, "auto|x86_64|aarch64|riscv64|ppc64le|s390x", "the processor of a new virtual machine (default: auto, which its program needs)" },
	{ "log", 0, OPTION_TEXT, AT(log), NULL, "FILE", "write the error there too" },
	{ "log-format", 0, OPTION_WORD, AT(log_format), &log_formats, "text|json", "how the log file is written (default: text)" },
	{ "log-level", 0, OPTION_WORD, AT(log_level), &log_level_names, "error|warning|info|debug", "what is logged" },
	{ "debug", 0, OPTION_FLAG, AT(is_debugging), NULL, NULL, "the same as --log-level debug" },
	{ "cgroup-manager", 0, OPTION_WORD, AT(cgroup_manager), &cgroup_managers, "cgroupfs|systemd|disabled", "who makes cgroups (default: cgroupfs)" },
	{ "systemd-cgroup", 0, OPTION_FLAG, AT(wants_systemd), NULL, NULL, "the same as --cgroup-manager systemd" },
	{ "rootless", 0, OPTION_WORD, AT(rootless), &rootless_choices, "auto|true|false", "do without cgroups that cannot be written" },
	{ "config", 0, OPTION_PATH, AT(config), NULL, "FILE", "read this instead of /etc/moat/moat.json" },
	{ "criu", 0, OPTION_TEXT, AT(criu), NULL, "PATH", "the program that checkpoint and restore run (default: criu of $PATH)" },
	{ "version", 'v', OPTION_FLAG, AT(shows_version), NULL, NULL, "show the version", 'V' },
};
#undef AT
/* clang-format on */
const struct option_table global_options = OPTION_TABLE(global_specs);

static const struct globals globals_default = {
	.log_level = -1,
	.isolation = -1,
	.hypervisor = -1,
	.guest_arch = -1,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (streq(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* crun's callers may write file:PATH. The descriptor stays open until the process ends. */
static int open_log(const struct globals *globals, int *ret_fd, struct error *err)
{
	const char *path = globals->log, *rest;
	int fd;

	if (!path)
		return 0;
	if (str_after(path, "journald:") || str_after(path, "syslog:"))
		return error_set(err, -EOPNOTSUPP, "open log '%s': only files are supported", path);
	rest = str_after(path, "file:");
	if (rest)
		path = rest;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return error_sys(err, errno, "open log '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* A log file is read by engines that expect nothing there but the one error that ended the
 * command, so a warning goes there only when it was asked for. */
static enum log_level choose_level(const struct globals *globals)
{
	if (globals->is_debugging)
		return LOG_LEVEL_DEBUG;
	if (globals->log_level >= 0)
		return (enum log_level)globals->log_level;
	if (globals->settings.log_level >= 0)
		return (enum log_level)globals->settings.log_level;
	return globals->log ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
}

static int set_up_log(const struct globals *globals, struct error *err)
{
	struct log_options options = {
		.program = "moat",
		.level = choose_level(globals),
		.format = (enum log_format)globals->log_format,
		.fd = -1,
	};
	int r = open_log(globals, &options.fd, err);

	log_setup(&options);
	return r;
}

/* By the environment, because the shim reads it again. */
static int load_settings(struct globals *globals, struct error *err)
{
	const char *hypervisor = names_get(&settings_hypervisor_names, (size_t)globals->hypervisor);

	const char *guest_arch = names_get(&settings_guest_arch_names, (size_t)globals->guest_arch);

	settings_init(&globals->settings);
	if (hypervisor && setenv("MOAT_HYPERVISOR", hypervisor, 1) < 0)
		return error_sys(err, errno, "set MOAT_HYPERVISOR");
	if (guest_arch && setenv("MOAT_GUEST_ARCH", guest_arch, 1) < 0)
		return error_sys(err, errno, "set MOAT_GUEST_ARCH");
	if (globals->config && setenv(SETTINGS_VARIABLE, globals->config, 1) < 0)
		return error_sys(err, errno, "set " SETTINGS_VARIABLE);
	(void)settings_load(&globals->settings, &globals->settings_error);
	return 0;
}

static int choose_root(struct globals *globals, struct error *err)
{
	return globals->root ? 0 : state_default_root(&globals->root, err);
}

static int check_arg_count(const struct command *command, char *const *args, struct error *err)
{
	size_t count = strv_len(args);

	if (count < command->min_args && count == 0)
		return error_set(err, -EINVAL, "%s needs an argument: moat %s %s", command->name,
				 command->name, command->arguments);
	if (count < command->min_args)
		return error_set(err, -EINVAL, "%s needs more arguments: moat %s %s", command->name,
				 command->name, command->arguments);
	if (count > command->max_args)
		return error_set(err, -EINVAL, "%s: unexpected argument '%s'", command->name,
				 args[command->max_args]);
	return 0;
}

static int add_context(const struct command *command, char *const *args, int code,
		       struct error *err)
{
	if (!command->context)
		return error_wrap(err, code, "%s '%s'", command->name, args[0]);
	return *command->context ? error_wrap(err, code, "%s", command->context) : code;
}

static int parse_and_run(const struct command *command, const struct globals *globals, char **args,
			 void *values, struct error *err)
{
	int r;

	r = options_parse(command->options, args, command->stops_early, values, err);
	if (r == OPTIONS_HELP) {
		help_command(command);
		return 0;
	}
	if (r < 0)
		return error_wrap(err, r, "%s", command->name);
	r = check_arg_count(command, args, err);
	if (r < 0)
		return r;
	r = command->run(globals, values, args, err);
	return r < 0 ? add_context(command, args, r, err) : r;
}

static int report_command(const struct command *command, const struct globals *globals, char **args)
{
	cleanup_free void *values = xcalloc(1, command->values_size);
	struct error err = ERROR_INIT;
	int r = parse_and_run(command, globals, args, values, &err);

	options_release(command->options, values);
	if (r >= 0)
		return r;
	log_failure(&err);
	return command->failure_status ? command->failure_status : 1;
}

static int show_version(void)
{
	printf("moat version %s\ncommit: %s\nspec: %s\n", MOAT_VERSION, MOAT_COMMIT, OCI_VERSION);
	return 0;
}

static int show_help(const char *name)
{
	const struct command *command = name ? command_find(name) : NULL;

	if (command)
		help_command(command);
	else
		help_program();
	return 0;
}

/* What needs neither state nor log. Returns -ENOENT when @argv asks for something else. */
static int answer_directly(const struct globals *globals, int parsed, char *const *argv)
{
	if (parsed == OPTIONS_HELP)
		return show_help(NULL);
	if (globals->shows_version)
		return show_version();
	if (argv[0] && streq(argv[0], "help"))
		return show_help(argv[1]);
	return completion_answer(argv) ? 0 : -ENOENT;
}

static int fail(const struct error *err, int status)
{
	log_failure(err);
	return status;
}

static int run_with(struct globals *globals, char **argv)
{
	const struct command *command;
	struct error err = ERROR_INIT;
	int parsed = options_parse(&global_options, argv, true, globals, &err);
	int r;

	if (parsed < 0)
		return fail(&err, 1);
	r = answer_directly(globals, parsed, argv);
	if (r >= 0)
		return r;
	if (load_settings(globals, &err) < 0 || set_up_log(globals, &err) < 0 ||
	    choose_root(globals, &err) < 0)
		return fail(&err, 1);
	if (!argv[0]) {
		error_set(&err, -EINVAL, "no command given: see 'moat --help'");
		return fail(&err, 1);
	}
	command = command_find(argv[0]);
	if (!command) {
		error_set(&err, -EINVAL, "unknown command '%s': see 'moat --help'", argv[0]);
		return fail(&err, 3);
	}
	return report_command(command, globals, argv + 1);
}

int cli_main(char *const *argv)
{
	struct globals globals = globals_default;
	/* Parsing sorts the array, and the original is needed to execute ourselves once more. */
	cleanup_free char **sorted = xmemdup(argv, (strv_len(argv) + 1) * sizeof(*argv));
	int status;

	if (!argv[0])
		return 1; /* execve(2) with an empty argv: nobody's command line */
	if (fill_standard_fds() < 0)
		return 1; /* without them there is nobody to tell */
	/* An ignoring parent would have our children reaped before we can ask how they ended. */
	(void)signal(SIGCHLD, SIG_DFL);
	globals.argv = argv;
	status = run_with(&globals, sorted + 1);
	options_release(&global_options, &globals);
	settings_done(&globals.settings);
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) != 0 && status == 0) {
		struct error err = ERROR_INIT;

		error_sys(&err, errno, "write to standard output");
		return fail(&err, 1);
	}
	return status;
}
