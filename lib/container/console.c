/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/console.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"

void console_done(struct console *console)
{
	close_fdp(&console->container_end);
	close_fdp(&console->our_end);
}

/* Engines know both sentences from runc. */
static int check(const struct console_request *request, struct error *err)
{
	bool has_socket = request->socket_path || request->socket_fd >= 0;

	if (request->is_detached && request->has_terminal && !has_socket)
		return error_set(
			err, -EINVAL,
			"cannot allocate tty if moat will detach without setting console socket");
	if (has_socket && !(request->is_detached && request->has_terminal))
		return error_set(
			err, -EINVAL,
			"cannot use console socket if moat will not detach or allocate tty");
	return 0;
}

static int open_pair(struct console *ret, struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "console: make a pair of sockets");
	*ret = (struct console){ .container_end = pair[0], .our_end = pair[1] };
	return 0;
}

int console_open(const struct console_request *request, struct console *ret, struct error *err)
{
	int fd, r = check(request, err);

	if (r < 0)
		return r;
	*ret = (struct console)CONSOLE_INIT;
	if (!request->has_terminal)
		return 0;
	if (!request->is_detached)
		return open_pair(ret, err);
	fd = request->socket_path ? unix_connect(request->socket_path)
				  : fcntl(request->socket_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return error_sys(err, fd, "console socket '%s': connect",
				 request->socket_path ? request->socket_path : "inherited");
	ret->container_end = fd;
	return 0;
}

int console_receive(const struct console *console, int *ret_master, struct error *err)
{
	char name[256];
	size_t count = 1;
	ssize_t n = recv_fds(console->our_end, name, sizeof(name), ret_master, &count);

	if (n < 0)
		return error_sys(err, (int)n, "console: receive the terminal");
	if (count != 1)
		return error_set(err, -EPROTO, "console: receive the terminal: none came");
	return 0;
}
