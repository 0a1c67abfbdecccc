/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/linux/sk-lookup.h"
#include "lib/sandbox/relay.h"

#define CONNECTIONS_MAX 64
#define DIAL_TIMEOUT_MS 10000

/* proc_pid_net(5): the state TCP_LISTEN, which no other column can look like. */
#define LISTENS " 0A "
#define TABLE_MAX_BYTES (64u * 1024)

struct connection {
	struct ports *ports;
	struct connection *next;
	struct relay *relays[2];
	struct loop_source *timer;
};

struct ports {
	int listen_fd, link_fd;
	struct loop *loop;
	struct loop_source *source;
	const char *address;
	int dir_fd;
	struct connection *connections;
	size_t count;
};

static void drop_connection(struct connection *c)
{
	struct connection **p = &c->ports->connections;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->ports->count--;
	loop_remove(c->timer);
	for (size_t i = 0; i < ARRAY_SIZE(c->relays); i++)
		relay_free(c->relays[i]);
	free(c);
}

static void on_timer(void *ctx)
{
	struct connection *c = ctx;

	c->timer = NULL;
	drop_connection(c);
}

/* Not at once: it is a relay that says so. */
static void on_relay_done(void *ctx)
{
	struct connection *c = ctx;

	if (relay_is_done(c->relays[0]) && relay_is_done(c->relays[1]) && !c->timer)
		c->timer = loop_add_timer(c->ports->loop, 0, on_timer, c);
}

/* Takes both descriptors. */
static void add_connection(struct ports *ports, int client, int stream)
{
	struct connection *c = xcalloc(1, sizeof(*c));
	int back_in = fcntl(stream, F_DUPFD_CLOEXEC, 3),
	    back_out = fcntl(client, F_DUPFD_CLOEXEC, 3);

	*c = (struct connection){ .ports = ports, .next = ports->connections };
	ports->connections = c;
	ports->count++;
	c->relays[0] = relay_new(ports->loop, client, stream, on_relay_done, c);
	c->relays[1] = relay_new(ports->loop, back_in, back_out, on_relay_done, c);
}

static int port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	return ntohs(address.sin_port);
}

/* The agent's first two bytes are the port. */
static int dial(struct ports *ports, int port, int *ret_fd, struct error *err)
{
	const uint16_t name = htons((uint16_t)port);
	cleanup_fd int fd = -1;
	int r;

	if (fchdir(ports->dir_fd) < 0)
		return error_sys(err, errno, "change to the sandbox's directory");
	r = agent_dial(ports->loop, ports->address, AGENT_PORT_FORWARD, DIAL_TIMEOUT_MS, &fd, NULL,
		       err);
	if (chdir("/") < 0 && r == 0)
		return error_sys(err, errno, "change to '/'");
	if (r < 0)
		return r;
	if (send(fd, &name, sizeof(name), MSG_NOSIGNAL) != sizeof(name))
		return error_sys(err, errno, "name port %d to the agent", port);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static void take_connection(struct ports *ports, int client)
{
	int stream = -1, port = port_of(client);
	struct error err = ERROR_INIT;

	if (port < 0 || ports->count >= CONNECTIONS_MAX || dial(ports, port, &stream, &err) < 0) {
		log_debug("port %d: %s", port, err.msg);
		close(client);
		return;
	}
	add_connection(ports, client, stream);
}

/* Dialling runs the loop: one at a time. */
static void on_listener(void *ctx, int fd, uint32_t events)
{
	struct ports *ports = ctx;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client < 0)
		return; /* it has gone, or it will come again */
	loop_set_events(ports->source, 0);
	take_connection(ports, client);
	loop_set_events(ports->source, EPOLLIN);
}

static int listen_loopback(void)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Nobody listens in this namespace: its 127.0.0.1 is nobody else's. Of what cannot be read, because
 * it is long, that is not known. */
static bool is_unused(void)
{
	static const char *const tables[] = { "/proc/thread-self/net/tcp",
					      "/proc/thread-self/net/tcp6" };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		cleanup_free char *text = NULL;
		size_t len;
		int r = read_file_at(AT_FDCWD, tables[i], TABLE_MAX_BYTES, &text, &len);

		if (r == -ENOENT)
			continue; /* a kernel without IPv6 */
		if (r < 0 || strstr(text, LISTENS))
			return false;
	}
	return true;
}

int ports_open(struct ports **ret, struct error *err)
{
	cleanup_fd int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup_fd int listen_fd = -1, link_fd = -1;
	struct ports *ports;

	if (netns < 0)
		return error_sys(err, errno, "open '/proc/thread-self/ns/net'");
	if (!is_unused())
		return error_set(
			err, -EADDRINUSE,
			"somebody listens in the network namespace, and keeps its 127.0.0.1");
	listen_fd = listen_loopback();
	if (listen_fd < 0)
		return error_sys(err, listen_fd, "listen on 127.0.0.1");
	link_fd = sk_lookup_loopback(netns, listen_fd);
	if (link_fd < 0)
		return error_sys(err, link_fd, "take the connections to 127.0.0.1");
	ports = xcalloc(1, sizeof(*ports));
	ports->listen_fd = steal_fd(&listen_fd);
	ports->link_fd = steal_fd(&link_fd);
	*ret = ports;
	return 0;
}

void ports_free(struct ports *ports)
{
	if (!ports)
		return;
	while (ports->connections)
		drop_connection(ports->connections);
	loop_remove(ports->source);
	close(ports->link_fd);
	close(ports->listen_fd);
	free(ports);
}

int ports_serve(struct ports *ports, struct loop *loop, const char *address, int dir_fd,
		struct error *err)
{
	int r;

	ports->loop = loop;
	ports->address = address;
	ports->dir_fd = dir_fd;
	r = loop_add_fd(loop, ports->listen_fd, EPOLLIN, on_listener, ports, &ports->source);
	return r < 0 ? error_sys(err, r, "wait for connections") : 0;
}
