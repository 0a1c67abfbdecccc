/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/proto/yamux.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fifo.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * Every byte is either in a kernel socket, in the peer's window for a stream (at most 256 KiB, kept
 * in the stream's inbox while its socket is full), or in the session's outbox. Streams are read
 * only while the outbox is below OUTBOX_FULL; what the protocol makes us answer (acknowledgements,
 * pings, resets) goes in on top of that, and a peer that causes more than OUTBOX_LIMIT of it
 * without reading is cut off. So neither side can make the other grow, and since we never stop
 * reading the pipe, two full outboxes cannot wait for each other.
 */
#define HEADER_SIZE 12
#define READ_SIZE (64u * 1024)
#define OUTBOX_FULL (256u * 1024)
#define OUTBOX_LIMIT (1024u * 1024)
#define BUCKETS 64

/* What the peer's relays hold when a ping passes them comes before the next one or the one after
 * that. */
#define QUIET_PINGS 3

enum frame_type { FRAME_DATA, FRAME_WINDOW_UPDATE, FRAME_PING, FRAME_GO_AWAY, FRAME_TYPE_COUNT };
enum frame_flag { FLAG_SYN = 1, FLAG_ACK = 2, FLAG_FIN = 4, FLAG_RST = 8 };
enum go_away_code { GO_AWAY_NORMAL, GO_AWAY_PROTOCOL_ERROR, GO_AWAY_INTERNAL_ERROR };

struct frame {
	uint8_t version;
	uint8_t type;
	uint16_t flags;
	uint32_t id;
	uint32_t length;
};

struct stream {
	struct yamux *session;
	struct stream *next;
	uint32_t id;
	int fd;
	struct loop_source *source; /* NULL while there is nothing to wait for */
	uint32_t receive_window;    /* what the peer may still send */
	uint32_t consumed;	    /* passed on, but not given back to the window yet */
	uint32_t send_window;
	struct fifo inbox; /* what the socket did not take yet */
	bool is_fin_sent;
	bool is_fin_received;
	bool is_hung_up; /* nobody has the other end of the socket any more */
};

struct yamux {
	struct loop *loop;
	struct loop_source *source;
	struct yamux_handlers handlers;
	struct stream *streams[BUCKETS];
	size_t streams_count;
	int fd;
	uint32_t next_id;
	bool is_socket;	   /* the pipe; else a character device */
	bool is_peer_gone; /* it said so: no new streams */
	bool is_ended;
	bool is_held; /* some stream waits for room in the outbox */
	struct fifo outbox;
	uint8_t head[HEADER_SIZE];
	size_t head_have;
	struct frame frame; /* whose payload is being read */
	uint32_t payload_left;
	struct stream *current; /* where it goes; NULL: nowhere */
	struct error err;

	/* yamux_hold() */
	enum { HOLD_NONE, HOLD_DRAINING, HOLD_CLOSING, HOLD_DONE } hold;
	size_t hold_left; /* of the outbox, which is all that may be written now */
	uint32_t hold_ping;
	unsigned int quiet_pings; /* in a row, between which no data came */
	bool has_data_come;
	void (*on_held)(void *ctx);
	void *held_ctx;

	/* yamux_restart(), until it was answered */
	bool is_restarting;
	uint8_t restart[HEADER_SIZE], last[HEADER_SIZE];

	uint8_t buf[READ_SIZE];
};

