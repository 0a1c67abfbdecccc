/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/proto/yamux.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * How connections arrive. Whatever the transport, one ends up as a ttRPC connection (port 1024) or
 * as a stdio stream (port 1027) under a number that its other end knows too: the peer's port with
 * AF_VSOCK, else the one that `OK number` told. CreateContainer and ExecProcess name it.
 */
#define LINE_MAX_BYTES 32 /* "CONNECT 4294967295\n" */
#define STREAMS_MAX 256	  /* that nobody has claimed; then the oldest goes */

#define PORT_HYBRID 0 /* of a listener whose connections name one themselves */

struct listener {
	struct agent_server *server;
	struct listener *next;
	uint32_t port;
	int fd;
	struct loop_source *source;
	char *path; /* of a unix socket that we made */
};

struct handshake {
	struct agent_server *server;
	struct handshake *next;
	int fd;
	struct loop_source *source;
};

struct stream {
	struct stream *next;
	uint32_t number;
	int fd;
};

static void drop_first_stream(struct channel *c)
{
	struct stream *stream = c->streams;

	c->streams = stream->next;
	c->streams_count--;
	close(stream->fd);
	free(stream);
}

static void add_stream(struct channel *c, uint32_t number, int fd)
{
	struct stream *stream = xcalloc(1, sizeof(*stream)), **p = &c->streams;

	if (c->streams_count >= STREAMS_MAX)
		drop_first_stream(c);
	*stream = (struct stream){ .number = number, .fd = fd };
	while (*p)
		p = &(*p)->next;
	*p = stream;
	c->streams_count++;
}

static void close_handshake(struct handshake *h)
{
	struct handshake **p = &h->server->channel.handshakes;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	loop_remove(h->source);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}

/* "CONNECT 1024"; Kata's newer host side writes it in lower case. */
static int parse_connect(const char *line, uint32_t *ret_port)
{
	const char *number = str_after(line, "CONNECT ");

	if (!number)
		number = str_after(line, "connect ");
	return number ? parse_u32(number, ret_port) : -EINVAL;
}

/* Log and debug console have the port that they were asked for on, or none. */
static bool is_served(const struct agent_server *server, uint32_t port)
{
	const struct agent_server_options *o = &server->options;

	return port == AGENT_PORT_RPC || port == AGENT_PORT_STDIO || port == AGENT_PORT_FORWARD ||
	       (port && (port == o->log_port || port == o->console_port));
}

/* Takes @fd. */
static void serve_port(struct agent_server *server, uint32_t port, uint32_t number, int fd)
{
	int r = 0;

	if (port == AGENT_PORT_RPC)
		r = rpc_conn_new(server, fd);
	else if (port == AGENT_PORT_STDIO)
		add_stream(&server->channel, number, fd);
	else if (port == AGENT_PORT_FORWARD)
		r = forward_serve(server, fd);
	else if (port == server->options.log_port)
		r = logs_add_reader(server, fd);
	else
		r = shell_serve(server, fd);
	if (r < 0)
		log_warning("connection: %s", strerror(-r));
}

static void connect_port(struct handshake *h, uint32_t port)
{
	struct channel *c = &h->server->channel;
	uint32_t number = ++c->last_number ? c->last_number : ++c->last_number; /* never 0 */
	cleanup_free char *reply = xasprintf("OK %u\n", number);

	if (!is_served(h->server, port)) {
		log_info("connection to unknown port %u", port);
		return;
	}
	/* A fresh socket takes these few bytes at once, or it is broken. */
	if (send(h->fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)strlen(reply))
		return;
	loop_remove(steal_ptr(&h->source));
	serve_port(h->server, port, number, steal_fd(&h->fd));
}

