/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill-at N REPORT COMMAND…: runs the command and kills the process that makes the Nth system call
 * of it and its children, at the entry of that call. What they execute, other than the command
 * itself, is left alone, unless it is the program that $KILL_AT_FOLLOW names. REPORT gets one line:
 * who was killed where ("main openat", "child read"), or how many calls there were ("none 873"). The
 * status is the command's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static const int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
			   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

struct trace {
	pid_t main;
	long calls;
	long last;
	const char *report;
	bool has_exec; /* the command's own */
	bool has_killed;
};

__attribute__((format(printf, 2, 3))) static void report(const struct trace *t, const char *fmt,
							 ...)
{
	FILE *file = fopen(t->report, "we");
	va_list args;

	if (!file) {
		perror(t->report);
		exit(2);
	}
	va_start(args, fmt);
	(void)vfprintf(file, fmt, args);
	va_end(args);
	(void)fclose(file);
}

/* A process may be gone at any moment: whatever fails here is seen by the next wait. */
static void resume(pid_t pid, int signal)
{
	(void)ptrace(PTRACE_SYSCALL, pid, 0, signal);
}

static void on_syscall(struct trace *t, pid_t pid)
{
	struct __ptrace_syscall_info info;
	char *name;

	if (t->has_killed || !t->has_exec ||
	    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY || ++t->calls < t->last) {
		resume(pid, 0);
		return;
	}
	name = seccomp_syscall_resolve_num_arch(info.arch, (int)info.entry.nr);
	report(t, "%s %s\n", pid == t->main ? "main" : "child", name ? name : "unknown");
	free(name);
	t->has_killed = true;
	(void)kill(pid, SIGKILL);
}

static bool is_followed(pid_t pid)
{
	const char *wanted = getenv("KILL_AT_FOLLOW");
	char link[64], path[4096], *slash;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = wanted ? readlink(link, path, sizeof(path) - 1) : -1;
	if (n < 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return slash && strcmp(slash + 1, wanted) == 0;
}

static void on_exec(struct trace *t, pid_t pid)
{
	if (pid == t->main) {
		t->has_exec = true;
		resume(pid, 0);
		return;
	}
	if (is_followed(pid)) {
		resume(pid, 0);
		return;
	}
	(void)ptrace(PTRACE_DETACH, pid, 0, 0);
}

static void on_stop(struct trace *t, pid_t pid, int status)
{
	int signal = WSTOPSIG(status);

	switch (status >> 16) {
	case 0:
		break;
	case PTRACE_EVENT_EXEC:
		on_exec(t, pid);
		return;
	case PTRACE_EVENT_STOP: /* the first of a new process, or of a stopped group */
		if (signal != SIGTRAP)
			(void)ptrace(PTRACE_LISTEN, pid, 0, 0);
		else
			resume(pid, 0);
		return;
	default:
		resume(pid, 0);
		return;
	}
	if (signal == (SIGTRAP | 0x80))
		on_syscall(t, pid);
	else
		resume(pid, signal);
}

/* The tracer waits for its children, and for those of others that it traces: a main process that
 * has ended is reported to nobody else. */
static int follow(struct trace *t)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return 2;
		if (WIFSTOPPED(status))
			on_stop(t, pid, status);
		else if (pid == t->main)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static void execute(char **argv, int gate)
{
	char byte;

	/* Until it is traced. */
	if (read(gate, &byte, 1) != 0)
		_exit(2);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct trace t = { 0 };
	int gate[2], status;

	if (argc < 4 || sscanf(argv[1], "%ld", &t.last) != 1) {
		(void)fprintf(stderr, "usage: kill-at N REPORT COMMAND…\n");
		return 2;
	}
	t.report = argv[2];
	if (pipe2(gate, O_CLOEXEC) < 0) {
		perror("pipe");
		return 2;
	}
	t.main = fork();
	if (t.main == 0) {
		(void)close(gate[1]);
		execute(argv + 3, gate[0]);
	}
	if (t.main < 0 || ptrace(PTRACE_SEIZE, t.main, 0, options) < 0 ||
	    ptrace(PTRACE_INTERRUPT, t.main, 0, 0) < 0) {
		perror("trace");
		return 2;
	}
	(void)close(gate[0]);
	(void)close(gate[1]);
	status = follow(&t);
	if (!t.has_killed)
		report(&t, "none %ld\n", t.calls);
	/* What is still traced goes on by itself when its tracer ends. */
	return status;
}
