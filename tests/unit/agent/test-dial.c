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
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

struct scene {
	struct loop *loop;
	int near, far;
};

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	int fds[2];

	*state = s;
	if (loop_new(&s->loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	s->near = fds[0];
	s->far = fds[1];
	return 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;

	loop_free(s->loop);
	close(s->near);
	if (s->far >= 0)
		close(s->far);
	free(s);
	return 0;
}

static int shake(struct scene *s, uint32_t *ret_number, struct error *err)
{
	return agent_handshake(s->loop, s->near, AGENT_PORT_STDIO, 50, ret_number, err);
}

static void the_handshake_takes_its_line_and_not_a_byte_more(void **state)
{
	struct scene *s = *state;
	uint32_t number = 0;
	char buf[64];

	assert_int_equal(write_all(s->far, "OK 77\nstream", 12), 0);
	assert_int_equal(shake(s, &number, NULL), 0);
	assert_int_equal(number, 77);
	assert_int_equal(recv(s->near, buf, sizeof(buf), MSG_DONTWAIT), 6);
	assert_memory_equal(buf, "stream", 6);
	assert_int_equal(recv(s->far, buf, sizeof(buf), MSG_DONTWAIT), 13);
	assert_memory_equal(buf, "CONNECT 1027\n", 13);
}

static void a_broken_handshake_is_an_error(void **state)
{
	static const char *const answers[] = {
		"NO 1\n",
		"OK\n",
		"OK -1\n",
		"OK 4294967296\n",
		"OK 1 2\n",
		"\n",
		"OK 111111111111111111111111111111111111111111111111111111111111111111111111111111\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		void *own = NULL;
		struct scene *s;
		struct error err = ERROR_INIT;

		assert_int_equal(make_scene(&own), 0);
		s = own;
		assert_int_equal(write_all(s->far, answers[i], strlen(answers[i])), 0);
		assert_true(shake(s, NULL, &err) < 0);
		assert_non_null(strstr(err.msg, "port 1027"));
		drop_scene(&own);
	}
	(void)state;
}

static void a_refusal_is_an_end_of_file(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;

	close(steal_fd(&s->far));
	assert_int_equal(shake(s, NULL, &err), -EPIPE);
}

static void silence_times_out(void **state)
{
	struct scene *s = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(shake(s, NULL, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "connect to port 1027: no answer in 50 ms");
}

static void addresses_are_told_apart(void **state)
{
	static const struct {
		const char *address;
		int code;
	} cases[] = {
		{ "tcp://1", -EINVAL },
		{ "", -EINVAL },
		{ "vsock://x", -EINVAL },
		{ "unix:///nonexistent/agent.sock", -ENOENT },
		{ "hvsock:///nonexistent/agent.sock", -ENOENT },
		{ "hvsock:///nonexistent/agent.sock:1024", -ENOENT },
	};
	struct scene *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		int fd;

		assert_int_equal(agent_dial(s->loop, cases[i].address, AGENT_PORT_RPC, 50, &fd,
					    NULL, &err),
				 cases[i].code);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_handshake_takes_its_line_and_not_a_byte_more),
		cmocka_unit_test(a_broken_handshake_is_an_error),
		TEST(a_refusal_is_an_end_of_file),
		TEST(silence_times_out),
		TEST(addresses_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
