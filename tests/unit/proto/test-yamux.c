/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/proto/yamux.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

enum { DATA, WINDOW_UPDATE, PING, GO_AWAY };
enum { SYN = 1, ACK = 2, FIN = 4, RST = 8 };

#define STREAMS_MAX 64

struct side {
	struct yamux *session;
	int accepted[STREAMS_MAX];
	size_t accepted_count;
	size_t wanted;
	bool is_ready; /* @wanted streams were accepted */
	bool is_ended;
	bool has_restarted;
	struct error end;
};

struct scene {
	struct loop *loop;
	struct side a, b; /* a is the client */
	int raw;	  /* instead of b: the pipe itself */
};

static void on_accept(void *ctx, int fd)
{
	struct side *side = ctx;

	if (side->accepted_count == STREAMS_MAX) {
		close(fd);
		return;
	}
	side->accepted[side->accepted_count++] = fd;
	side->is_ready = side->accepted_count == side->wanted;
}

static void on_end(void *ctx, const struct error *err)
{
	struct side *side = ctx;

	side->end = *err;
	side->is_ended = true;
	yamux_free(steal_ptr(&side->session));
}

static int make_side(struct scene *s, struct side *side, int fd, int is_client)
{
	const struct yamux_handlers handlers = { on_accept, NULL, on_end, side };

	return yamux_new(s->loop, fd, is_client, &handlers, &side->session);
}

static int make_raw_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	int fds[2];

	*state = s;
	if (loop_new(&s->loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	s->raw = fds[1];
	return make_side(s, &s->a, fds[0], true);
}

static int make_scene(void **state)
{
	struct scene *s;

	if (make_raw_scene(state) < 0)
		return -1;
	s = *state;
	return make_side(s, &s->b, steal_fd(&s->raw), false);
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	for (size_t i = 0; i < s->a.accepted_count; i++)
		close(s->a.accepted[i]);
	for (size_t i = 0; i < s->b.accepted_count; i++)
		close(s->b.accepted[i]);
	yamux_free(s->a.session);
	yamux_free(s->b.session);
	loop_free(s->loop);
	if (s->raw >= 0)
		close(s->raw);
	free(s);
	return 0;
}

static int open_stream(struct yamux *session)
{
	struct error err = ERROR_INIT;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(yamux_open(session, fds[1], &err), 0);
	return fds[0];
}

static void settle(struct scene *s, int ms)
{
	const bool never = false;

	(void)loop_run_until(s->loop, &never, ms);
}

/* One end of a stream that sends @left_out bytes and expects @left_in, both of a known pattern. */
struct end {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	size_t sent, received;
	size_t size_out, size_in;
	uint8_t seed;
	bool is_done;
};

static uint8_t pattern(const struct end *e, size_t at)
{
	return (uint8_t)(at * 31 + (at >> 11) + e->seed);
}

static void pump(void *ctx, int fd, uint32_t events)
{
	struct end *e = ctx;
	uint8_t buf[16384];
	ssize_t n;

	if (events & EPOLLOUT && e->sent < e->size_out) {
		size_t want = e->size_out - e->sent;

		want = want < sizeof(buf) ? want : sizeof(buf);
		for (size_t i = 0; i < want; i++)
			buf[i] = pattern(e, e->sent + i);
		n = send(fd, buf, want, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			e->sent += (size_t)n;
		if (e->sent == e->size_out) {
			(void)shutdown(fd, SHUT_WR);
			loop_set_events(e->source, EPOLLIN);
		}
	}
	if (!(events & (EPOLLIN | EPOLLHUP)))
		return;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return;
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(buf[i], pattern(e, e->received + (size_t)i));
	e->received += (size_t)n;
	if (n == 0) {
		assert_int_equal(e->received, e->size_in);
		loop_set_events(e->source, EPOLLOUT);
		e->is_done = true;
		if (e->sent == e->size_out) {
			loop_remove(e->source);
			e->source = NULL;
		}
	}
}

static void start_end(struct scene *s, struct end *e)
{
	e->loop = s->loop;
	assert_int_equal(loop_add_fd(s->loop, e->fd, EPOLLIN | EPOLLOUT, pump, e, &e->source), 0);
}

static void finish_end(struct end *e)
{
	loop_remove(e->source);
	close(e->fd);
}

static void bulk_goes_both_ways_on_many_streams_unchanged(void **state)
{
	struct scene *s = *state;
	struct end near[8] = { 0 }, far[8] = { 0 };
	size_t size = 3u << 20;

	s->b.wanted = 8;
	for (size_t i = 0; i < 8; i++) {
		near[i] = (struct end){ .fd = open_stream(s->a.session),
					.size_out = size + i,
					.size_in = size - i,
					.seed = (uint8_t)i };
		start_end(s, &near[i]);
	}
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 5000), 0);
	for (size_t i = 0; i < 8; i++) {
		far[i] = (struct end){ .fd = s->b.accepted[i],
				       .size_out = size - i,
				       .size_in = size + i,
				       .seed = (uint8_t)i };
		start_end(s, &far[i]);
	}
	s->b.accepted_count = 0;
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(loop_run_until(s->loop, &near[i].is_done, 20000), 0);
		assert_int_equal(loop_run_until(s->loop, &far[i].is_done, 20000), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		finish_end(&near[i]);
		finish_end(&far[i]);
	}
	assert_false(s->a.is_ended || s->b.is_ended);
}

