/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"
#include "lib/linux/pty.h"
#include "lib/linux/signals.h"

/*
 * The debug console, for guests that were started with one: everybody who connects gets a terminal
 * and a shell of the guest's image on it. Who leaves hangs it up.
 */
static const char *const shells[] = {
	"/run/kata-extensions/devkit/bin/devkit-sh",
	"/bin/bash",
	"/bin/sh",
};

struct shell {
	struct agent_server *server;
	struct shell *next;
	struct relay *input, *output;
};

static const char *find_shell(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (access(shells[i], X_OK) == 0)
			return shells[i];
	return NULL;
}

static void drop_shell(struct shell *shell)
{
	struct shell **p = &shell->server->shells;

	while (*p != shell)
		p = &(*p)->next;
	*p = shell->next;
	relay_free(shell->input);
	relay_free(shell->output);
	free(shell);
}

static void on_end(void *ctx)
{
	drop_shell(ctx);
}

static _Noreturn void exec_shell(const char *path, int slave)
{
	static char *const env[] = {
		(char *)"PATH=/bin:/sbin:/usr/bin:/usr/sbin",
		(char *)"TERM=linux",
		(char *)"HOME=/",
		NULL,
	};
	char *const argv[] = { (char *)path, NULL };

	signals_reset();
	if (setsid() < 0 || pty_take(slave) < 0)
		_exit(126);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(slave, fd) < 0)
			_exit(126);
	(void)execve(path, argv, env);
	_exit(127);
}

/* The terminal's master, which is all that is left of the shell for us: the shell itself is reaped
 * like an orphan. */
static int start_shell(const char *path)
{
	struct clone_request clone = { .cgroup_fd = -1 };
	cleanup_fd int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct pty pty = PTY_INIT;
	pid_t pid;
	int r = root_fd < 0 ? -errno : pty_open_beneath(root_fd, &pty);

	if (r < 0)
		return r;
	pid = clone_process(&clone);
	if (pid == 0)
		exec_shell(path, pty.slave);
	r = pid < 0 ? (int)pid : steal_fd(&pty.master);
	pty_close(&pty);
	return r;
}

/* Takes both descriptors. */
static int relay_shell(struct shell *shell, int master, int fd)
{
	cleanup_fd int from = fcntl(master, F_DUPFD_CLOEXEC, 3);
	cleanup_fd int to = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct relay_options options = { fd, master, .on_end = on_end, .ctx = shell };
	int r = relay_new(shell->server, &options, &shell->input);

	if (r == 0 && (from < 0 || to < 0))
		r = -EMFILE;
	if (r < 0)
		return r;
	options.from = steal_fd(&from);
	options.to = steal_fd(&to);
	return relay_new(shell->server, &options, &shell->output);
}

int shell_serve(struct agent_server *server, int fd)
{
	static const char none[] = "moat-agent: this guest image has no shell\r\n";
	const char *path = find_shell();
	struct shell *shell;
	int master, r;

	if (!path)
		(void)send(fd, none, strlen(none),
			   MSG_DONTWAIT | MSG_NOSIGNAL); /* or it has gone */
	master = path ? start_shell(path) : -ENOENT;
	if (master < 0) {
		close(fd);
		return master;
	}
	shell = xcalloc(1, sizeof(*shell));
	*shell = (struct shell){ .server = server, .next = server->shells };
	server->shells = shell;
	r = relay_shell(shell, master, fd);
	if (r < 0)
		drop_shell(shell);
	return r;
}

void shells_close(struct agent_server *server)
{
	while (server->shells)
		drop_shell(server->shells);
}
