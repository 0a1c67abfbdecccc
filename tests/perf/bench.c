/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * bench ROUNDS WARMUP FILE: wall time of commands, measured side by side.
 *
 * Each line of FILE is a name and a command, separated by white space; "@" in an argument becomes
 * a number that no other run has. Rounds take the commands in turn (A B C A B C …), so that noise
 * of the machine meets all of them alike. Standard output of the commands goes to /dev/null. A
 * command that fails ends the measurement: a failure is fast, and would look good.
 *
 * Prints for each: name, median, minimum and 90th percentile in microseconds, user + system time
 * in microseconds, maximum resident memory in KiB.
 */
#define MAX_COMMANDS 16
#define MAX_ARGS 48
#define LINE_BYTES 4096

extern char **environ;

struct sample {
	long wall_us;
	long cpu_us;
	long rss_kib;
};

struct command {
	char *name;
	char *args[MAX_ARGS + 1];
	struct sample *samples;
};

struct plan {
	struct command commands[MAX_COMMANDS];
	size_t count;
	size_t rounds;
	size_t warmup;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static size_t parse_count(const char *text)
{
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || n > 1000000)
			die("not a count: '%s'", text);
		n = n * 10 + (size_t)(*p - '0');
	}
	return n;
}

static void parse_command(struct plan *plan, char *line)
{
	struct command *command = &plan->commands[plan->count];
	size_t count = 0;
	char *saved;
	char *word = strtok_r(line, " \t\n", &saved);

	if (!word || *word == '#')
		return;
	if (plan->count == MAX_COMMANDS)
		die("more than %d commands", MAX_COMMANDS);
	command->name = strdup(word);
	while ((word = strtok_r(NULL, " \t\n", &saved))) {
		if (count == MAX_ARGS)
			die("'%s': more than %d arguments", command->name, MAX_ARGS);
		command->args[count++] = strdup(word);
	}
	if (count == 0)
		die("'%s': no command", command->name);
	command->samples = calloc(plan->rounds, sizeof(*command->samples));
	plan->count++;
}

static void read_plan(struct plan *plan, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[LINE_BYTES];

	if (!file)
		die("open '%s': %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		parse_command(plan, line);
	fclose(file);
}

/* The argument with its "@" replaced, or a copy. */
static char *number_argument(const char *arg, unsigned long number)
{
	const char *at = strchr(arg, '@');
	char *made = NULL;
	int n = at ? asprintf(&made, "%.*s%d-%lu%s", (int)(at - arg), arg, (int)getpid(), number,
			      at + 1)
		   : asprintf(&made, "%s", arg);

	if (n < 0)
		die("out of memory");
	return made;
}

static long micros(const struct timeval *tv)
{
	return tv->tv_sec * 1000000L + tv->tv_usec;
}

static void run_once(const struct command *command, posix_spawn_file_actions_t *actions,
		     struct sample *ret)
{
	static unsigned long number;
	struct timespec begin, end;
	struct rusage usage;
	char *args[MAX_ARGS + 1] = { NULL };
	pid_t pid;
	int status, r;

	number++;
	for (size_t i = 0; command->args[i]; i++)
		args[i] = number_argument(command->args[i], number);

	clock_gettime(CLOCK_MONOTONIC, &begin);
	/* glibc's posix_spawn(3) is vfork and exec. */
	r = posix_spawnp(&pid, args[0], actions, NULL, args, environ);
	if (r != 0)
		die("'%s': %s", args[0], strerror(r));
	if (wait4(pid, &status, 0, &usage) != pid)
		die("wait: %s", strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die("'%s' failed with wait status 0x%x", command->name, (unsigned int)status);

	ret->wall_us =
		(end.tv_sec - begin.tv_sec) * 1000000L + (end.tv_nsec - begin.tv_nsec) / 1000;
	ret->cpu_us = micros(&usage.ru_utime) + micros(&usage.ru_stime);
	ret->rss_kib = usage.ru_maxrss;
	for (size_t i = 0; args[i]; i++)
		free(args[i]);
}

static int by_wall(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->wall_us > y->wall_us) - (x->wall_us < y->wall_us);
}

static void report(struct command *command, size_t rounds)
{
	long cpu = 0, rss = 0;

	for (size_t i = 0; i < rounds; i++) {
		cpu += command->samples[i].cpu_us;
		if (command->samples[i].rss_kib > rss)
			rss = command->samples[i].rss_kib;
	}
	qsort(command->samples, rounds, sizeof(*command->samples), by_wall);
	printf("%s %ld %ld %ld %ld %ld\n", command->name, command->samples[rounds / 2].wall_us,
	       command->samples[0].wall_us, command->samples[rounds * 9 / 10].wall_us,
	       cpu / (long)rounds, rss);
}

int main(int argc, char **argv)
{
	static struct plan plan;
	posix_spawn_file_actions_t actions;
	struct sample ignored;

	if (argc != 4)
		die("usage: bench ROUNDS WARMUP FILE");
	plan.rounds = parse_count(argv[1]);
	plan.warmup = parse_count(argv[2]);
	read_plan(&plan, argv[3]);
	if (plan.rounds == 0 || plan.count == 0)
		die("nothing to do");

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	for (size_t round = 0; round < plan.warmup + plan.rounds; round++) {
		for (size_t i = 0; i < plan.count; i++) {
			struct command *command = &plan.commands[i];

			run_once(command, &actions,
				 round < plan.warmup ? &ignored
						     : &command->samples[round - plan.warmup]);
		}
	}
	for (size_t i = 0; i < plan.count; i++)
		report(&plan.commands[i], plan.rounds);
	return 0;
}
