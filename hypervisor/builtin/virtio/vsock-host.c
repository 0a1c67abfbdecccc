/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/vsock-internal.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define LINE_MAX_BYTES 32
#define CONNECT "CONNECT "
#define PASS "passfd"
/* After which a host that had no descriptor left may have one. */
#define ACCEPT_AGAIN_MS 100

/* Who has connected and not yet said to which port. */
struct vsock_greeter {
	struct vsock *vsock;
	struct vsock_greeter *next;
	struct backend host;
	char line[LINE_MAX_BYTES + 1];
	size_t len;
	bool is_passing; /* a descriptor comes next, with the port */
};

int vsock_host_connect(const struct vsock *v, uint32_t port)
{
	cleanup_free char *path = NULL;

	if (!v->path)
		return -ECONNREFUSED;
	path = xasprintf("%s_%u", v->path, port);
	return unix_connect_nonblock(path);
}

static void free_greeter(struct vsock_greeter *g)
{
	struct vsock_greeter **p = &g->vsock->greeters;

	while (*p != g)
		p = &(*p)->next;
	*p = g->next;
	g->vsock->greeters_count--;
	backend_ignore(&g->host);
	if (g->host.fd >= 0)
		close(g->host.fd);
	free(g);
}

/* There is one whatever ports the guest has taken: so many streams there are not. */
static uint32_t free_port(struct vsock *v, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = v->next_port++;
		if (v->next_port == UINT32_MAX)
			v->next_port = VSOCK_FIRST_PORT;
	} while (vsock_stream_find(v, guest_port, port));
	return port;
}

/* What was said is a port, and there is room for one more. */
static bool has_port(const struct vsock_greeter *g, const char *text, uint32_t *ret)
{
	return parse_u32(text, ret) == 0 && g->vsock->streams_count < VIRTIO_VSOCK_STREAMS_MAX;
}

static int connect_to_guest(struct vsock_greeter *g)
{
	struct vsock *v = g->vsock;
	uint32_t port;

	if (strncasecmp(g->line, CONNECT, strlen(CONNECT)) != 0 ||
	    !has_port(g, g->line + strlen(CONNECT), &port))
		return -EINVAL;
	backend_ignore(&g->host);
	(void)vsock_stream_new(v, steal_fd(&g->host.fd), port, free_port(v, port),
			       VSOCK_CONNECTING);
	return 1;
}

/* Bytes up to the end of the line, no more: what is behind it is for the guest. 1: it is there; 0:
 * not yet; else there is no hope. */
static int read_line(struct vsock_greeter *g)
{
	char *at = g->line + g->len;
	ssize_t n = recv(g->host.fd, at, LINE_MAX_BYTES - g->len, MSG_PEEK | MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -ECONNRESET;
	end = memchr(at, '\n', (size_t)n);
	if (end)
		n = end - at + 1;
	if (recv(g->host.fd, at, (size_t)n, MSG_DONTWAIT) != n)
		return -ECONNRESET;
	g->len += (size_t)n;
	if (end)
		*end = '\0';
	if (end)
		return 1;
	return g->len < LINE_MAX_BYTES ? 0 : -E2BIG;
}

static int greet(struct vsock_greeter *g)
{
	int r = read_line(g);

	if (r <= 0)
		return r;
	if (!streq(g->line, PASS))
		return connect_to_guest(g);
	g->is_passing = true;
	return 0;
}

static int take_descriptor(struct vsock_greeter *g)
{
	struct vsock *v = g->vsock;
	char text[LINE_MAX_BYTES + 1] = "";
	cleanup_fd int fd = -1;
	size_t count = 1;
	ssize_t n = recv_fds(g->host.fd, text, LINE_MAX_BYTES, &fd, &count);
	uint32_t port;
	int r;

	if (n == -EAGAIN)
		return 0;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (n <= 0 || !count || !has_port(g, text, &port))
		return -EINVAL;
	backend_ignore(&g->host);
	r = vsock_stream_pass(v, steal_fd(&fd), steal_fd(&g->host.fd), port, free_port(v, port));
	return r < 0 ? r : 1;
}

static void on_greeting(void *ctx, int fd, uint32_t events)
{
	struct vsock_greeter *g = ctx;
	struct vsock *v = g->vsock;
	int r = g->is_passing ? take_descriptor(g) : greet(g);

	if (r == 0)
		return;
	if (r < 0)
		v->dev.metrics.dropped++;
	free_greeter(g);
	vsock_serve_guest(v);
}

static void on_again(void *ctx)
{
	struct vsock *v = ctx;

	v->listen_again = NULL;
	vsock_host_listen(v);
}

static void on_connection(void *ctx, int listener, uint32_t events)
{
	struct vsock *v = ctx;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct vsock_greeter *g;

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		backend_ignore(&v->listener);
		v->listen_again = loop_add_timer(v->dev.loop, ACCEPT_AGAIN_MS, on_again, v);
		return;
	}
	g = xcalloc(1, sizeof(*g));
	g->vsock = v;
	g->next = v->greeters;
	g->host = (struct backend){ .loop = v->dev.loop, .fd = fd, .fn = on_greeting, .ctx = g };
	v->greeters = g;
	v->greeters_count++;
	backend_want(&g->host, EPOLLIN);
	vsock_host_listen(v);
}

void vsock_host_listen(struct vsock *v)
{
	if (v->listener.fd < 0 || v->listen_again)
		return;
	v->listener.loop = v->dev.loop;
	v->listener.fn = on_connection;
	v->listener.ctx = v;
	if (v->greeters_count < VSOCK_GREETERS_MAX &&
	    v->greeters_count + v->streams_count < VIRTIO_VSOCK_STREAMS_MAX)
		backend_want(&v->listener, EPOLLIN);
	else
		backend_ignore(&v->listener);
}

void vsock_host_stop(struct vsock *v)
{
	loop_remove(v->listen_again);
	v->listen_again = NULL;
	backend_ignore(&v->listener);
	while (v->greeters)
		free_greeter(v->greeters);
}