static int fail(struct yamux *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct yamux *s, const char *fmt, ...)
{
	char reason[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return error_set(&s->err, -EPROTO, "yamux: %s", reason);
}

static void pack(const struct frame *f, uint8_t out[HEADER_SIZE])
{
	uint16_t flags = htobe16(f->flags);
	uint32_t id = htobe32(f->id), length = htobe32(f->length);

	out[0] = 0;
	out[1] = f->type;
	memcpy(out + 2, &flags, 2);
	memcpy(out + 4, &id, 4);
	memcpy(out + 8, &length, 4);
}

static struct frame unpack(const uint8_t in[HEADER_SIZE])
{
	uint16_t flags;
	uint32_t id, length;

	memcpy(&flags, in + 2, 2);
	memcpy(&id, in + 4, 4);
	memcpy(&length, in + 8, 4);
	return (struct frame){ in[0], in[1], be16toh(flags), be32toh(id), be32toh(length) };
}

static bool is_closing(const struct yamux *s)
{
	return s->hold == HOLD_CLOSING || s->hold == HOLD_DONE;
}

static size_t may_write(const struct yamux *s)
{
	return is_closing(s) ? s->hold_left : s->outbox.len;
}

static int write_held(struct yamux *s)
{
	while (s->hold_left) {
		ssize_t n = write(s->fd, fifo_head(&s->outbox), s->hold_left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		fifo_drop(&s->outbox, (size_t)n);
		s->hold_left -= (size_t)n;
	}
	return 0;
}

static int write_out(struct yamux *s)
{
	if (is_closing(s))
		return write_held(s);
	return s->is_socket ? fifo_send(&s->outbox, s->fd) : fifo_flush(&s->outbox, s->fd);
}

static void put_frame(struct yamux *s, enum frame_type type, unsigned int flags, uint32_t id,
		      uint32_t length)
{
	struct frame f = { .type = type, .flags = (uint16_t)flags, .id = id, .length = length };

	pack(&f, fifo_room(&s->outbox, HEADER_SIZE));
	fifo_commit(&s->outbox, HEADER_SIZE);
}

static struct stream **find_slot(struct yamux *s, uint32_t id)
{
	struct stream **p = &s->streams[(id >> 1) % BUCKETS];

	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

static void on_stream(void *ctx, int fd, uint32_t events);

/* Waits for exactly what can go on. A socket that hung up is not watched at all while there is
 * nothing to read from it: epoll reports a hang-up for ever, asked or not. */
static void watch_stream(struct stream *st)
{
	bool can_send = !st->is_fin_sent && st->send_window && !st->session->is_held;
	uint32_t events = (can_send ? EPOLLIN : 0) | (st->inbox.len ? EPOLLOUT : 0);

	if (!events && st->is_hung_up) {
		loop_remove(st->source);
		st->source = NULL;
		return;
	}
	if (st->source)
		loop_set_events(st->source, events);
	else
		(void)loop_add_fd(st->session->loop, st->fd, events, on_stream, st, &st->source);
}

static struct stream *add_stream(struct yamux *s, uint32_t id, int fd)
{
	struct stream *st = xcalloc(1, sizeof(*st));

	*st = (struct stream){
		.session = s,
		.id = id,
		.fd = fd,
		.receive_window = YAMUX_WINDOW,
		.send_window = YAMUX_WINDOW,
	};
	*find_slot(s, id) = st;
	s->streams_count++;
	watch_stream(st);
	return st;
}

static void drop_stream(struct stream *st)
{
	struct yamux *s = st->session;
	struct stream **slot = find_slot(s, st->id);

	*slot = st->next;
	s->streams_count--;
	if (s->current == st)
		s->current = NULL;
	loop_remove(st->source);
	close(st->fd);
	fifo_done(&st->inbox);
	free(st);
}

static void reset_stream(struct stream *st)
{
	put_frame(st->session, FRAME_WINDOW_UPDATE, FLAG_RST, st->id, 0);
	drop_stream(st);
}

/* Gives the window back in halves, as the other implementations do: fewer frames. */
static void give_back(struct stream *st, size_t size)
{
	st->consumed += (uint32_t)size;
	if (st->consumed < YAMUX_WINDOW / 2 || st->is_fin_received)
		return;
	put_frame(st->session, FRAME_WINDOW_UPDATE, 0, st->id, st->consumed);
	st->receive_window += st->consumed;
	st->consumed = 0;
}

/* Ends a stream when both directions are closed and everything was passed on. True: it is gone. */
static bool settle_stream(struct stream *st)
{
	if (!st->is_fin_received || st->inbox.len)
		return false;
	if (st->is_fin_sent) {
		drop_stream(st);
		return true;
	}
	(void)shutdown(st->fd, SHUT_WR); /* a peer that is gone already will be noticed below */
	return false;
}

/* One that nobody has the other end of and whose last byte was sent. The peer may never end its own
 * direction, and would make us keep as many as it likes. True: it is gone. */
static bool forget_stream(struct stream *st)
{
	if (!st->is_fin_sent || !st->is_hung_up)
		return false;
	drop_stream(st);
	return true;
}

/* Passes bytes on to the socket, or keeps what it does not take. False: the stream is gone. */
static bool deliver(struct stream *st, const uint8_t *data, size_t size)
{
	ssize_t n = 0;

	if (!st->inbox.len) {
		n = send(st->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			reset_stream(st);
			return false;
		}
		if (n < 0)
			n = 0;
		give_back(st, (size_t)n);
	}
	if ((size_t)n < size) {
		fifo_add(&st->inbox, data + n, size - (size_t)n);
		watch_stream(st);
	}
	return true;
}

static bool drain_inbox(struct stream *st)
{
	size_t before = st->inbox.len;

	if (fifo_send(&st->inbox, st->fd) < 0) {
		reset_stream(st);
		return false;
	}
	give_back(st, before - st->inbox.len);
	return !settle_stream(st);
}

static size_t send_budget(const struct stream *st)
{
	const struct yamux *s = st->session;
	size_t room = s->outbox.len < OUTBOX_FULL ? OUTBOX_FULL - s->outbox.len : 0;
	size_t n = READ_SIZE;

	n = n < st->send_window ? n : st->send_window;
	return n < room ? n : room;
}

/* Reads from the socket straight into the outbox. False: the stream is gone. */
static bool fill_outbox(struct stream *st)
{
	struct yamux *s = st->session;
	size_t budget = send_budget(st);
	struct frame f = { .type = FRAME_DATA, .id = st->id };
	uint8_t *room;
	ssize_t n;

	if (!budget) {
		s->is_held = true;
		return true;
	}
	room = fifo_room(&s->outbox, HEADER_SIZE + budget);
	n = recv(st->fd, room + HEADER_SIZE, budget, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		reset_stream(st);
		return false;
	}
	if (n == 0) {
		put_frame(s, FRAME_WINDOW_UPDATE, FLAG_FIN, st->id, 0);
		st->is_fin_sent = true;
		return !settle_stream(st);
	}
	f.length = (uint32_t)n;
	pack(&f, room);
	fifo_commit(&s->outbox, HEADER_SIZE + (size_t)n);
	st->send_window -= (uint32_t)n;
	return true;
}

static void watch_all(struct yamux *s)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct stream *st = s->streams[i]; st; st = st->next)
			watch_stream(st);
}

/* Also decides whether streams may be read: they are released together when half is gone, not
 * one frame at a time. */
static int flush(struct yamux *s)
{
	bool was_held = s->is_held;
	int r = write_out(s);

	if (r < 0)
		return error_sys(&s->err, r, "yamux: write");
	if (s->outbox.len > OUTBOX_LIMIT)
		return fail(s, "peer causes answers that it does not read");
	loop_set_events(s->source, EPOLLIN | (may_write(s) ? EPOLLOUT : 0));
	if (s->outbox.len >= OUTBOX_FULL || s->hold)
		s->is_held = true;
	else if (s->outbox.len <= OUTBOX_FULL / 2)
		s->is_held = false;
	if (s->is_held != was_held)
		watch_all(s);
	return 0;
}

static void close_streams(struct yamux *s)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (s->streams[i])
			drop_stream(s->streams[i]);
}

