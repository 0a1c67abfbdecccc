/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/client/client.h"
#include "agent/proto/ttrpc.h"
#include "agent/proto/yamux.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fifo.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * A guest that goes away after each byte of what it had to say: whoever waits hears of it at once,
 * with the right reason, and nothing is kept (which the sanitizers see).
 */
#define WAIT_MS 5000

enum way { CLOSE, SHUT_DOWN, WAY_COUNT };

static void go_away(int *fd, enum way way)
{
	if (way == CLOSE)
		close_fdp(fd);
	else
		assert_int_equal(shutdown(*fd, SHUT_WR), 0);
}

static struct loop *new_loop(void)
{
	struct loop *loop;

	assert_int_equal(loop_new(&loop), 0);
	return loop;
}

static void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* --- a call ----------------------------------------------------------------------------------- */

static void answer_and_leave(const struct fifo *answer, size_t cut, enum way way)
{
	const grpc_WaitProcessRequest request = { .container_id = (char *)"c" };
	grpc_WaitProcessResponse response;
	struct agent_client *client;
	struct error err = ERROR_INIT;
	struct loop *loop = new_loop();
	int fds[2], r;

	make_pair(fds);
	assert_int_equal(agent_client_new(loop, fds[0], &client), 0);
	assert_int_equal(write_all(fds[1], fifo_head(answer), cut), 0);
	go_away(&fds[1], way);
	r = agent_call(client, AGENT_WAIT_PROCESS, &request, &response, WAIT_MS, &err);
	if (cut == answer->len) {
		assert_int_equal(r, 0);
		assert_int_equal(response.status, 7);
	} else {
		assert_int_equal(r, -EPIPE);
		assert_string_equal(err.msg, "agent: WaitProcess: the connection ended");
	}
	/* Whatever it was, the next one fails at once. */
	assert_true(agent_call(client, AGENT_WAIT_PROCESS, &request, &response, WAIT_MS, &err) < 0);
	agent_client_free(client);
	close_fdp(&fds[1]);
	loop_free(loop);
}

static void a_call_ends_wherever_its_answer_is_cut(void **state)
{
	static const uint8_t status[] = { 0x08, 7 };
	const struct ttrpc_response response = { .message = { "well done", 9 },
						 .payload = { (const char *)status, 2 } };
	struct fifo answer = FIFO_INIT;

	assert_int_equal(ttrpc_response_encode(1, &response, &answer), 0);
	for (int way = 0; way < WAY_COUNT; way++)
		for (size_t cut = 0; cut <= answer.len; cut++)
			answer_and_leave(&answer, cut, (enum way)way);
	fifo_done(&answer);
}

/* --- a connection's first line ---------------------------------------------------------------- */

static void greet_and_leave(const char *line, size_t cut, enum way way)
{
	struct error err = ERROR_INIT;
	struct loop *loop = new_loop();
	uint32_t port = 0;
	int fds[2], r;

	make_pair(fds);
	assert_int_equal(write_all(fds[1], line, cut), 0);
	go_away(&fds[1], way);
	r = agent_handshake(loop, fds[0], AGENT_PORT_RPC, WAIT_MS, &port, &err);
	/* A request that nobody can take is noticed before the answer that is already there. */
	if (cut == strlen(line) && way == SHUT_DOWN)
		assert_int_equal(r, 0);
	else
		assert_true(r == -EPIPE || r == -ECONNRESET);
	close(fds[0]);
	close_fdp(&fds[1]);
	loop_free(loop);
}

static void a_connection_ends_wherever_its_first_line_is_cut(void **state)
{
	static const char line[] = "OK 4294967295\n";

	for (int way = 0; way < WAY_COUNT; way++)
		for (size_t cut = 0; cut < sizeof(line); cut++)
			greet_and_leave(line, cut, (enum way)way);
}

/* --- the channel ------------------------------------------------------------------------------ */

struct channel_end {
	int calls;
	bool is_ended;
	struct error err;
};

static void on_end(void *ctx, const struct error *err)
{
	struct channel_end *end = ctx;

	end->calls++;
	end->is_ended = true;
	end->err = *err;
}

static size_t put_frame(uint8_t *out, uint8_t type, uint8_t flags, uint32_t id, uint32_t length)
{
	id = htobe32(id);
	length = htobe32(length);
	memcpy(out, (uint8_t[]){ 0, type, 0, flags }, 4);
	memcpy(out + 4, &id, 4);
	memcpy(out + 8, &length, 4);
	return 12;
}

/* An acknowledgement, data with a window, a ping, the end of stream 1, and data for stream 3. */
static size_t write_session(uint8_t *out)
{
	size_t n = put_frame(out, 1, 2, 1, 0);

	n += put_frame(out + n, 0, 0, 1, 5);
	memcpy(out + n, "hello", 5);
	n += 5;
	n += put_frame(out + n, 2, 1, 0, 99);
	n += put_frame(out + n, 0, 4, 1, 0);
	n += put_frame(out + n, 0, 0, 3, 4);
	memcpy(out + n, "more", 4);
	return n + 4;
}

static size_t read_to_the_end(int fd, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while ((n = recv(fd, buf + got, size - got, MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	return got;
}

static void say_and_leave(const uint8_t *bytes, size_t cut, enum way way)
{
	static const char expected[2][6] = { "hello", "more" };
	struct channel_end end = { 0 };
	const struct yamux_handlers handlers = { .on_end = on_end, .ctx = &end };
	struct error err = ERROR_INIT;
	struct loop *loop = new_loop();
	struct yamux *session;
	int fds[2], streams[2][2];
	char buf[16];

	make_pair(fds);
	assert_int_equal(yamux_new(loop, fds[0], true, &handlers, &session), 0);
	for (size_t i = 0; i < 2; i++) {
		make_pair(streams[i]);
		assert_int_equal(yamux_open(session, streams[i][1], &err), 0);
	}
	assert_int_equal(write_all(fds[1], bytes, cut), 0);
	go_away(&fds[1], way);
	assert_int_equal(loop_run_until(loop, &end.is_ended, WAIT_MS), 0);
	assert_int_equal(end.err.code, -EPIPE);
	for (size_t i = 0; i < 2; i++) {
		size_t got = read_to_the_end(streams[i][0], buf, sizeof(buf));

		assert_true(got <= strlen(expected[i]));
		assert_memory_equal(buf, expected[i], got); /* what came is not lost */
		close(streams[i][0]);
	}
	assert_int_equal(yamux_open(session, dup(0), &err), -EPIPE);
	assert_int_equal(end.calls, 1);
	yamux_free(session);
	close_fdp(&fds[1]);
	loop_free(loop);
}

static void a_channel_ends_wherever_it_is_cut(void **state)
{
	uint8_t bytes[128];
	size_t len = write_session(bytes);

	for (int way = 0; way < WAY_COUNT; way++)
		for (size_t cut = 0; cut <= len; cut++)
			say_and_leave(bytes, cut, (enum way)way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_ends_wherever_its_answer_is_cut),
		cmocka_unit_test(a_connection_ends_wherever_its_first_line_is_cut),
		cmocka_unit_test(a_channel_ends_wherever_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
