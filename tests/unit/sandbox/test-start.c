/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "agent/client/client.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/sandbox/rendezvous.h"
#include "lib/sandbox/start.h"

/* A gate whose agent is a socket that never answers. */
struct scene {
	struct loop *loop;
	struct agent_client *client;
	struct start_gate *gate;
	int agent, listening;
	char dir[32], *path;
};

static void make_scene(struct scene *s)
{
	struct error err = ERROR_INIT;
	int fds[2];

	strcpy(s->dir, "/tmp/moat-start-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->path = xasprintf("%s/start.sock", s->dir);
	assert_int_equal(loop_new(&s->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(agent_client_new(s->loop, fds[0], &s->client), 0);
	s->agent = fds[1];
	s->listening = unix_listen(s->path, 0600);
	assert_true(s->listening >= 0);
	assert_int_equal(start_gate_open(s->loop, s->client, "c", s->listening, AT_FDCWD, s->path,
					 &s->gate, &err),
			 0);
}

static void drop_scene(struct scene *s)
{
	start_gate_free(s->gate);
	agent_client_free(s->client);
	loop_free(s->loop);
	close(s->agent);
	(void)unlink(s->path);
	assert_int_equal(rmdir(s->dir), 0);
	free(s->path);
}

static void settle(struct scene *s)
{
	const bool never = false;

	(void)loop_run_until(s->loop, &never, 20);
}

/* Until the agent was asked. */
static int ask(struct scene *s)
{
	int fd = unix_connect(s->path);
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(rendezvous_send(fd, RENDEZVOUS_START, NULL), 0);
	settle(s);
	assert_int_equal(recv(s->agent, &byte, 1, MSG_PEEK | MSG_DONTWAIT), 1);
	return fd;
}

static void a_guest_that_ends_while_asked_to_start_leaves_no_caller_without_an_answer(void **state)
{
	struct scene s;
	const struct error why = { -EIO, "its virtual machine ended" };
	struct error err = ERROR_INIT;
	int fd;

	make_scene(&s);
	fd = ask(&s);
	start_gate_fail(s.gate, &why);
	drop_scene(&s); /* while the agent still owes its answer */
	assert_int_equal(rendezvous_wait(fd, RENDEZVOUS_STARTED, 1000, "moat-shim", NULL, &err),
			 -EIO);
	assert_string_equal(err.msg, "its virtual machine ended");
	close(fd);
}

static void a_connection_that_breaks_is_the_callers_error_and_the_gate_stays(void **state)
{
	struct scene s;
	struct error err = ERROR_INIT;
	int fd;

	make_scene(&s);
	fd = ask(&s);
	assert_int_equal(shutdown(s.agent, SHUT_RDWR), 0);
	settle(&s);
	assert_int_equal(rendezvous_wait(fd, RENDEZVOUS_STARTED, 1000, "moat-shim", NULL, &err),
			 -EPIPE);
	assert_int_equal(access(s.path, F_OK), 0);
	drop_scene(&s);
	close(fd);
}

static void half_a_request_is_dismissed(void **state)
{
	struct scene s;
	char byte;
	int fd, whole;

	make_scene(&s);
	fd = unix_connect(s.path);
	assert_int_equal(write(fd, "\2\0\0\0", 4), 4);
	settle(&s);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	whole = ask(&s); /* and the next one is served */
	close(whole);
	close(fd);
	drop_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_guest_that_ends_while_asked_to_start_leaves_no_caller_without_an_answer),
		cmocka_unit_test(a_connection_that_breaks_is_the_callers_error_and_the_gate_stays),
		cmocka_unit_test(half_a_request_is_dismissed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
