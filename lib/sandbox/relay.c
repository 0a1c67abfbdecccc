/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"

#define BUFFER_BYTES (64u * 1024)
/* What one side may move before others get their turn. */
#define ROUNDS 16

struct end {
	struct loop_source *source;
	int fd;
	uint32_t events;
	bool is_socket;
	bool is_always_ready; /* epoll does not know it: a file, /dev/null */
	bool is_blocking;     /* somebody else's, who did not ask for O_NONBLOCK */
};

struct relay {
	struct loop *loop;
	struct end in, out;
	struct loop_source *timer; /* goes on when no descriptor can tell us to */
	relay_done_fn done;
	void *ctx;
	bool is_done;
	unsigned long long bytes;
	const char *first_point; /* for --timing, or NULL */
	size_t len, sent;	 /* buf[sent … len) waits for @out */
	char buf[BUFFER_BYTES];
};

int relay_adopt(int fd, bool is_writer)
{
	char path[32];
	struct stat st;
	int ours = -1;

	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		ours = open(path,
			    (is_writer ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* Another user's terminal, or a FIFO whose reader is gone. */
	if (ours < 0)
		ours = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return ours < 0 ? -errno : ours;
}

/* A pipe or terminal that says it is ready takes or gives PIPE_BUF bytes without blocking. */
static bool is_ready(const struct end *e, short events)
{
	struct pollfd pfd = { .fd = e->fd, .events = events };

	return !e->is_blocking || poll(&pfd, 1, 0) != 0;
}

static ssize_t end_read(const struct end *e, void *buf, size_t len)
{
	ssize_t n;

	if (!is_ready(e, POLLIN))
		return -EAGAIN;
	do
		n = e->is_socket ? recv(e->fd, buf, len, MSG_DONTWAIT) : read(e->fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t end_write(const struct end *e, const void *buf, size_t len)
{
	ssize_t n;

	if (!is_ready(e, POLLOUT))
		return -EAGAIN;
	if (e->is_blocking && len > PIPE_BUF)
		len = PIPE_BUF;
	do
		n = e->is_socket ? send(e->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(e->fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void close_end(struct end *e)
{
	loop_remove(e->source);
	e->source = NULL;
	close_fdp(&e->fd);
	e->fd = -1;
}

static void on_done_timer(void *ctx)
{
	struct relay *r = ctx;

	r->timer = NULL;
	r->done(r->ctx);
}

static void finish(struct relay *r)
{
	if (r->is_done)
		return;
	r->is_done = true;
	if (r->out.is_socket)
		(void)shutdown(r->out.fd, SHUT_WR); /* gone already: as good */
	close_end(&r->in);
	close_end(&r->out);
	loop_remove(r->timer);
	/* Later, since the owner may free us. */
	r->timer = loop_add_timer(r->loop, 0, on_done_timer, r);
}

/* True when it got something done. */
static bool fill(struct relay *r)
{
	ssize_t n = end_read(&r->in, r->buf, sizeof(r->buf));

	if (n == -EAGAIN)
		return false;
	if (n <= 0) { /* also EIO, the end of a terminal */
		finish(r);
		return false;
	}
	r->len = (size_t)n;
	r->sent = 0;
	return true;
}

static bool flush(struct relay *r)
{
	ssize_t n = end_write(&r->out, r->buf + r->sent, r->len - r->sent);

	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		finish(r);
		return false;
	}
	if (!r->bytes && r->first_point)
		timing_point(r->first_point);
	r->sent += (size_t)n;
	r->bytes += (unsigned long long)n;
	if (r->sent == r->len)
		r->sent = r->len = 0;
	return true;
}

static void on_event(void *ctx, int fd, uint32_t events);
static void on_timer(void *ctx);

/* @events 0 waits for the descriptor's breaking alone, UINT32_MAX for nothing at all. */
static void watch(struct relay *r, struct end *e, uint32_t events)
{
	if (e->events == events || e->is_always_ready)
		return;
	loop_remove(e->source);
	e->source = NULL;
	e->events = events;
	if (events == UINT32_MAX)
		return;
	if (loop_add_fd(r->loop, e->fd, events, on_event, r, &e->source) == -EPERM)
		e->is_always_ready = true;
}

/* While bytes wait for @out, @in is not watched at all: a hang-up there would be reported over
 * and over. While none wait, @out is watched for its reader's going away. */
static void wait_for_more(struct relay *r)
{
	struct end *next = r->len ? &r->out : &r->in;

	watch(r, &r->in, r->len ? UINT32_MAX : EPOLLIN);
	watch(r, &r->out, r->len ? EPOLLOUT : 0);
	if (next->is_always_ready && !r->timer)
		r->timer = loop_add_timer(r->loop, 0, on_timer, r);
}

static void pump(struct relay *r)
{
	for (int i = 0; i < ROUNDS && !r->is_done; i++)
		if (!(r->len ? flush(r) : fill(r)))
			break;
	if (!r->is_done)
		wait_for_more(r);
}

static void on_event(void *ctx, int fd, uint32_t events)
{
	struct relay *r = ctx;

	if (fd == r->out.fd && !r->len && (events & (EPOLLERR | EPOLLHUP)))
		finish(r);
	else
		pump(r);
}

static void on_timer(void *ctx)
{
	struct relay *r = ctx;

	r->timer = NULL;
	pump(r);
}

static void init_end(struct end *e, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	*e = (struct end){ .fd = fd, .events = UINT32_MAX };
	if (fstat(fd, &st) < 0)
		return;
	e->is_socket = S_ISSOCK(st.st_mode);
	e->is_blocking = !e->is_socket && !S_ISREG(st.st_mode) && !(flags & O_NONBLOCK);
}

struct relay *relay_new(struct loop *loop, int in, int out, relay_done_fn done, void *ctx)
{
	struct relay *r = xmalloc(sizeof(*r));

	/* The buffer need not be cleared. */
	r->loop = loop;
	r->done = done;
	r->ctx = ctx;
	r->is_done = false;
	r->bytes = 0;
	r->first_point = NULL;
	r->len = r->sent = 0;
	init_end(&r->in, in);
	init_end(&r->out, out);
	/* The first bytes, or an end that was there before us, are not waited for: a FIFO that was
	 * opened anew reports no hang-up of a writer that left before. */
	r->timer = loop_add_timer(loop, 0, on_timer, r);
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	close_end(&r->in);
	close_end(&r->out);
	loop_remove(r->timer);
	free(r);
}

void relay_time_first(struct relay *r, const char *point)
{
	r->first_point = point;
}

bool relay_is_done(const struct relay *r)
{
	return r->is_done;
}

bool relay_has_pending(const struct relay *r)
{
	return r->len > 0;
}

unsigned long long relay_bytes(const struct relay *r)
{
	return r->bytes;
}
