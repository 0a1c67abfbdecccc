/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/sandbox/shim.h"

/* Started by moat alone, which is why the command line is checked, but not explained. */

static const struct {
	const char *name;
	int (*run)(const struct shim_options *options);
} commands[] = {
	{ "create", shim_create },
	{ "exec", shim_exec },
	{ "template", shim_template },
};

static const struct option long_options[] = {
	{ "root", required_argument, NULL, 'r' },
	{ "id", required_argument, NULL, 'i' },
	{ "sync-fd", required_argument, NULL, 's' },
	{ "console-fd", required_argument, NULL, 'c' },
	{ "process-fd", required_argument, NULL, 'p' },
	{ "image-fd", required_argument, NULL, 'm' },
	{ "oom-dir", required_argument, NULL, 'o' },
	{ "cgroup", required_argument, NULL, 'g' },
	{ "run", no_argument, NULL, 'n' },
	{ "memory-mib", required_argument, NULL, 'M' },
	{ "vcpus", required_argument, NULL, 'V' },
	{ "nics", required_argument, NULL, 'N' },
	{ "disk-slots", no_argument, NULL, 'D' },
	{ "low-ports", no_argument, NULL, 'L' },
	{ "replace", no_argument, NULL, 'R' },
	{ "log-fd", required_argument, NULL, 'l' },
	{ "timing-fd", required_argument, NULL, 't' },
	{ "log-json", no_argument, NULL, 'j' },
	{ "debug", no_argument, NULL, 'd' },
	{ 0 },
};

static int parse_fd(const char *text, int *ret)
{
	uint32_t fd;

	if (parse_u32(text, &fd) < 0 || fd > INT32_MAX)
		return -1;
	*ret = (int)fd;
	return 0;
}

static int parse_timing(const char *text)
{
	int fd;

	if (parse_fd(text, &fd) < 0)
		return -1;
	timing_setup(fd, "shim");
	return 0;
}

static int parse_option(int letter, const char *value, struct shim_options *options,
			struct log_options *log)
{
	switch (letter) {
	case 'r':
		options->root = value;
		return 0;
	case 'i':
		options->id = value;
		return 0;
	case 's':
		return parse_fd(value, &options->sync_fd);
	case 'c':
		return parse_fd(value, &options->console_fd);
	case 'p':
		return parse_fd(value, &options->process_fd);
	case 'm':
		return parse_fd(value, &options->image_fd);
	case 'o':
		strv_push(&options->oom_dirs, xstrdup(value));
		return 0;
	case 'g':
		strv_push(&options->cgroups, xstrdup(value));
		return 0;
	case 'n':
		options->runs_at_once = true;
		return 0;
	case 'M':
		return parse_u32(value, &options->template.memory_mib);
	case 'V':
		return parse_u32(value, &options->template.vcpus);
	case 'N':
		return parse_u32(value, &options->template.nics);
	case 'D':
		options->template.has_disk_slots = true;
		return 0;
	case 'L':
		options->template.has_low_ports = true;
		return 0;
	case 'R':
		options->template.replaces = true;
		return 0;
	case 'l':
		return parse_fd(value, &log->fd);
	case 't':
		return parse_timing(value);
	case 'j':
		log->format = LOG_FORMAT_JSON;
		return 0;
	case 'd':
		log->level = LOG_LEVEL_DEBUG;
		return 0;
	default:
		return -1;
	}
}

static int parse(int argc, char **argv, struct shim_options *options, struct log_options *log)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (parse_option(letter, optarg, options, log) < 0)
			return -1;
	return options->root && options->id && options->sync_fd >= 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct shim_options options = {
		.sync_fd = -1,
		.console_fd = -1,
		.process_fd = -1,
		.image_fd = -1,
	};
	struct log_options log = { "moat-shim", LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, -1 };

	umask(022);
	if (argc < 2 || parse(argc - 1, argv + 1, &options, &log) < 0) {
		fprintf(stderr, "moat-shim: started by moat, not by hand\n");
		return 2;
	}
	log_setup(&log);
	timing_point("shim started");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (streq(argv[1], commands[i].name))
			return commands[i].run(&options);
	fprintf(stderr, "moat-shim: no such command: '%s'\n", argv[1]);
	return 2;
}
