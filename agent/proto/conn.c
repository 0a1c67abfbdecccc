/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/proto/conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fifo.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define READ_SIZE (16u * 1024)

struct ttrpc_conn {
	struct loop *loop;
	struct loop_source *source;
	struct ttrpc_conn_handlers handlers;
	int fd;
	bool is_busy;  /* in the decoder: freeing waits */
	bool is_freed; /* by a handler, while busy */
	struct ttrpc_decoder decoder;
	struct fifo outbox;
};

static void watch(struct ttrpc_conn *c)
{
	loop_set_events(c->source, (c->outbox.len ? EPOLLOUT : 0) |
					   (c->outbox.len <= TTRPC_CONN_QUEUE ? EPOLLIN : 0));
}

static void destroy(struct ttrpc_conn *c)
{
	loop_remove(c->source);
	close(c->fd);
	ttrpc_decoder_done(&c->decoder);
	fifo_done(&c->outbox);
	free(c);
}

static int on_frame(void *ctx, const struct ttrpc_header *header, const uint8_t *payload)
{
	struct ttrpc_conn *c = ctx;
	int r = c->handlers.on_frame(c->handlers.ctx, header, payload);

	return c->is_freed ? -ECANCELED : r;
}

static int receive(struct ttrpc_conn *c, struct error *err)
{
	uint8_t buf[READ_SIZE];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return error_sys(err, errno, "read");
	if (n <= 0)
		return error_set(err, -EPIPE, "the connection ended");

	c->is_busy = true;
	r = ttrpc_decoder_feed(&c->decoder, buf, (size_t)n, on_frame, c);
	c->is_busy = false;
	return r < 0 ? error_set(err, r, "the peer broke the protocol") : 0;
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
	struct ttrpc_conn *c = ctx;
	struct error err = ERROR_INIT;
	int r;

	if (c->is_busy) { /* a handler runs the loop; the rest of what we read comes first */
		loop_set_events(c->source, 0);
		return;
	}
	r = fifo_send(&c->outbox, c->fd);
	/* What the peer sent before it went away is still worth reading. */
	if (r == 0 || events & EPOLLIN)
		r = receive(c, &err);
	else
		(void)error_sys(&err, r, "write");
	if (c->is_freed) {
		destroy(c);
		return;
	}
	if (r < 0) {
		loop_remove(c->source);
		c->source = NULL;
		c->handlers.on_end(c->handlers.ctx, &err); /* may free us */
		return;
	}
	watch(c);
}

int ttrpc_conn_new(struct loop *loop, int fd, const struct ttrpc_conn_handlers *handlers,
		   struct ttrpc_conn **ret)
{
	struct ttrpc_conn *c = xcalloc(1, sizeof(*c));
	int r;

	*c = (struct ttrpc_conn){ .loop = loop, .fd = fd, .handlers = *handlers };
	r = loop_add_fd(loop, fd, EPOLLIN, on_ready, c, &c->source);
	if (r < 0) {
		destroy(c);
		return r;
	}
	*ret = c;
	return 0;
}

void ttrpc_conn_free(struct ttrpc_conn *c)
{
	if (!c)
		return;
	if (c->is_busy)
		c->is_freed = true;
	else
		destroy(c);
}

static int send_out(struct ttrpc_conn *c, int encoded)
{
	if (encoded < 0 || !c->source)
		return encoded;
	(void)fifo_send(&c->outbox, c->fd); /* the loop meets the error again */
	watch(c);
	return 0;
}

int ttrpc_conn_request(struct ttrpc_conn *c, uint32_t stream_id, const struct ttrpc_request *req)
{
	return send_out(c, ttrpc_request_encode(stream_id, req, &c->outbox));
}

int ttrpc_conn_response(struct ttrpc_conn *c, uint32_t stream_id, const struct ttrpc_response *resp)
{
	return send_out(c, ttrpc_response_encode(stream_id, resp, &c->outbox));
}

bool ttrpc_conn_is_flushed(const struct ttrpc_conn *c)
{
	return !c->outbox.len;
}