static void both_ends_may_open_streams(void **state)
{
	struct scene *s = *state;
	int from_a, from_b;
	char buf[8];

	s->a.wanted = s->b.wanted = 1;
	from_a = open_stream(s->a.session);
	from_b = open_stream(s->b.session);
	assert_int_equal(write_all(from_a, "to b", 4), 0);
	assert_int_equal(write_all(from_b, "to a", 4), 0);
	assert_int_equal(loop_run_until(s->loop, &s->a.is_ready, 1000), 0);
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 1000), 0);
	settle(s, 10);
	assert_int_equal(read_exact(s->a.accepted[0], buf, 4), 0);
	assert_memory_equal(buf, "to a", 4);
	assert_int_equal(read_exact(s->b.accepted[0], buf, 4), 0);
	assert_memory_equal(buf, "to b", 4);
	close(from_a);
	close(from_b);
}

static void a_half_close_ends_one_direction_only(void **state)
{
	struct scene *s = *state;
	int near, far;
	char buf[8];

	s->b.wanted = 1;
	near = open_stream(s->a.session);
	assert_int_equal(write_all(near, "ask", 3), 0);
	assert_int_equal(shutdown(near, SHUT_WR), 0);
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 1000), 0);
	settle(s, 10);
	far = s->b.accepted[0];
	assert_int_equal(recv(far, buf, sizeof(buf), MSG_DONTWAIT), 3);
	assert_int_equal(recv(far, buf, sizeof(buf), MSG_DONTWAIT), 0);
	assert_int_equal(write_all(far, "answer", 6), 0);
	settle(s, 10);
	assert_int_equal(recv(near, buf, sizeof(buf), MSG_DONTWAIT), 6);
	assert_int_equal(shutdown(far, SHUT_WR), 0);
	settle(s, 10);
	assert_int_equal(recv(near, buf, sizeof(buf), MSG_DONTWAIT), 0);
	close(near);
}

static void an_end_that_is_closed_breaks_the_others_writes(void **state)
{
	struct scene *s = *state;
	ssize_t n = 0;
	int near;

	s->b.wanted = 1;
	near = open_stream(s->a.session);
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 1000), 0);
	close(s->b.accepted[0]);
	s->b.accepted_count = 0;
	for (int i = 0; i < 100 && n >= 0; i++) {
		settle(s, 1);
		n = send(near, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	assert_true(n < 0 && errno == EPIPE);
	close(near);
}

static void a_closed_end_costs_no_time_while_nothing_happens(void **state)
{
	struct scene *s = *state;
	struct timespec before, after;
	long long spent_us;
	int near;

	s->b.wanted = 1;
	near = open_stream(s->a.session);
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 1000), 0);
	close(near); /* b's end stays open: the stream is half closed for long */
	settle(s, 10);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	settle(s, 200);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	spent_us = (after.tv_sec - before.tv_sec) * 1000000ll +
		   (after.tv_nsec - before.tv_nsec) / 1000;
	assert_true(spent_us < 50000);
}

