/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "tests/unit/agent/scene.h"

static void a_container_runs_and_is_read_by_calls(void **state)
{
	struct scene *s = *state;
	const grpc_WriteStreamRequest write = {
		.container_id = (char *)"c",
		.data = { (const uint8_t *)"some input\n", 11 },
	};
	const grpc_CloseStdinRequest close_in = { .container_id = (char *)"c" };
	cleanup_free char *out = NULL;
	cleanup_free char *err = NULL;
	grpc_WriteStreamResponse written;
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(create(s, false, "hostname; cat; echo apart >&2; exit 42", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_WRITE_STDIN, &write, &written), 0);
	assert_int_equal(written.len, 11);
	assert_int_equal(call(s, AGENT_CLOSE_STDIN, &close_in, &empty), 0);
	out = read_all(s, AGENT_READ_STDOUT, "");
	err = read_all(s, AGENT_READ_STDERR, "");
	assert_string_equal(out, "guest\nsome input\n");
	assert_string_equal(err, "apart\n");
	assert_int_equal(wait_status(s, ""), 42);
	assert_int_equal(wait_status(s, ""), 42); /* asked again, the same */
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(start(s), -EINVAL);
}

static void nothing_runs_before_it_is_started(void **state)
{
	struct scene *s = *state;
	cleanup_free char *mark = xasprintf("%s/rootfs/mark", s->dir);

	need_containers(s);
	assert_int_equal(create(s, false, "echo > /mark", NULL), 0);
	assert_int_equal(create(s, false, "true", NULL), -EEXIST);
	assert_int_equal(access(mark, F_OK), -1);
	assert_int_equal(start(s), 0);
	assert_int_equal(start(s), -EBUSY);
	assert_int_equal(wait_status(s, ""), 0);
	assert_int_equal(access(mark, F_OK), 0);
	assert_int_equal(remove_container(s), 0);
}

static void a_created_container_can_be_removed(void **state)
{
	struct scene *s = *state;

	need_containers(s);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(remove_container(s), 0);
}

/* Bytes of a pattern into one descriptor and out of another. */
struct bulk {
	struct loop_source *in_source, *out_source;
	int in, out;
	size_t size, sent, received;
	bool is_done;
};

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 131 + (at >> 9));
}

static void on_in(void *ctx, int fd, uint32_t events)
{
	struct bulk *b = ctx;
	uint8_t buf[32768];
	size_t want = b->size - b->sent < sizeof(buf) ? b->size - b->sent : sizeof(buf);
	ssize_t n;

	for (size_t i = 0; i < want; i++)
		buf[i] = pattern(b->sent + i);
	n = send(fd, buf, want, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		b->sent += (size_t)n;
	if (b->sent < b->size)
		return;
	(void)shutdown(fd, SHUT_WR);
	loop_remove(steal_ptr(&b->in_source));
}

static void on_out(void *ctx, int fd, uint32_t events)
{
	struct bulk *b = ctx;
	uint8_t buf[32768];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != pattern(b->received + (size_t)i))
			fail_msg("byte %zu differs", b->received + (size_t)i);
	if (n > 0)
		b->received += (size_t)n;
	if (n == 0) {
		b->is_done = true;
		loop_remove(steal_ptr(&b->out_source));
	}
}