static void end_session(struct yamux *s)
{
	struct error err = s->err;

	if (s->is_ended)
		return;
	s->is_ended = true;
	if (err.code == -EPROTO) {
		put_frame(s, FRAME_GO_AWAY, 0, 0, GO_AWAY_PROTOCOL_ERROR);
		(void)write_out(s); /* the peer may not be listening */
	}
	close_streams(s);
	loop_remove(s->source);
	s->source = NULL;
	if (s->handlers.on_end)
		s->handlers.on_end(s->handlers.ctx, &err); /* may free the session */
}

static void on_stream(void *ctx, int fd, uint32_t events)
{
	struct stream *st = ctx;
	struct yamux *s = st->session;
	bool is_there = true;

	if (events & (EPOLLHUP | EPOLLERR))
		st->is_hung_up = true;
	if (events & EPOLLOUT && st->inbox.len)
		is_there = drain_inbox(st);
	if (is_there && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !st->is_fin_sent &&
	    st->send_window && !s->is_held)
		is_there = fill_outbox(st);
	if (is_there)
		is_there = !forget_stream(st);
	if (is_there)
		watch_stream(st);
	if (flush(s) < 0)
		end_session(s);
}

/* The peer's SYN: 0, or an error of the session's. A stream that cannot be is reset. */
static int accept_stream(struct yamux *s, uint32_t id)
{
	bool is_our_parity = (id & 1) == (s->next_id & 1);
	int pair[2];

	if (!id || is_our_parity || *find_slot(s, id))
		return fail(s, "stream %u cannot be opened by the peer", id);
	if (!s->handlers.on_accept || s->streams_count >= YAMUX_MAX_STREAMS ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		put_frame(s, FRAME_WINDOW_UPDATE, FLAG_RST, id, 0);
		return 0;
	}
	add_stream(s, id, pair[0]);
	put_frame(s, FRAME_WINDOW_UPDATE, FLAG_ACK, id, 0);
	s->handlers.on_accept(s->handlers.ctx, pair[1]);
	return 0;
}

