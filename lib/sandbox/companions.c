/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/companions.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/rendezvous.h"

#define KILL_TIMEOUT_MS 10000
#define ANSWER_TIMEOUT_MS 10000
#define HOLD_TIMEOUT_MS 30000

/* A shim may die while its request for the process is still on its way through the guest. */
#define KILL_TRIES 5
#define KILL_DELAY_MS 300

struct companion {
	struct companion *next;
	struct companions *all;
	int fd;
	struct loop_source *source; /* its connection, then the timer of the next try */
	char *container_id, *exec_id;
	unsigned int tries;
	bool is_holding;
};

struct companions {
	struct loop *loop;
	struct agent_client *client;
	const struct files *files;
	struct channel *channel;
	bool is_held;
	int listen_fd;
	struct loop_source *listening;
	struct companion *items;
};

static void remove_companion(struct companion *c)
{
	struct companion **p;

	for (p = &c->all->items; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	if (c->is_holding) {
		c->all->is_held = false;
		channel_release(c->all->channel);
	}
	loop_remove(c->source);
	close_fdp(&c->fd);
	free(c->container_id);
	free(c->exec_id);
	free(c);
}

static void kill_process(void *ctx);

static void on_killed(void *ctx, const void *response, const struct error *err)
{
	struct companion *c = ctx;

	if (!err || c->tries >= KILL_TRIES || err->code == -EPIPE) {
		remove_companion(c);
		return;
	}
	log_debug("kill '%s': %s", c->exec_id, err->msg);
	c->source = loop_add_timer(c->all->loop, KILL_DELAY_MS, kill_process, c);
}

static void kill_process(void *ctx)
{
	struct companion *c = ctx;
	const grpc_SignalProcessRequest request = {
		.container_id = c->container_id,
		.exec_id = c->exec_id,
		.signal = SIGKILL,
	};

	c->source = NULL;
	c->tries++;
	if (agent_call_async(c->all->client, AGENT_SIGNAL_PROCESS, &request, KILL_TIMEOUT_MS,
			     on_killed, c, NULL) < 0)
		remove_companion(c); /* without a guest there is no process either */
}

static void on_end(struct companion *c)
{
	if (!c->container_id) {
		remove_companion(c);
		return;
	}
	loop_remove(c->source);
	close_fdp(&c->fd);
	c->fd = -1;
	kill_process(c);
}

static int take_names(struct companion *c, const char *text)
{
	const char *slash = strchr(text, '/');

	if (!slash || c->container_id)
		return -EBADMSG;
	c->container_id = xstrndup(text, (size_t)(slash - text));
	c->exec_id = xstrdup(slash + 1);
	return 0;
}

static int give_files(const struct companion *c)
{
	const struct files *files = c->all->files;
	const int fds[FILES_FD_COUNT] = { files->ns, files->dir, files->writable };
	ssize_t n = send_fds(c->fd, "", 1, fds, FILES_FD_COUNT);

	return n < 0 ? (int)n : 0;
}

static void on_held(void *ctx)
{
	struct companions *all = ctx;

	for (struct companion *c = all->items; c; c = c->next)
		if (c->is_holding)
			(void)rendezvous_send(c->fd, RENDEZVOUS_HELD, NULL); /* it may be gone */
}

static int hold(struct companion *c)
{
	if (!c->all->channel || c->all->is_held)
		return -EBADMSG;
	c->all->is_held = true;
	c->is_holding = true;
	channel_hold(c->all->channel, on_held, c->all);
	return 0;
}

static int serve(struct companion *c, enum rendezvous_message message, const char *text)
{
	switch (message) {
	case RENDEZVOUS_JOIN:
		return give_files(c);
	case RENDEZVOUS_ATTEND:
		return take_names(c, text);
	case RENDEZVOUS_LEAVE:
		free(steal_ptr(&c->container_id));
		return -EPIPE;
	case RENDEZVOUS_HOLD:
		return hold(c);
	default:
		return -EBADMSG;
	}
}

static void on_message(void *ctx, int fd, uint32_t events)
{
	struct companion *c = ctx;
	cleanup_free char *text = NULL;
	enum rendezvous_message message;
	int code, r = rendezvous_receive(fd, &message, &code, &text);

	if (r == -EAGAIN)
		return;
	if (r == 0)
		r = serve(c, message, text);
	if (r < 0)
		on_end(c);
}

static void on_connection(void *ctx, int listen_fd, uint32_t events)
{
	struct companions *all = ctx;
	cleanup_fd int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct companion *c;

	if (fd < 0)
		return; /* it has gone again */
	c = xcalloc(1, sizeof(*c));
	*c = (struct companion){ .all = all, .fd = steal_fd(&fd), .next = all->items };
	all->items = c;
	if (loop_add_fd(all->loop, c->fd, EPOLLIN, on_message, c, &c->source) < 0)
		remove_companion(c);
}

int companions_new(struct loop *loop, struct agent_client *client, int listen_fd,
		   const struct files *files, struct channel *channel, struct companions **ret,
		   struct error *err)
{
	struct companions *all = xcalloc(1, sizeof(*all));
	int r;

	*all = (struct companions){
		.loop = loop,
		.client = client,
		.files = files,
		.channel = channel,
		.listen_fd = listen_fd,
	};
	r = loop_add_fd(loop, listen_fd, EPOLLIN, on_connection, all, &all->listening);
	if (r < 0) {
		companions_free(all);
		return error_sys(err, r, "watch '" COMPANIONS_SOCKET "'");
	}
	*ret = all;
	return 0;
}

void companions_free(struct companions *all)
{
	if (!all)
		return;
	while (all->items)
		remove_companion(all->items);
	loop_remove(all->listening);
	close_fdp(&all->listen_fd);
	free(all);
}

int companion_connect(const char *path, int *ret_fd, struct error *err)
{
	const struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_MS / 1000 };
	cleanup_fd int fd = unix_connect(path);

	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", path);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return error_sys(err, errno, "set a time-out");
	*ret_fd = steal_fd(&fd);
	return 0;
}

