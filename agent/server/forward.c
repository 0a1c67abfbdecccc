/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * Connections to a port of the guest's loopback: the first two bytes name it, in network order,
 * and what follows is the connection's.
 */
#define FORWARDS_MAX 64

struct forward {
	struct agent_server *server;
	struct forward *next;
	int fd; /* until it is relayed, or -1 */
	struct loop_source *source;
	struct relay *relays[2];
	unsigned int ended;
};

static void drop_forward(struct forward *f)
{
	struct forward **p = &f->server->forwards;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	loop_remove(f->source);
	close_fdp(&f->fd);
	for (size_t i = 0; i < ARRAY_SIZE(f->relays); i++)
		relay_free(f->relays[i]);
	free(f);
}

/* One direction may end long before the other. */
static void on_end(void *ctx)
{
	struct forward *f = ctx;

	if (++f->ended == ARRAY_SIZE(f->relays))
		drop_forward(f);
}

/* The server has said all. Where the host cannot be told of that alone, it is the end. */
static void on_server_end(void *ctx)
{
	struct forward *f = ctx;

	if (f->server->options.no_half_close)
		drop_forward(f);
	else
		on_end(f);
}

/* Not waited for: a relay waits for what it writes, and ends where there is nobody. */
static int connect_loopback(uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = port,
	};
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return steal_fd(&fd);
}

/* Takes @to. */
static int relay_both(struct forward *f, int to)
{
	struct relay_options there = {
		.from = steal_fd(&f->fd), .to = to, .on_end = on_end, .ctx = f
	};
	struct relay_options back = { .on_end = on_server_end, .ctx = f };
	int r = relay_new(f->server, &there, &f->relays[0]);

	if (r < 0)
		return r;
	back.from = fcntl(there.to, F_DUPFD_CLOEXEC, 3);
	back.to = fcntl(there.from, F_DUPFD_CLOEXEC, 3);
	return relay_new(f->server, &back, &f->relays[1]);
}

static void on_name(void *ctx, int fd, uint32_t events)
{
	struct forward *f = ctx;
	uint16_t port;
	int to;

	if (recv(fd, &port, sizeof(port), MSG_DONTWAIT) != sizeof(port)) {
		drop_forward(f);
		return;
	}
	loop_remove(steal_ptr(&f->source));
	to = connect_loopback(port);
	if (to < 0 || relay_both(f, to) < 0)
		drop_forward(f);
}

static size_t count_forwards(const struct agent_server *server)
{
	size_t count = 0;

	for (const struct forward *f = server->forwards; f; f = f->next)
		count++;
	return count;
}

int forward_serve(struct agent_server *server, int fd)
{
	struct forward *f;
	int r;

	if (count_forwards(server) >= FORWARDS_MAX) {
		close(fd);
		return -EBUSY;
	}
	f = xcalloc(1, sizeof(*f));
	*f = (struct forward){ .server = server, .next = server->forwards, .fd = fd };
	server->forwards = f;
	r = loop_add_fd(server->loop, fd, EPOLLIN, on_name, f, &f->source);
	if (r < 0)
		drop_forward(f);
	return r;
}

void forwards_close(struct agent_server *server)
{
	while (server->forwards)
		drop_forward(server->forwards);
}
