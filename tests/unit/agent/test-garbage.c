/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/client/client.h"
#include "agent/proto/ttrpc.h"
#include "agent/server/server.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fifo.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * The agent as an ordinary process, with a host that is broken or means ill: whatever arrives, it
 * goes on serving the next one.
 */
#define TIMEOUT_MS 20000

struct scene {
	char dir[32];
	char *path, *address;
	pid_t agent;
};

static _Noreturn void run_agent(const char *path, int ready_fd)
{
	const struct agent_server_options options = { .is_guest = false };
	struct agent_server *server = NULL;
	struct error err = ERROR_INIT;
	struct loop *loop;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = loop_new(&loop);
	if (r == 0)
		r = agent_server_new(loop, &options, &server, &err);
	if (r == 0)
		r = agent_server_listen_unix(server, path, false, &err);
	if (r < 0)
		_exit(1);
	close(ready_fd);
	r = loop_run(loop);
	agent_server_free(server);
	loop_free(loop);
	exit(r < 0); /* the sanitizers' last look */
}

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	int ready[2];
	char c;

	*state = s;
	strcpy(s->dir, "/tmp/moat-garbage-XXXXXX");
	if (!mkdtemp(s->dir) || pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	s->path = xasprintf("%s/agent.sock", s->dir);
	s->address = xasprintf("hvsock://%s", s->path);
	s->agent = fork();
	if (s->agent == 0) {
		close(ready[0]);
		run_agent(s->path, ready[1]);
	}
	close(ready[1]);
	if (s->agent < 0 || read(ready[0], &c, 1) != 0)
		return -1;
	close(ready[0]);
	return 0;
}

/* It ends when it is told to, and without a finding. */
static int drop_scene(void **state)
{
	struct scene *s = *state;
	int status = -1;

	(void)kill(s->agent, SIGTERM);
	(void)waitpid(s->agent, &status, 0);
	(void)unlink(s->path);
	(void)rmdir(s->dir);
	free(s->path);
	free(s->address);
	free(s);
	return WIFEXITED(status) ? 0 : -1;
}

static void expect_service(const struct scene *s)
{
	const grpc_CheckRequest request = grpc_CheckRequest_init_zero;
	grpc_HealthCheckResponse response;
	struct agent_client *client;
	struct error err = ERROR_INIT;
	struct loop *loop;
	int fd;

	assert_int_equal(loop_new(&loop), 0);
	if (agent_dial(loop, s->address, AGENT_PORT_RPC, TIMEOUT_MS, &fd, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(agent_client_new(loop, fd, &client), 0);
	if (agent_call(client, AGENT_CHECK, &request, &response, TIMEOUT_MS, &err) < 0)
		fail_msg("%s", err.msg);
	agent_response_release(AGENT_CHECK, &response);
	agent_client_free(client);
	loop_free(loop);
}

static int connect_to(const struct scene *s, const char *line)
{
	int fd = unix_connect(s->path);

	assert_true(fd >= 0);
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
	return fd;
}

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void lines_that_are_no_request_for_a_port_end_their_connection(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT 99999999999\n",
		"CONNECT -1\n",
		"CONNECT 1\n",
		"CONNECT 1024 1024\n",
		"GET / HTTP/1.1\r\n\r\n",
		"CONNECT 1024CONNECT 1024CONNECT 1024CONNECT 1024",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = connect_to(*state, lines[i]);

		expect_service(*state);
		close(fd);
	}
	expect_service(*state);
}

static void random_bytes_end_their_connection(void **state)
{
	uint32_t seed = 1;

	for (int round = 0; round < 100; round++) {
		int fd = connect_to(*state, "CONNECT 1024\n");
		uint8_t bytes[2000];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)draw(&seed);
		(void)!send(fd, bytes, draw(&seed) % sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	expect_service(*state);
}

/* Right but for some of their bytes. */
static void requests_with_wrong_bytes_do_no_harm(void **state)
{
	static const char *const methods[] = { "WaitProcess",	 "SignalProcess", "StatsContainer",
					       "StartContainer", "WriteStdin",	  "ListProcesses" };
	static const char payload[] = "\x0a\x01"
				      "c\x12\x01"
				      "c\x18\x09";
	uint32_t seed = 7;

	for (int round = 0; round < 300; round++) {
		const char *method = methods[draw(&seed) % ARRAY_SIZE(methods)];
		const struct ttrpc_request request = {
			.service = { "grpc.AgentService", 17 },
			.method = { method, strlen(method) },
			.payload = { payload, sizeof(payload) - 1 },
		};
		struct fifo out = FIFO_INIT;
		int fd = connect_to(*state, "CONNECT 1024\n");

		assert_int_equal(ttrpc_request_encode(1, &request, &out), 0);
		for (uint32_t i = draw(&seed) % 4; i; i--)
			out.buf[out.start + draw(&seed) % out.len] = (uint8_t)draw(&seed);
		(void)!send(fd, fifo_head(&out), out.len, MSG_NOSIGNAL);
		fifo_done(&out);
		close(fd);
	}
	expect_service(*state);
}

static void more_connections_than_there_may_be_are_refused_and_go_again(void **state)
{
	int fds[400];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_to(*state, i % 2 ? "CONNECT 1024\n" : "CONNECT 1027\n");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (int i = 0; i < 3; i++)
		expect_service(*state);
}

static void requests_without_a_reader_are_held_back(void **state)
{
	int fd = connect_to(*state, "CONNECT 1024\n");
	uint8_t block[64 * TTRPC_HEADER_SIZE] = { 0 };
	size_t sent = 0;
	ssize_t n;

	for (size_t i = 0; i < 64; i++) /* empty requests, each of which is answered */
		ttrpc_header_pack(&(struct ttrpc_header){ .stream_id = 1, .type = TTRPC_REQUEST },
				  block + i * TTRPC_HEADER_SIZE);
	do {
		n = send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		if (n < 0)
			expect_service(*state);
	} while (n > 0 && sent < (64u << 20));
	assert_true(sent < (64u << 20));
	expect_service(*state);
	close(fd);
	expect_service(*state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_that_are_no_request_for_a_port_end_their_connection),
		TEST(random_bytes_end_their_connection),
		TEST(requests_with_wrong_bytes_do_no_harm),
		TEST(more_connections_than_there_may_be_are_refused_and_go_again),
		TEST(requests_without_a_reader_are_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