static int widen(struct yamux *s, struct stream *st, uint32_t by)
{
	if (__builtin_add_overflow(st->send_window, by, &st->send_window))
		return fail(s, "window of stream %u overflows", st->id);
	watch_stream(st);
	return 0;
}

static void finish_frame(struct yamux *s)
{
	struct stream *st = s->current;

	s->current = NULL;
	if (!st || !(s->frame.flags & FLAG_FIN))
		return;
	st->is_fin_received = true;
	if (!settle_stream(st))
		watch_stream(st);
}

/* Frames of a stream that we dropped a moment ago are still under way: not an error. But nobody
 * reads what they carry, which its writer has to hear. */
static void refuse_data(struct yamux *s)
{
	const struct frame *f = &s->frame;

	if (f->type == FRAME_DATA && f->length && !(f->flags & FLAG_RST))
		put_frame(s, FRAME_WINDOW_UPDATE, FLAG_RST, f->id, 0);
}

static void ping_for_hold(struct yamux *s)
{
	s->has_data_come = false;
	put_frame(s, FRAME_PING, FLAG_SYN, 0, ++s->hold_ping);
	if (s->hold == HOLD_CLOSING)
		s->hold_left = s->outbox.len;
}

static void on_pong(struct yamux *s)
{
	if (!s->hold || s->hold == HOLD_DONE || s->frame.length != s->hold_ping)
		return;
	if (s->hold == HOLD_CLOSING) {
		s->hold = HOLD_DONE;
		s->on_held(s->held_ctx);
		return;
	}
	s->quiet_pings = s->has_data_come ? 0 : s->quiet_pings + 1;
	if (s->quiet_pings == QUIET_PINGS)
		s->hold = HOLD_CLOSING;
	ping_for_hold(s);
}

