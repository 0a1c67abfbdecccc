/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* Linux makes a packet of one piece of up to 32 KiB that are written to a vsock, the head's among
 * them. Of several Firecracker 1.12 passes the first on twice, if its taker is slow then. */
#define RELAY_BUFFER (28u * 1024)

/*
 * Reads while the buffer is empty, writes while it is not: at most RELAY_BUFFER bytes are under
 * way, and a slow taker holds up the giver, as a pipe would.
 */
struct relay {
	struct loop *loop;
	struct relay_options options;
	struct loop_source *from_source; /* at most one of the two is there at a time, because */
	struct loop_source *to_source;	 /* epoll reports hang-ups that were not asked for */
	struct fifo buf;
	bool was_active;
	bool is_discarding;
};

static void on_from(void *ctx, int fd, uint32_t events);
static void on_to(void *ctx, int fd, uint32_t events);

static void unwatch(struct relay *r)
{
	loop_remove(steal_ptr(&r->from_source));
	loop_remove(steal_ptr(&r->to_source));
}

static void close_to(struct relay *r)
{
	if (r->options.to < 0)
		return;
	/* Orderly for a stream: all that was written arrives. Pipes do not know this call. */
	(void)shutdown(r->options.to, SHUT_WR);
	close(steal_fd(&r->options.to));
}

static void end(struct relay *r)
{
	unwatch(r);
	close_to(r);
	close(steal_fd(&r->options.from));
	fifo_done(&r->buf);
	r->options.on_end(r->options.ctx); /* may free us */
}

static void watch(struct relay *r)
{
	bool is_writing = r->buf.len > 0;
	struct loop_source **wanted = is_writing ? &r->to_source : &r->from_source;
	struct loop_source **other = is_writing ? &r->from_source : &r->to_source;
	int error = 0;

	loop_remove(steal_ptr(other));
	if (*wanted)
		return;
	if (is_writing)
		error = loop_add_fd(r->loop, r->options.to, EPOLLOUT, on_to, r, wanted);
	else
		error = loop_add_fd(r->loop, r->options.from, EPOLLIN, on_from, r, wanted);
	if (error < 0)
		end(r);
}

/* Nobody takes the bytes any more. */
static void lose_taker(struct relay *r)
{
	if (!r->options.is_draining) {
		end(r);
		return;
	}
	r->is_discarding = true;
	close_to(r);
	fifo_drop(&r->buf, r->buf.len);
	watch(r);
}

/* A vsock's connection that nobody ended: the machine was saved, and goes on with other ones. */
static bool is_of_saved(int error)
{
	return error == -ENOTCONN;
}

/* Last in its caller: the relay may be gone afterwards. */
static void pass_on(struct relay *r)
{
	int error = fifo_flush(&r->buf, r->options.to);

	if (is_of_saved(error))
		relay_park(r, false);
	else if (error < 0)
		lose_taker(r);
	else
		watch(r);
}

static void on_from(void *ctx, int fd, uint32_t events)
{
	struct relay *r = ctx;
	ssize_t n = read(fd, fifo_room(&r->buf, RELAY_BUFFER), RELAY_BUFFER);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && is_of_saved(-errno)) {
		relay_park(r, true);
		return;
	}
	if (n <= 0) { /* EIO: the last process has left the terminal */
		end(r);
		return;
	}
	r->was_active = true;
	if (r->is_discarding)
		return;
	fifo_commit(&r->buf, (size_t)n);
	pass_on(r);
}

static void on_to(void *ctx, int fd, uint32_t events)
{
	struct relay *r = ctx;

	r->was_active = true;
	pass_on(r);
}

int relay_new(struct agent_server *server, const struct relay_options *options, struct relay **ret)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	int error;

	*r = (struct relay){ .loop = server->loop, .options = *options };
	error = set_nonblock(options->from, true);
	if (error == 0)
		error = set_nonblock(options->to, true);
	if (error == 0)
		error = loop_add_fd(r->loop, options->from, EPOLLIN, on_from, r, &r->from_source);
	if (error < 0) {
		relay_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	unwatch(r);
	close_to(r);
	if (r->options.from >= 0)
		close(r->options.from);
	fifo_done(&r->buf);
	free(r);
}

void relay_park(struct relay *r, bool is_from)
{
	int *fd = is_from ? &r->options.from : &r->options.to;

	unwatch(r);
	if (*fd >= 0)
		close(steal_fd(fd));
	r->is_discarding = false;
}

int relay_resume(struct relay *r, int fd)
{
	int *end = r->options.from < 0 ? &r->options.from : &r->options.to;
	int error = set_nonblock(fd, true);

	if (error < 0) {
		close(fd);
		return error;
	}
	*end = fd;
	watch(r);
	return 0;
}

bool relay_is_active(struct relay *r)
{
	bool is_active = r->was_active || r->buf.len;

	r->was_active = false;
	return is_active;
}
