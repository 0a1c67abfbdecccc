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

#include "agent/client/client.h"
#include "agent/proto/ttrpc.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fifo.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* The agent is a socket that the test writes on, before or while the client waits. */
struct scene {
	struct loop *loop;
	struct agent_client *client;
	int fd;
	size_t replies;
	struct error last;
	bool is_done;
	bool frees_client;
};

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	int fds[2];

	*state = s;
	if (loop_new(&s->loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	s->fd = fds[1];
	return agent_client_new(s->loop, fds[0], &s->client);
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	agent_client_free(s->client);
	loop_free(s->loop);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return 0;
}

static void say(struct scene *s, const void *data, size_t len)
{
	assert_int_equal(write_all(s->fd, data, len), 0);
}

static void answer(struct scene *s, uint32_t stream_id, int32_t code, const char *message,
		   const void *payload, size_t len)
{
	struct fifo out = FIFO_INIT;
	const struct ttrpc_response resp = { code, { message, strlen(message) }, { payload, len } };

	assert_int_equal(ttrpc_response_encode(stream_id, &resp, &out), 0);
	say(s, fifo_head(&out), out.len);
	fifo_done(&out);
}

static void answer_status(struct scene *s, uint32_t stream_id, int status)
{
	const uint8_t payload[] = { 0x08, (uint8_t)status };

	answer(s, stream_id, 0, "", payload, sizeof(payload));
}

static int call(struct scene *s, int timeout_ms, int32_t *ret_status, struct error *err)
{
	const grpc_WaitProcessRequest req = { .container_id = (char *)"c" };
	grpc_WaitProcessResponse resp;
	int r = agent_call(s->client, AGENT_WAIT_PROCESS, &req, &resp, timeout_ms, err);

	if (r == 0)
		*ret_status = resp.status;
	return r;
}

static void on_reply(void *ctx, const void *response, const struct error *err)
{
	struct scene *s = ctx;

	s->replies++;
	s->is_done = true;
	if (err)
		s->last = *err;
	if (s->frees_client)
		agent_client_free(steal_ptr(&s->client));
}

static int call_async(struct scene *s, int timeout_ms)
{
	const grpc_WaitProcessRequest req = { .container_id = (char *)"c" };

	return agent_call_async(s->client, AGENT_WAIT_PROCESS, &req, timeout_ms, on_reply, s, NULL);
}

static void a_call_returns_the_answer(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;
	struct ttrpc_request got;
	uint8_t request[256];
	int32_t status = -1;
	ssize_t n;

	answer_status(s, 1, 42); /* read only after the question was sent */
	assert_int_equal(call(s, 1000, &status, &err), 0);
	assert_int_equal(status, 42);
	n = recv(s->fd, request, sizeof(request), 0);
	assert_true(n > TTRPC_HEADER_SIZE);
	assert_int_equal(ttrpc_request_decode(request + TTRPC_HEADER_SIZE,
					      (size_t)n - TTRPC_HEADER_SIZE, &got),
			 0);
	assert_true(ttrpc_text_equal(got.service, "grpc.AgentService"));
	assert_true(ttrpc_text_equal(got.method, "WaitProcess"));
	assert_int_equal(got.timeout_ns, 1000000000);
}

static void answers_find_their_calls_in_any_order(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;
	int32_t status = -1;

	assert_int_equal(call_async(s, 1000), 0); /* 1 */
	assert_int_equal(call_async(s, 1000), 0); /* 3 */
	answer_status(s, 3, 3);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->replies, 1);
	answer_status(s, 1, 1);
	assert_int_equal(call(s, 20, &status, &err), -ETIMEDOUT); /* 5 */
	assert_int_equal(s->replies, 2);
}

static void an_agent_that_never_answers_times_out(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;
	long long before = now_ms();
	int32_t status;

	assert_int_equal(call(s, 30, &status, &err), -ETIMEDOUT);
	assert_true(now_ms() - before >= 30);
	assert_string_equal(err.msg, "agent: WaitProcess: no answer in 30 ms");
	/* Its answer, when it comes after all, is not taken for another's. */
	assert_int_equal(call_async(s, 1000), 0);
	answer_status(s, 1, 1);
	answer_status(s, 3, 3);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, 0);
}

static void an_early_end_fails_every_call_and_the_next(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;
	int32_t status;

	assert_int_equal(call_async(s, 1000), 0);
	assert_int_equal(call_async(s, -1), 0);
	close(steal_fd(&s->fd));
	assert_int_equal(call(s, 1000, &status, &err), -EPIPE);
	assert_int_equal(s->replies, 2);
	assert_int_equal(s->last.code, -EPIPE);
	assert_int_equal(call(s, 1000, &status, &err), -EPIPE);
}