/* Part of a frame may have left by now; the peer passes over everything up to our answer. */
static int begin_anew(struct yamux *s)
{
	const struct frame f = s->frame;

	if (!s->handlers.on_restart)
		return fail(s, "peer begins anew");
	s->handlers.on_restart(s->handlers.ctx);
	close_streams(s);
	fifo_drop(&s->outbox, s->outbox.len);
	s->is_held = false;
	s->is_peer_gone = false;
	put_frame(s, FRAME_GO_AWAY, FLAG_ACK, f.id, f.length);
	return 0;
}

/* How much of @data is of before the answer. */
static size_t pass_over(struct yamux *s, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		memmove(s->last, s->last + 1, HEADER_SIZE - 1);
		s->last[HEADER_SIZE - 1] = data[i];
		if (memcmp(s->last, s->restart, HEADER_SIZE) != 0)
			continue;
		s->is_restarting = false;
		return i + 1;
	}
	return len;
}

static int on_stream_frame(struct yamux *s)
{
	const struct frame *f = &s->frame;
	struct stream *st;
	int r = 0;

	if (f->flags & FLAG_SYN)
		r = accept_stream(s, f->id);
	if (r < 0)
		return r;

	/* No window is larger; and for no stream, it would be passed over for ever. */
	if (f->type == FRAME_DATA && f->length > YAMUX_WINDOW)
		return fail(s, "stream %u exceeds its window", f->id);

	st = *find_slot(s, f->id);
	if (f->type == FRAME_DATA) {
		s->payload_left = f->length;
		s->has_data_come = true;
	}
	if (!st) {
		refuse_data(s);
		return 0;
	}
	if (f->flags & FLAG_RST) {
		drop_stream(st);
		return 0;
	}
	s->current = st;
	if (f->type == FRAME_WINDOW_UPDATE) {
		r = widen(s, st, f->length);
	} else if (f->length > st->receive_window) {
		r = fail(s, "stream %u exceeds its window", f->id);
	} else if (f->length && st->is_fin_received) {
		r = fail(s, "stream %u sends after its end", f->id);
	} else {
		st->receive_window -= f->length;
	}
	if (r == 0 && !s->payload_left)
		finish_frame(s);
	return r;
}

static int on_frame(struct yamux *s)
{
	const struct frame *f = &s->frame;

	if (f->version != 0)
		return fail(s, "protocol version %u is unknown", f->version);
	switch (f->type) {
	case FRAME_DATA:
	case FRAME_WINDOW_UPDATE:
		return on_stream_frame(s);
	case FRAME_PING:
		if (f->flags & FLAG_SYN)
			put_frame(s, FRAME_PING, FLAG_ACK, 0, f->length);
		else
			on_pong(s);
		return 0;
	case FRAME_GO_AWAY:
		if (f->flags & FLAG_SYN)
			return begin_anew(s);
		s->is_peer_gone = true;
		if (f->length != GO_AWAY_NORMAL)
			return fail(s, "peer gave up with code %u", f->length);
		return 0;
	default:
		return fail(s, "frame type %u is unknown", f->type);
	}
}

static int consume(struct yamux *s, const uint8_t *data, size_t len)
{
	if (s->is_restarting) {
		size_t n = pass_over(s, data, len);

		data += n;
		len -= n;
	}
	while (len) {
		size_t want = s->payload_left ? s->payload_left : HEADER_SIZE - s->head_have;
		size_t n = len < want ? len : want;
		int r = 0;

		if (s->payload_left) {
			s->payload_left -= (uint32_t)n;
			if (s->current)
				(void)deliver(s->current, data, n); /* clears it when it fails */
			if (!s->payload_left)
				finish_frame(s);
		} else {
			memcpy(s->head + s->head_have, data, n);
			s->head_have += n;
			if (s->head_have == HEADER_SIZE) {
				s->head_have = 0;
				s->frame = unpack(s->head);
				r = on_frame(s);
			}
		}
		if (r == 0 && s->outbox.len > OUTBOX_LIMIT)
			r = fail(s, "peer causes answers that it does not read");
		if (r < 0)
			return r;
		data += n;
		len -= n;
	}
	return 0;
}