static void on_handshake(void *ctx, int fd, uint32_t events)
{
	struct handshake *h = ctx;
	char line[LINE_MAX_BYTES];
	ssize_t n = recv(fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	uint32_t port;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A part of a line stays in the socket; it keeps being reported until the rest comes, which
	 * is at once or never. */
	if (n > 0 && !end && n < (ssize_t)sizeof(line) && !(events & EPOLLHUP))
		return;
	if (end) {
		(void)recv(fd, line, (size_t)(end - line) + 1, MSG_DONTWAIT); /* was just there */
		*end = '\0';
		if (parse_connect(line, &port) == 0)
			connect_port(h, port);
	}
	close_handshake(h);
}

static int add_handshake(struct agent_server *server, int fd)
{
	struct handshake *h = xcalloc(1, sizeof(*h));
	int r;

	*h = (struct handshake){ .server = server, .next = server->channel.handshakes, .fd = fd };
	server->channel.handshakes = h;
	r = loop_add_fd(server->loop, fd, EPOLLIN | EPOLLET, on_handshake, h, &h->source);
	if (r < 0)
		close_handshake(h);
	return r;
}

/* A container's processes can dial as well, by the kernel's loopback. */
static bool is_hosts(const struct sockaddr_vm *peer)
{
	return peer->svm_family != AF_VSOCK || peer->svm_cid == VMADDR_CID_HOST;
}

static void on_listener(void *ctx, int fd, uint32_t events)
{
	struct listener *l = ctx;

	for (;;) {
		struct sockaddr_vm peer = { 0 };
		socklen_t len = sizeof(peer);
		int conn = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

		if (conn < 0)
			return; /* none left; whatever else it is will come again */
		if (!is_hosts(&peer)) {
			log_warning("connection from %u, who is not the host", peer.svm_cid);
			close(conn);
			continue;
		}
		if (l->port != PORT_HYBRID)
			serve_port(l->server, l->port, peer.svm_port, conn);
		else if (add_handshake(l->server, conn) < 0)
			log_warning("connection: it cannot be waited for");
	}
}

static int add_listener(struct agent_server *server, uint32_t port, int fd, const char *path)
{
	struct listener *l = xcalloc(1, sizeof(*l));
	int r = set_nonblock(fd, true);

	*l = (struct listener){ .server = server, .port = port, .fd = fd };
	if (r == 0)
		r = loop_add_fd(server->loop, fd, EPOLLIN, on_listener, l, &l->source);
	if (r < 0) {
		close(fd);
		free(l);
		return r;
	}
	l->path = path ? xstrdup(path) : NULL;
	l->next = server->channel.listeners;
	server->channel.listeners = l;
	return 0;
}

int channel_claim(struct agent_server *server, uint32_t number)
{
	struct channel *c = &server->channel;

	/* The host connected before it asked, but its request may have overtaken the connection in
	 * our list of things to do. */
	for (struct listener *l = c->listeners; l; l = l->next)
		if (l->port == AGENT_PORT_STDIO)
			on_listener(l, l->fd, EPOLLIN);

	for (struct stream **p = &c->streams; *p; p = &(*p)->next) {
		struct stream *stream = *p;
		int fd = stream->fd;

		if (stream->number != number)
			continue;
		*p = stream->next;
		c->streams_count--;
		free(stream);
		return fd;
	}
	return -ENOENT;
}

void channel_close(struct agent_server *server)
{
	struct channel *c = &server->channel;
	struct listener *next;

	while (c->handshakes)
		close_handshake(c->handshakes);
	while (c->streams)
		drop_first_stream(c);
	for (struct listener *l = steal_ptr(&c->listeners); l; l = next) {
		next = l->next;
		loop_remove(l->source);
		close(l->fd);
		if (l->path)
			(void)unlink(l->path);
		free(l->path);
		free(l);
	}
	yamux_free(steal_ptr(&c->yamux));
}

int agent_server_listen_unix(struct agent_server *server, const char *path, bool is_raw,
			     struct error *err)
{
	int fd = unix_listen(path, 0600);
	int r = fd;

	if (fd >= 0)
		r = add_listener(server, is_raw ? AGENT_PORT_RPC : PORT_HYBRID, fd, path);
	return r < 0 ? error_sys(err, r, "listen on '%s'", path) : 0;
}

static int listen_vsock(uint32_t port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	cleanup_fd int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return steal_fd(&fd);
}

int agent_server_listen_vsock(struct agent_server *server, struct error *err)
{
	const uint32_t ports[] = {
		AGENT_PORT_STDIO,
		AGENT_PORT_RPC,
		AGENT_PORT_FORWARD,
		server->options.log_port,
		server->options.console_port,
	};

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		int fd = ports[i] ? listen_vsock(ports[i]) : -1;
		int r = !ports[i] ? 0 : fd < 0 ? fd : add_listener(server, ports[i], fd, NULL);

		if (r < 0)
			return error_sys(err, r, "listen on vsock port %u", ports[i]);
	}
	return 0;
}

static void on_pipe_accept(void *ctx, int fd)
{
	struct agent_server *server = ctx;
	int r = add_handshake(server, fd);

	if (r < 0)
		log_warning("connection: %s", strerror(-r));
}

static void on_pipe_end(void *ctx, const struct error *err)
{
	struct agent_server *server = ctx;

	log_at(err->code == -EPIPE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "channel: %s", err->msg);
	loop_quit(server->loop, err->code == -EPIPE ? 0 : err->code);
}

/* The machine was saved, and goes on with another process of the host's. Containers go on with it;
 * whoever else had a process made is gone, and with them its streams. */
static void on_pipe_restart(void *ctx)
{
	struct agent_server *server = ctx;

	log_debug("channel: another host");
	while (server->channel.handshakes)
		close_handshake(server->channel.handshakes);
	while (server->channel.streams)
		drop_first_stream(&server->channel);
	for (struct container *c = server->containers; c; c = c->next)
		if (c->init)
			stdio_park(&c->init->io);
}

int agent_server_listen_pipe(struct agent_server *server, int fd, struct error *err)
{
	const struct yamux_handlers handlers = {
		.on_accept = on_pipe_accept,
		.on_restart = on_pipe_restart,
		.on_end = on_pipe_end,
		.ctx = server,
	};
	int r = yamux_new(server->loop, fd, false, &handlers, &server->channel.yamux);

	return r < 0 ? error_sys(err, r, "serve the channel") : 0;
}
