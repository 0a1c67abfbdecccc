/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/proto/conn.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

struct side {
	struct ttrpc_conn *conn;
	size_t frames;
	size_t bytes;
	size_t wanted;
	bool is_done; /* @wanted frames came, or the end */
	bool frees_itself;
	int result;
	struct error end;
};

struct scene {
	struct loop *loop;
	struct side a, b;
	int fds[2];
};

static int on_frame(void *ctx, const struct ttrpc_header *header, const uint8_t *payload)
{
	struct side *side = ctx;

	side->frames++;
	side->bytes += header->length;
	if (side->frames == side->wanted)
		side->is_done = true;
	if (side->frees_itself)
		ttrpc_conn_free(steal_ptr(&side->conn));
	return side->result;
}

static void on_end(void *ctx, const struct error *err)
{
	struct side *side = ctx;

	side->end = *err;
	side->is_done = true;
}

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	struct ttrpc_conn_handlers a = { on_frame, on_end, &s->a }, b = { on_frame, on_end, &s->b };

	*state = s;
	return loop_new(&s->loop) < 0 ||
	       socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->fds) < 0 ||
	       ttrpc_conn_new(s->loop, s->fds[0], &a, &s->a.conn) < 0 ||
	       ttrpc_conn_new(s->loop, s->fds[1], &b, &s->b.conn) < 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	ttrpc_conn_free(s->a.conn);
	ttrpc_conn_free(s->b.conn);
	loop_free(s->loop);
	free(s);
	return 0;
}

static void large_frames_wait_their_turn_and_all_arrive(void **state)
{
	struct scene *s = *state;
	size_t size = 3u << 20;
	cleanup_free char *data = xcalloc(1, size);
	const struct ttrpc_request req = { .payload = { data, size } };

	s->b.wanted = 5;
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(ttrpc_conn_request(s->a.conn, 2 * i + 1, &req), 0);
	assert_false(ttrpc_conn_is_flushed(s->a.conn));
	assert_int_equal(loop_run_until(s->loop, &s->b.is_done, 10000), 0);
	assert_true(s->b.bytes > 5 * size);
	assert_true(ttrpc_conn_is_flushed(s->a.conn));
}

static void a_peer_that_only_asks_stalls_itself(void **state)
{
	struct scene *s = *state;
	cleanup_free char *data = xcalloc(1, TTRPC_CONN_QUEUE);
	const struct ttrpc_response resp = { .payload = { data, TTRPC_CONN_QUEUE - 100 } };
	int fd = dup(s->fds[0]);
	uint8_t drain[4096];

	/* Only @b runs; its peer does not read. */
	ttrpc_conn_free(steal_ptr(&s->a.conn));
	assert_int_equal(ttrpc_conn_response(s->b.conn, 1, &resp), 0);
	assert_int_equal(ttrpc_conn_response(s->b.conn, 3, &resp), 0);
	assert_int_equal(write_all(fd, "\0\0\0\0\0\0\0\1\1\0", TTRPC_HEADER_SIZE), 0);
	s->b.wanted = 1;
	assert_int_equal(loop_run_until(s->loop, &s->b.is_done, 50), -ETIMEDOUT);
	assert_int_equal(s->b.frames, 0);
	/* Once it reads, it is served again. */
	while (!s->b.is_done) {
		(void)recv(fd, drain, sizeof(drain), MSG_DONTWAIT);
		(void)loop_run_until(s->loop, &s->b.is_done, 1);
	}
	assert_int_equal(s->b.frames, 1);
	close(fd);
}

static void what_was_sent_before_the_end_is_read(void **state)
{
	struct scene *s = *state;
	const struct ttrpc_request req = { .payload = { "x", 1 } };

	assert_int_equal(ttrpc_conn_request(s->a.conn, 1, &req), 0);
	ttrpc_conn_free(steal_ptr(&s->a.conn));
	assert_int_equal(loop_run_until(s->loop, &s->b.is_done, 1000), 0);
	assert_int_equal(s->b.frames, 1);
	assert_int_equal(s->b.end.code, -EPIPE);
}

static void a_frame_that_is_refused_ends_the_connection(void **state)
{
	struct scene *s = *state;
	const struct ttrpc_request req = { .payload = { "x", 1 } };

	s->b.result = -EPROTO;
	assert_int_equal(ttrpc_conn_request(s->a.conn, 1, &req), 0);
	assert_int_equal(ttrpc_conn_request(s->a.conn, 3, &req), 0);
	assert_int_equal(loop_run_until(s->loop, &s->b.is_done, 1000), 0);
	assert_int_equal(s->b.frames, 1);
	assert_int_equal(s->b.end.code, -EPROTO);
}

static void a_handler_may_free_its_connection(void **state)
{
	struct scene *s = *state;
	const struct ttrpc_request req = { .payload = { "x", 1 } };

	s->b.frees_itself = true;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ttrpc_conn_request(s->a.conn, 2 * i + 1, &req), 0);
	assert_int_equal(loop_run_until(s->loop, &s->a.is_done, 1000), 0); /* it hung up */
	assert_int_equal(s->b.frames, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(large_frames_wait_their_turn_and_all_arrive),
		TEST(a_peer_that_only_asks_stalls_itself),
		TEST(what_was_sent_before_the_end_is_read),
		TEST(a_frame_that_is_refused_ends_the_connection),
		TEST(a_handler_may_free_its_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