static int read_pipe(struct yamux *s)
{
	ssize_t n = read(s->fd, s->buf, sizeof(s->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return error_sys(&s->err, errno, "yamux: read");
	if (n <= 0)
		return error_set(&s->err, -EPIPE, "yamux: the pipe ended");
	return consume(s, s->buf, (size_t)n);
}

static void on_pipe(void *ctx, int fd, uint32_t events)
{
	struct yamux *s = ctx;
	int r = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = read_pipe(s);
	if (r == 0)
		r = flush(s);
	if (r < 0)
		end_session(s);
}

int yamux_new(struct loop *loop, int fd, int is_client, const struct yamux_handlers *handlers,
	      struct yamux **ret)
{
	struct yamux *s = xcalloc(1, sizeof(*s));
	struct stat st;
	int r = set_nonblock(fd, true);

	*s = (struct yamux){
		.loop = loop,
		.fd = fd,
		.handlers = *handlers,
		.next_id = is_client ? 1 : 2,
		.is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode),
	};
	if (r == 0)
		r = loop_add_fd(loop, fd, EPOLLIN, on_pipe, s, &s->source);
	if (r < 0) {
		free(s);
		close(fd);
		return r;
	}
	*ret = s;
	return 0;
}

void yamux_free(struct yamux *s)
{
	if (!s)
		return;
	close_streams(s);
	loop_remove(s->source);
	close(s->fd);
	fifo_done(&s->outbox);
	free(s);
}

int yamux_greet(int fd)
{
	const struct frame ping = { .type = FRAME_PING, .flags = FLAG_SYN };
	uint8_t bytes[HEADER_SIZE];

	pack(&ping, bytes);
	return write_all(fd, bytes, sizeof(bytes));
}

int yamux_open(struct yamux *s, int fd, struct error *err)
{
	int r = 0;

	if (s->is_ended || s->is_peer_gone)
		r = error_set(err, -EPIPE, "open stream: the channel's other end is gone");
	else if (s->streams_count >= YAMUX_MAX_STREAMS)
		r = error_set(err, -EMFILE, "open stream: %d are open already", YAMUX_MAX_STREAMS);
	else if (s->next_id > UINT32_MAX - 2)
		r = error_set(err, -EOVERFLOW, "open stream: the channel's stream ids are used up");
	if (r < 0) {
		close(fd);
		return r;
	}
	put_frame(s, FRAME_WINDOW_UPDATE, FLAG_SYN, s->next_id, 0);
	add_stream(s, s->next_id, fd);
	s->next_id += 2;
	/* A pipe that cannot be written ends the session from the loop, not under our caller. */
	loop_set_events(s->source, EPOLLIN | EPOLLOUT);
	return 0;
}

void yamux_hold(struct yamux *s, void (*on_held)(void *ctx), void *ctx)
{
	s->hold = HOLD_DRAINING;
	s->quiet_pings = 0;
	s->on_held = on_held;
	s->held_ctx = ctx;
	ping_for_hold(s);
	if (flush(s) < 0)
		end_session(s);
}

void yamux_release(struct yamux *s)
{
	s->hold = HOLD_NONE;
	if (!s->is_ended && flush(s) < 0)
		end_session(s);
}

int yamux_restart(struct yamux *s)
{
	struct frame f = { .type = FRAME_GO_AWAY, .flags = FLAG_SYN };
	uint32_t word[2];

	if (getrandom(word, sizeof(word), 0) != sizeof(word))
		return -errno;
	f.id = word[0];
	f.length = word[1];
	put_frame(s, f.type, f.flags, f.id, f.length);
	f.flags = FLAG_ACK;
	pack(&f, s->restart);
	s->is_restarting = true;
	if (flush(s) < 0)
		end_session(s);
	return 0;
}