int companion_get_files(int fd, struct files *ret, struct error *err)
{
	int fds[FILES_FD_COUNT], r = rendezvous_send(fd, RENDEZVOUS_JOIN, NULL);
	size_t count = FILES_FD_COUNT;
	ssize_t n;
	char byte;

	if (r < 0)
		return error_sys(err, r, "ask for the sandbox's files");
	n = recv_fds(fd, &byte, 1, fds, &count);
	if (n < 0)
		return error_sys(err, (int)n, "get the sandbox's files");
	if (count != FILES_FD_COUNT) {
		for (size_t i = 0; i < count; i++)
			close(fds[i]);
		return error_set(err, -EPIPE, "moat-shim died before 'files'");
	}
	*ret = (struct files){ .ns = fds[0], .dir = fds[1], .writable = fds[2] };
	return 0;
}

int companion_attend(int fd, const char *container_id, const char *exec_id, struct error *err)
{
	cleanup_free char *text = xasprintf("%s/%s", container_id, exec_id ? exec_id : "");
	int r = rendezvous_send(fd, RENDEZVOUS_ATTEND, text);

	return r < 0 ? error_sys(err, r, "tell the sandbox's shim of '%s'", text) : 0;
}

void companion_leave(int fd)
{
	(void)rendezvous_send(fd, RENDEZVOUS_LEAVE,
			      NULL); /* an owner that is gone watches nothing */
}

int companion_hold(int fd, struct error *err)
{
	int r = rendezvous_send(fd, RENDEZVOUS_HOLD, NULL);

	if (r < 0)
		return error_sys(err, r, "ask for the agent's channel to rest");
	return rendezvous_wait(fd, RENDEZVOUS_HELD, HOLD_TIMEOUT_MS, "moat-shim", NULL, err);
}