static void a_reader_that_sleeps_holds_up_its_own_stream_only(void **state)
{
	struct scene *s = *state;
	int slow, quick;
	size_t sent = 0;
	char block[4096] = { 0 }, buf[8];

	s->b.wanted = 2;
	slow = open_stream(s->a.session);
	quick = open_stream(s->a.session);
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 1000), 0);
	for (int idle = 0; idle < 20;) {
		ssize_t n = send(slow, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		settle(s, 1);
		assert_true(sent < (4u << 20)); /* two windows and the sockets' own buffers */
	}
	assert_true(sent >= YAMUX_WINDOW);
	assert_int_equal(write_all(quick, "go", 2), 0);
	settle(s, 20);
	assert_int_equal(recv(s->b.accepted[1], buf, sizeof(buf), MSG_DONTWAIT), 2);
	close(slow);
	close(quick);
}

static void streams_beyond_the_limit_are_reset(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;
	cleanup_free int *fds = xcalloc(YAMUX_MAX_STREAMS, sizeof(int));
	int extra[2];

	/* Two descriptors each, on both sides; not every machine allows that many. */
	if (sysconf(_SC_OPEN_MAX) < YAMUX_MAX_STREAMS * 4 + 100) {
		print_message("skipped: too few descriptors\n");
		skip();
	}
	for (int i = 0; i < YAMUX_MAX_STREAMS; i++)
		fds[i] = open_stream(s->a.session);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, extra), 0);
	assert_int_equal(yamux_open(s->a.session, extra[1], &err), -EMFILE);
	close(extra[0]);
	for (int i = 0; i < YAMUX_MAX_STREAMS; i++)
		close(fds[i]);
}

static void the_end_of_the_pipe_is_told_once_and_closes_streams(void **state)
{
	struct scene *s = *state;
	int near = open_stream(s->a.session);
	char c;

	settle(s, 10);
	yamux_free(steal_ptr(&s->b.session));
	assert_int_equal(loop_run_until(s->loop, &s->a.is_ended, 1000), 0);
	assert_int_equal(s->a.end.code, -EPIPE);
	assert_int_equal(recv(near, &c, 1, MSG_DONTWAIT), 0);
	close(near);
}

/* against a peer made by hand */

static void put(struct scene *s, uint8_t version, uint8_t type, uint16_t flags, uint32_t id,
		uint32_t length)
{
	uint8_t h[12] = { version, type, (uint8_t)(flags >> 8), (uint8_t)flags };

	id = htobe32(id);
	length = htobe32(length);
	memcpy(h + 4, &id, 4);
	memcpy(h + 8, &length, 4);
	assert_int_equal(write_all(s->raw, h, sizeof(h)), 0);
}

static void expect(struct scene *s, uint8_t type, uint16_t flags, uint32_t id, uint32_t length)
{
	uint8_t h[12];
	uint32_t got_id, got_length;

	settle(s, 5);
	assert_int_equal(recv(s->raw, h, sizeof(h), MSG_DONTWAIT | MSG_WAITALL), sizeof(h));
	memcpy(&got_id, h + 4, 4);
	memcpy(&got_length, h + 8, 4);
	assert_int_equal(h[0], 0);
	assert_int_equal(h[1], type);
	assert_int_equal(h[2] << 8 | h[3], flags);
	assert_int_equal(be32toh(got_id), id);
	assert_int_equal(be32toh(got_length), length);
}

static void expect_broken(struct scene *s, const char *reason)
{
	assert_int_equal(loop_run_until(s->loop, &s->a.is_ended, 1000), 0);
	assert_int_equal(s->a.end.code, -EPROTO);
	if (!strstr(s->a.end.msg, reason))
		fail_msg("'%s' does not say '%s'", s->a.end.msg, reason);
}

static void frames_are_those_of_the_specification(void **state)
{
	struct scene *s = *state;
	int near = open_stream(s->a.session);
	char data[3];

	expect(s, WINDOW_UPDATE, SYN, 1, 0);
	put(s, 0, WINDOW_UPDATE, ACK, 1, 0);
	assert_int_equal(write_all(near, "abc", 3), 0);
	expect(s, DATA, 0, 1, 3);
	assert_int_equal(recv(s->raw, data, 3, MSG_DONTWAIT), 3);
	assert_int_equal(shutdown(near, SHUT_WR), 0);
	expect(s, WINDOW_UPDATE, FIN, 1, 0);
	put(s, 0, WINDOW_UPDATE, FIN, 1, 0);
	settle(s, 5);
	assert_int_equal(recv(near, data, 3, MSG_DONTWAIT), 0);
	close(near);
	near = open_stream(s->a.session);
	expect(s, WINDOW_UPDATE, SYN, 3, 0);
	close(near);
}