static void fifty_mib_go_through_stdin_and_out_of_stdout_unchanged(void **state)
{
	struct scene *s = *state;
	struct bulk b = { .size = 50u << 20 };
	struct ports ports;
	char text[64] = "";
	int err_fd;

	need_containers(s);
	b.in = open_stdio(s, &ports.in);
	b.out = open_stdio(s, &ports.out);
	err_fd = open_stdio(s, &ports.err);
	assert_int_equal(create(s, false, "cat; echo apart >&2; exit 3", &ports), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(loop_add_fd(s->loop, b.in, EPOLLOUT, on_in, &b, &b.in_source), 0);
	assert_int_equal(loop_add_fd(s->loop, b.out, EPOLLIN, on_out, &b, &b.out_source), 0);
	assert_int_equal(loop_run_until(s->loop, &b.is_done, 60000), 0);
	assert_int_equal(b.sent, b.size);
	assert_int_equal(b.received, b.size);
	assert_int_equal(wait_status(s, ""), 3);
	assert_int_equal(recv(err_fd, text, sizeof(text), 0), 6);
	assert_string_equal(text, "apart\n");
	assert_int_equal(recv(err_fd, text, sizeof(text), 0), 0);
	close(b.in);
	close(b.out);
	close(err_fd);
	assert_int_equal(remove_container(s), 0);
}

static size_t resident_kib(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", (int)pid);
	cleanup_free char *text = NULL;
	const char *line;

	assert_int_equal(read_file_at(AT_FDCWD, path, 65536, &text, NULL), 0);
	line = strstr(text, "VmRSS:");
	return line ? (size_t)strtoul(line + 6, NULL, 10) : 0;
}

static void a_host_that_does_not_read_fills_no_memory(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	size_t before;
	bool never = false;
	int out;

	need_containers(s);
	out = open_stdio(s, &ports.out);
	assert_int_equal(create(s, false, "yes", &ports), 0);
	before = resident_kib(s->agent);
	assert_int_equal(start(s), 0);
	(void)loop_run_until(s->loop, &never, 300);
	assert_true(resident_kib(s->agent) < before + 4096);
	assert_int_equal(send_signal(s, "", SIGKILL), 0);
	/* The output that nobody takes does not keep the container from being removed. */
	assert_int_equal(remove_container(s), 0);
	close(out);
}

static void a_writer_notices_that_its_reader_is_gone(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	int out;

	need_containers(s);
	out = open_stdio(s, &ports.out);
	assert_int_equal(create(s, false, "exec yes", &ports), 0);
	assert_int_equal(start(s), 0);
	close(out);
	/* The first process of a pid namespace survives SIGPIPE, but not the failing write. */
	assert_true(wait_status(s, "") >= 0);
	assert_int_equal(remove_container(s), 0);
}

static void an_exec_has_its_own_streams_and_status(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	char text[64] = "";
	int out;

	need_containers(s);
	assert_int_equal(create(s, false, "sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	out = open_stdio(s, &ports.out);
	assert_int_equal(run_exec(s, "e", "hostname; exit 5", &ports), 0);
	assert_int_equal(recv(out, text, sizeof(text), MSG_WAITALL), 6);
	assert_string_equal(text, "guest\n");
	assert_int_equal(wait_status(s, "e"), 5);
	assert_int_equal(wait_status(s, "e"), -ENOENT); /* told, and forgotten */
	close(out);
	assert_int_equal(run_exec(s, "k", "kill -9 $$", &(struct ports){ 0 }), 0);
	assert_int_equal(wait_status(s, "k"), 137);
	assert_int_equal(run_exec(s, "", "true", NULL), -EINVAL);
	assert_int_equal(remove_container(s), 0);
}

static void a_child_that_keeps_the_output_does_not_hold_up_the_end(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	char text[64];
	long long before;
	int out;

	need_containers(s);
	assert_int_equal(create(s, false, "sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	out = open_stdio(s, &ports.out);
	assert_int_equal(run_exec(s, "e", "sleep 50 & echo done", &ports), 0);
	before = now_ms();
	assert_int_equal(wait_status(s, "e"), 0);
	assert_true(now_ms() - before < 5000);
	assert_int_equal(recv(out, text, sizeof(text), MSG_WAITALL), 5);
	close(out);
	assert_int_equal(remove_container(s), 0);
}

static void signals_end_an_init_as_one_expects(void **state)
{
	static const struct {
		const char *script;
		uint32_t sig;
		int status;
	} cases[] = {
		{ "exec sleep 100", SIGKILL, 137 },
		{ "exec sleep 100", SIGTERM, 137 }, /* deaf to it, so it is killed */
		{ "trap 'exit 9' TERM; echo; sleep 100 & wait", SIGTERM, 9 },
	};
	struct scene *s = *state;

	need_containers(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const grpc_ReadStreamRequest read = { (char *)"c", (char *)"", 1 };
		grpc_ReadStreamResponse resp;

		assert_int_equal(create(s, false, cases[i].script, NULL), 0);
		assert_int_equal(start(s), 0);
		if (i == 2) { /* the trap is set */
			assert_int_equal(call(s, AGENT_READ_STDOUT, &read, &resp), 0);
			agent_response_release(AGENT_READ_STDOUT, &resp);
		}
		assert_int_equal(send_signal(s, "", cases[i].sig), 0);
		assert_int_equal(wait_status(s, ""), cases[i].status);
		assert_int_equal(send_signal(s, "", cases[i].sig), 0); /* too late is no error */
		assert_int_equal(send_signal(s, "", 999), -EINVAL);
		assert_int_equal(remove_container(s), 0);
	}
}

struct waiting {
	size_t count;
	int32_t statuses[3];
	bool is_done;
};

static void on_status(void *ctx, const void *response, const struct error *err)
{
	struct waiting *w = ctx;
	const grpc_WaitProcessResponse *resp = response;

	w->statuses[w->count++] = resp ? resp->status : -1;
	w->is_done = w->count == ARRAY_SIZE(w->statuses);
}

static void everybody_who_waits_gets_the_same_status(void **state)
{
	struct scene *s = *state;
	const grpc_WaitProcessRequest req = { (char *)"c", (char *)"" };
	struct waiting w = { 0 };

	need_containers(s);
	assert_int_equal(create(s, false, "exit 6", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(w.statuses); i++)
		assert_int_equal(agent_call_async(s->client, AGENT_WAIT_PROCESS, &req, -1,
						  on_status, &w, NULL),
				 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(loop_run_until(s->loop, &w.is_done, TIMEOUT_MS), 0);
	for (size_t i = 0; i < ARRAY_SIZE(w.statuses); i++)
		assert_int_equal(w.statuses[i], 6);
	assert_int_equal(remove_container(s), 0);
}

static void a_terminal_has_two_streams_and_a_size(void **state)
{
	struct scene *s = *state;
	const grpc_TtyWinResizeRequest resize = { (char *)"c", (char *)"", 33, 111 };
	struct ports ports = { 0 };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	grpc_Empty empty;
	char buf[256];
	ssize_t n;
	int in, out;

	need_containers(s);
	in = open_stdio(s, &ports.in);
	out = open_stdio(s, &ports.out);
	assert_int_equal(create(s, true, "read line; stty size; echo got $line; exit 4", &ports),
			 0);
	assert_int_equal(call(s, AGENT_TTY_WIN_RESIZE, &resize, &empty), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(write_all(in, "typed\n", 6), 0);
	assert_int_equal(wait_status(s, ""), 4);
	while ((n = recv(out, buf, sizeof(buf), 0)) > 0)
		strbuf_add(&text, buf, (size_t)n);
	assert_non_null(strstr(text.buf, "33 111"));
	assert_non_null(strstr(text.buf, "got typed"));
	close(in);
	close(out);
	assert_int_equal(remove_container(s), 0);
}

static void mistakes_are_answered_as_katas_agent_does(void **state)
{
	struct scene *s = *state;
	const grpc_CreateContainerRequest without_config = { .container_id = (char *)"c" };
	const grpc_CreateContainerRequest bad_id = { .container_id = (char *)"../c" };
	const grpc_TtyWinResizeRequest resize = { (char *)"c", (char *)"", 1, 1 };
	const struct ports unknown = { .out = 4000 };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(start(s), -EINVAL);
	assert_int_equal(wait_status(s, ""), -EINVAL);
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &without_config, &empty), -EINVAL);
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &bad_id, &empty), -EINVAL);
	assert_int_equal(create(s, false, "true", &unknown), -EINVAL);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(wait_status(s, "nobody"), -ENOENT);
	assert_int_equal(call(s, AGENT_TTY_WIN_RESIZE, &resize, &empty), -ENOTTY);
	assert_int_equal(remove_container(s), 0);
}

static void a_garbled_connection_disturbs_nobody(void **state)
{
	struct scene *s = *state;
	const grpc_CheckRequest check = { 0 };
	grpc_HealthCheckResponse resp;
	struct error err = ERROR_INIT;
	uint8_t garbage[4096];
	int fd;

	need_containers(s);
	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (uint8_t)(i * 197);
	assert_int_equal(
		agent_dial(s->loop, s->address, AGENT_PORT_RPC, TIMEOUT_MS, &fd, NULL, &err), 0);
	garbage[0] = 0;
	assert_int_equal(write_all(fd, garbage, sizeof(garbage)), 0);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
	close(fd);
	fd = unix_connect(s->address + strlen("hvsock://"));
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, "CONNECT 22\n", 11), 0);
	assert_int_equal(recv(fd, garbage, 1, 0), 0);
	close(fd);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
}

static void destroying_the_sandbox_ends_containers_and_agent(void **state)
{
	struct scene *s = *state;
	const grpc_CreateSandboxRequest sandbox = { .sandbox_id = (char *)"s" };
	const grpc_DestroySandboxRequest destroy = { 0 };
	grpc_Empty empty;
	int status;

	need_containers(s);
	assert_int_equal(call(s, AGENT_CREATE_SANDBOX, &sandbox, &empty), 0);
	assert_int_equal(call(s, AGENT_CREATE_SANDBOX, &sandbox, &empty), -EEXIST);
	assert_int_equal(create(s, false, "sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_DESTROY_SANDBOX, &destroy, &empty), 0);
	agent_client_free(steal_ptr(&s->client));
	assert_int_equal(waitpid(s->agent, &status, 0), s->agent);
	assert_int_equal(status, 0);
	s->agent = 0;
}

/* A server on the loopback of the machine that the agent is in; *ret_port in network order. */
static int listen_loopback(uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = address.sin_port;
	return fd;
}

static void a_connection_goes_to_a_port_of_the_loopback(void **state)
{
	struct scene *s = *state;
	uint16_t port;
	uint32_t number;
	char buf[8];
	int listener = listen_loopback(&port), fd = open_port(s, AGENT_PORT_FORWARD, &number), conn;

	assert_int_equal(write_all(fd, &port, sizeof(port)), 0);
	assert_int_equal(write_all(fd, "there", 5), 0);
	conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(conn >= 0);
	assert_int_equal(recv(conn, buf, sizeof(buf), 0), 5);
	/* The end of one direction leaves the other. */
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(recv(conn, buf, sizeof(buf), 0), 0);
	assert_int_equal(write_all(conn, "back", 4), 0);
	close(conn);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_WAITALL), 4);
	close(fd);
	close(listener);
	/* Nobody listens any more. */
	fd = open_port(s, AGENT_PORT_FORWARD, &number);
	assert_int_equal(write_all(fd, &port, sizeof(port)), 0);
	assert_true(recv(fd, buf, sizeof(buf), 0) <= 0);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_container_runs_and_is_read_by_calls),
		TEST(nothing_runs_before_it_is_started),
		TEST(a_created_container_can_be_removed),
		TEST(fifty_mib_go_through_stdin_and_out_of_stdout_unchanged),
		TEST(a_host_that_does_not_read_fills_no_memory),
		TEST(a_writer_notices_that_its_reader_is_gone),
		TEST(an_exec_has_its_own_streams_and_status),
		TEST(a_child_that_keeps_the_output_does_not_hold_up_the_end),
		TEST(signals_end_an_init_as_one_expects),
		TEST(everybody_who_waits_gets_the_same_status),
		TEST(a_terminal_has_two_streams_and_a_size),
		TEST(mistakes_are_answered_as_katas_agent_does),
		TEST(a_garbled_connection_disturbs_nobody),
		TEST(a_connection_goes_to_a_port_of_the_loopback),
		TEST(destroying_the_sandbox_ends_containers_and_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