static void the_agents_reason_arrives_with_its_code_and_without_control_bytes(void **state)
{
	struct scene *s = *state;

	assert_int_equal(call_async(s, 1000), 0);
	answer(s, 1, TTRPC_NOT_FOUND, "no\x1b[31m such\nprocess", "", 0);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, -ENOENT);
	assert_string_equal(s->last.msg, "agent: WaitProcess: no?[31m such process");
}

static void a_very_long_reason_is_cut(void **state)
{
	struct scene *s = *state;
	cleanup_free char *text = xcalloc(1, 100001);

	memset(text, 'x', 100000);
	assert_int_equal(call_async(s, 1000), 0);
	answer(s, 1, TTRPC_INTERNAL, text, "", 0);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, -EIO);
	assert_true(strlen(s->last.msg) < 700);
}

static void an_answer_that_cannot_be_decoded_fails_its_call_only(void **state)
{
	struct scene *s = *state;

	assert_int_equal(call_async(s, 1000), 0);
	answer(s, 1, 0, "", "\x08", 1);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, -EBADMSG);
	s->is_done = false;
	s->last.code = 0;
	assert_int_equal(call_async(s, 1000), 0);
	say(s, "\0\0\0\3\0\0\0\3\2\0\x0a\xff\xff", 13);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, -EBADMSG);
	s->is_done = false;
	s->last.code = 0;
	assert_int_equal(call_async(s, 1000), 0);
	answer_status(s, 5, 0);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, 0);
}

static void a_frame_that_is_too_large_fails_its_call_only(void **state)
{
	struct scene *s = *state;
	cleanup_free char *block = xcalloc(1, 65536);
	static const uint8_t head[] = { 0, 0x40, 0, 1, 0, 0, 0, 1, 2, 0 };
	size_t left = TTRPC_MAX_PAYLOAD + 1;

	assert_int_equal(call_async(s, 5000), 0);
	say(s, head, sizeof(head));
	while (left) {
		ssize_t n = send(s->fd, block, left < 65536 ? left : 65536, MSG_DONTWAIT);

		left -= n > 0 ? (size_t)n : 0;
		(void)loop_run_until(s->loop, &s->is_done, 1);
	}
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, -EMSGSIZE);
	s->is_done = false;
	s->last.code = 0;
	assert_int_equal(call_async(s, 1000), 0);
	answer_status(s, 3, 0);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_int_equal(s->last.code, 0);
}

static void frames_that_make_no_sense_end_the_connection(void **state)
{
	/* clang-format off */
	static const struct {
		const char *bytes;
		size_t len;
	} frames[] = {
		{ "\0\0\0\0\0\0\0\x63\2\0", 10 }, /* an answer to nothing */
		{ "\0\0\0\0\0\0\0\2\2\0", 10 },   /* an even stream */
		{ "\0\0\0\0\0\0\0\1\1\0", 10 },   /* a request */
		{ "\0\0\0\0\0\0\0\1\3\0", 10 },   /* streamed data */
		{ "\0garbage, and more of it that is long enough", 40 },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		void *own = NULL;
		struct scene *s;

		assert_int_equal(make_scene(&own), 0);
		s = own;
		assert_int_equal(call_async(s, 200), 0);
		say(s, frames[i].bytes, frames[i].len);
		assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
		if (i < 4)
			assert_int_equal(s->last.code, -EPROTO);
		else
			assert_true(s->last.code < 0);
		drop_scene(&own);
	}
	(void)state;
}

static void only_so_many_calls_may_be_under_way(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < AGENT_MAX_IN_FLIGHT; i++)
		assert_int_equal(call_async(s, -1), 0);
	assert_int_equal(call_async(s, -1), -EBUSY);
	agent_client_free(steal_ptr(&s->client));
	assert_int_equal(s->replies, AGENT_MAX_IN_FLIGHT);
	assert_int_equal(s->last.code, -ECANCELED);
}

static void a_reply_may_free_the_client(void **state)
{
	struct scene *s = *state;

	s->frees_client = true;
	assert_int_equal(call_async(s, 1000), 0);
	answer_status(s, 1, 0);
	assert_int_equal(loop_run_until(s->loop, &s->is_done, 1000), 0);
	assert_null(s->client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_returns_the_answer),
		TEST(answers_find_their_calls_in_any_order),
		TEST(an_agent_that_never_answers_times_out),
		TEST(an_early_end_fails_every_call_and_the_next),
		TEST(the_agents_reason_arrives_with_its_code_and_without_control_bytes),
		TEST(a_very_long_reason_is_cut),
		TEST(an_answer_that_cannot_be_decoded_fails_its_call_only),
		TEST(a_frame_that_is_too_large_fails_its_call_only),
		cmocka_unit_test(frames_that_make_no_sense_end_the_connection),
		TEST(only_so_many_calls_may_be_under_way),
		TEST(a_reply_may_free_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