static void a_stream_of_the_peer_is_acknowledged(void **state)
{
	struct scene *s = *state;
	char data[3];

	put(s, 0, DATA, SYN, 2, 3);
	assert_int_equal(write_all(s->raw, "abc", 3), 0);
	expect(s, WINDOW_UPDATE, ACK, 2, 0);
	assert_int_equal(s->a.accepted_count, 1);
	assert_int_equal(recv(s->a.accepted[0], data, 3, MSG_DONTWAIT), 3);
	assert_memory_equal(data, "abc", 3);
}

static void a_ping_is_answered(void **state)
{
	struct scene *s = *state;

	put(s, 0, PING, SYN, 0, 0xdeadbeef);
	expect(s, PING, ACK, 0, 0xdeadbeef);
	put(s, 0, PING, ACK, 0, 1); /* an answer nobody asked for is nothing */
	settle(s, 5);
	assert_false(s->a.is_ended);
}

static void nothing_is_sent_beyond_the_peers_window(void **state)
{
	struct scene *s = *state;
	int near = open_stream(s->a.session);
	cleanup_free char *block = xcalloc(1, 65536);
	size_t got = 0;
	ssize_t n;

	expect(s, WINDOW_UPDATE, SYN, 1, 0);
	for (int i = 0; i < 200; i++) {
		(void)send(near, block, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
		settle(s, 1);
		while ((n = recv(s->raw, block, 65536, MSG_DONTWAIT)) > 0)
			got += (size_t)n;
	}
	assert_true(got >= YAMUX_WINDOW && got < YAMUX_WINDOW + 12 * 1000);
	put(s, 0, WINDOW_UPDATE, 0, 1, 1);
	expect(s, DATA, 0, 1, 1);
	close(near);
}

static void the_window_is_given_back_when_bytes_are_taken(void **state)
{
	struct scene *s = *state;
	cleanup_free char *block = xcalloc(1, YAMUX_WINDOW / 2);

	put(s, 0, WINDOW_UPDATE, SYN, 2, 0);
	expect(s, WINDOW_UPDATE, ACK, 2, 0);
	put(s, 0, DATA, 0, 2, YAMUX_WINDOW / 2);
	for (size_t at = 0; at < YAMUX_WINDOW / 2; at += 32768) {
		assert_int_equal(write_all(s->raw, block + at, 32768), 0);
		settle(s, 2);
		while (recv(s->a.accepted[0], block, 16384, MSG_DONTWAIT) > 0)
			settle(s, 1);
	}
	expect(s, WINDOW_UPDATE, 0, 2, YAMUX_WINDOW / 2);
}

static void a_reset_closes_the_stream_and_nothing_else(void **state)
{
	struct scene *s = *state;
	int near = open_stream(s->a.session), other;
	char c;

	expect(s, WINDOW_UPDATE, SYN, 1, 0);
	put(s, 0, WINDOW_UPDATE, RST, 1, 0);
	settle(s, 5);
	assert_int_equal(recv(near, &c, 1, MSG_DONTWAIT), 0);
	assert_true(send(near, "x", 1, MSG_NOSIGNAL) < 0);
	close(near);
	other = open_stream(s->a.session);
	expect(s, WINDOW_UPDATE, SYN, 3, 0);
	close(other);
}

static void frames_of_an_unknown_stream_are_passed_over_but_data_is_refused(void **state)
{
	struct scene *s = *state;

	put(s, 0, DATA, 0, 77, 5);
	assert_int_equal(write_all(s->raw, "12345", 5), 0);
	expect(s, WINDOW_UPDATE, RST, 77, 0);
	put(s, 0, WINDOW_UPDATE, FIN, 77, 5);
	put(s, 0, WINDOW_UPDATE, RST, 78, 0);
	put(s, 0, PING, SYN, 0, 1);
	expect(s, PING, ACK, 0, 1);
}

static void more_than_a_window_for_an_unknown_stream_ends_the_session(void **state)
{
	struct scene *s = *state;

	put(s, 0, DATA, 0, 77, UINT32_MAX);
	expect_broken(s, "stream 77 exceeds its window");
}

/* What nobody holds here is not kept for a peer that never ends its own direction. */
static void streams_that_only_the_peer_keeps_open_are_forgotten(void **state)
{
	struct scene *s = *state;
	char drain[4096];

	for (int i = 0; i < YAMUX_MAX_STREAMS + 100; i++) {
		close(open_stream(s->a.session));
		settle(s, 1);
		(void)recv(s->raw, drain, sizeof(drain), MSG_DONTWAIT);
	}
	assert_false(s->a.is_ended);
}

static void a_peer_that_goes_away_gets_no_new_streams(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;
	int fds[2];

	put(s, 0, GO_AWAY, 0, 0, 0);
	settle(s, 5);
	assert_false(s->a.is_ended);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(yamux_open(s->a.session, fds[1], &err), -EPIPE);
	close(fds[0]);
}

static void hostile_frames_end_the_session(void **state)
{
	/* clang-format off */
	static const struct {
		const char *reason;
		struct {
			uint8_t version, type;
			uint16_t flags;
			uint32_t id, length;
		} frames[3];
		size_t count;
	} cases[] = {
		{ "version", { { 1, DATA, 0, 1, 0 } }, 1 },
		{ "type", { { 0, 4, 0, 1, 0 } }, 1 },
		{ "opened", { { 0, DATA, SYN, 0, 0 } }, 1 },
		{ "opened", { { 0, DATA, SYN, 3, 0 } }, 1 }, /* our own parity */
		{ "opened", { { 0, DATA, SYN, 2, 0 }, { 0, DATA, SYN, 2, 0 } }, 2 },
		{ "exceeds", { { 0, DATA, SYN, 2, YAMUX_WINDOW + 1 } }, 1 },
		{ "exceeds", { { 0, DATA, SYN, 2, UINT32_MAX } }, 1 },
		{ "overflows", { { 0, WINDOW_UPDATE, SYN, 2, UINT32_MAX } }, 1 },
		{ "after its end", { { 0, WINDOW_UPDATE, SYN | FIN, 2, 0 }, { 0, DATA, 0, 2, 1 } }, 2 },
		{ "gave up", { { 0, GO_AWAY, 0, 0, 1 } }, 1 },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		void *own = NULL;
		struct scene *s;

		assert_int_equal(make_raw_scene(&own), 0);
		s = own;
		for (size_t f = 0; f < cases[i].count; f++)
			put(s, cases[i].frames[f].version, cases[i].frames[f].type,
			    cases[i].frames[f].flags, cases[i].frames[f].id,
			    cases[i].frames[f].length);
		expect_broken(s, cases[i].reason);
		drop_scene(&own);
	}
	(void)state;
}

static void a_peer_that_pings_without_reading_is_cut_off(void **state)
{
	struct scene *s = *state;
	uint8_t pings[12 * 1000];

	for (size_t i = 0; i < sizeof(pings); i += 12)
		memcpy(pings + i, "\0\2\0\1\0\0\0\0\0\0\0\0", 12);
	for (int i = 0; i < 2000 && !s->a.is_ended; i++) {
		(void)send(s->raw, pings, sizeof(pings), MSG_DONTWAIT | MSG_NOSIGNAL);
		/* A part of a ping at the end is completed by luck or not; both end it. */
		settle(s, 1);
	}
	assert_int_equal(loop_run_until(s->loop, &s->a.is_ended, 1000), 0);
	assert_int_equal(s->a.end.code, -EPROTO);
}

static void set_flag(void *ctx)
{
	*(bool *)ctx = true;
}

/* What the peer's @stream had ready came before, and what we write waits. */
static void a_session_that_rests_has_all_and_says_nothing(void **state)
{
	struct scene *s = *state;
	int fd = open_stream(s->a.session);
	bool is_held = false;
	char buf[8] = "";

	s->b.wanted = 1;
	assert_int_equal(loop_run_until(s->loop, &s->b.is_ready, 5000), 0);
	assert_int_equal(write(s->b.accepted[0], "before", 6), 6);
	yamux_hold(s->a.session, set_flag, &is_held);
	assert_int_equal(loop_run_until(s->loop, &is_held, 5000), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 6);

	assert_int_equal(write(fd, "after", 5), 5);
	settle(s, 50);
	assert_int_equal(recv(s->b.accepted[0], buf, sizeof(buf), MSG_DONTWAIT), -1);
	yamux_release(s->a.session);
	settle(s, 50);
	assert_int_equal(recv(s->b.accepted[0], buf, sizeof(buf), MSG_DONTWAIT), 5);
	close(fd);
}

/* Of a session that is cut off in the middle of a frame, as a saved guest's may be. */
static void a_new_peer_passes_over_what_was_for_the_old_one(void **state)
{
	static const uint8_t of_the_old_one[] = { 0, DATA, 0, 0, 0, 0, 0, 2, 0, 0, 9 };
	struct scene *s = *state;
	uint8_t frame[12], answer[12];
	int fd;

	assert_int_equal(yamux_restart(s->a.session), 0);
	settle(s, 20);
	assert_int_equal(read_exact(s->raw, frame, sizeof(frame)), 0);
	assert_int_equal(frame[1], GO_AWAY);
	assert_int_equal(frame[3], SYN);
	assert_int_equal(write_all(s->raw, of_the_old_one, sizeof(of_the_old_one)), 0);
	memcpy(answer, frame, sizeof(answer));
	answer[3] = ACK;
	assert_int_equal(write_all(s->raw, answer, sizeof(answer)), 0);
	settle(s, 20);
	assert_false(s->a.is_ended);
	fd = open_stream(s->a.session);
	settle(s, 20);
	assert_int_equal(read_exact(s->raw, frame, sizeof(frame)), 0);
	assert_int_equal(frame[1], WINDOW_UPDATE);
	assert_int_equal(frame[3], SYN);
	close(fd);
}

static void on_restart(void *ctx)
{
	struct side *side = ctx;

	side->has_restarted = true;
}

static void a_peer_that_is_new_has_no_streams(void **state)
{
	static const uint8_t word[] = { 0, GO_AWAY, 0, SYN, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct scene *s = *state;
	const struct yamux_handlers handlers = { on_accept, on_restart, on_end, &s->a };
	uint8_t frame[12];
	char byte;
	int fd, pair[2];

	yamux_free(s->a.session);
	close(s->raw);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->raw = pair[1];
	assert_int_equal(yamux_new(s->loop, pair[0], false, &handlers, &s->a.session), 0);
	fd = open_stream(s->a.session);
	settle(s, 20);
	assert_int_equal(read_exact(s->raw, frame, sizeof(frame)), 0);
	assert_int_equal(write_all(s->raw, word, sizeof(word)), 0);
	settle(s, 20);
	assert_true(s->a.has_restarted);
	assert_false(s->a.is_ended);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(read_exact(s->raw, frame, sizeof(frame)), 0);
	assert_int_equal(frame[3], ACK);
	assert_memory_equal(frame + 4, word + 4, 8);
	close(fd);
}

static void nobody_begins_anew_unasked(void **state)
{
	static const uint8_t word[] = { 0, GO_AWAY, 0, SYN, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct scene *s = *state;

	assert_int_equal(write_all(s->raw, word, sizeof(word)), 0);
	settle(s, 20);
	assert_true(s->a.is_ended);
	assert_string_equal(s->a.end.msg, "yamux: peer begins anew");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)
#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, make_raw_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bulk_goes_both_ways_on_many_streams_unchanged),
		TEST(both_ends_may_open_streams),
		TEST(a_half_close_ends_one_direction_only),
		TEST(an_end_that_is_closed_breaks_the_others_writes),
		TEST(a_closed_end_costs_no_time_while_nothing_happens),
		TEST(a_reader_that_sleeps_holds_up_its_own_stream_only),
		TEST(streams_beyond_the_limit_are_reset),
		TEST(the_end_of_the_pipe_is_told_once_and_closes_streams),
		RAW_TEST(frames_are_those_of_the_specification),
		RAW_TEST(a_stream_of_the_peer_is_acknowledged),
		RAW_TEST(a_ping_is_answered),
		RAW_TEST(nothing_is_sent_beyond_the_peers_window),
		RAW_TEST(the_window_is_given_back_when_bytes_are_taken),
		RAW_TEST(a_reset_closes_the_stream_and_nothing_else),
		RAW_TEST(frames_of_an_unknown_stream_are_passed_over_but_data_is_refused),
		RAW_TEST(more_than_a_window_for_an_unknown_stream_ends_the_session),
		RAW_TEST(streams_that_only_the_peer_keeps_open_are_forgotten),
		RAW_TEST(a_peer_that_goes_away_gets_no_new_streams),
		cmocka_unit_test(hostile_frames_end_the_session),
		RAW_TEST(a_peer_that_pings_without_reading_is_cut_off),
		TEST(a_session_that_rests_has_all_and_says_nothing),
		RAW_TEST(a_new_peer_passes_over_what_was_for_the_old_one),
		RAW_TEST(a_peer_that_is_new_has_no_streams),
		RAW_TEST(nobody_begins_anew_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
