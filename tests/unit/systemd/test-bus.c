/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/systemd/bus.h"
#include "lib/systemd/message.h"

/*
 * A manager in a child of the test: a script of what it waits for and what it says then. One that
 * is asked something else, or not at all, ends with a status that the test sees.
 */
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"

struct turn {
	const char *member; /* what it is asked for; NULL: nothing, it goes on talking */
	const char *error;  /* the error's name that it answers, or NULL */
	const char *text;   /* of the error, or the object's path that it answers; NULL: nothing */
	const char *job;    /* a signal that this job has ended … */
	const char *result; /* … and how */
};

static void expect_greeting(int fd)
{
	static const char wanted[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
	char got[sizeof(wanted) - 1];

	if (read_exact(fd, got, sizeof(got)) < 0 || memcmp(got, wanted, sizeof(got)) != 0)
		_exit(10);
}

static uint32_t expect_call(int fd, const char *member)
{
	char head[16], *raw;
	struct message m;
	ssize_t size;

	if (read_exact(fd, head, sizeof(head)) < 0)
		_exit(11);
	size = message_size(head, sizeof(head));
	if (size <= 0)
		_exit(12);
	raw = xmalloc((size_t)size);
	memcpy(raw, head, sizeof(head));
	if (read_exact(fd, raw + sizeof(head), (size_t)size - sizeof(head)) < 0 ||
	    message_parse(raw, (size_t)size, &m) < 0 || !streq_null(m.member, member))
		_exit(13);
	return m.serial;
}

static void say(int fd, struct message *m, const struct strbuf *body)
{
	static uint32_t serial;
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	m->serial = ++serial;
	m->body = body->buf;
	m->body_len = body->len;
	message_write(m, &out);
	/* In two pieces, as a socket may hand them over. */
	if (write_all(fd, out.buf, 20) < 0 || write_all(fd, out.buf + 20, out.len - 20) < 0)
		_exit(14);
}

static void play_turn(int fd, const struct turn *turn, uint32_t *asked)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	struct message m = { .type = turn->error ? MESSAGE_ERROR : MESSAGE_RETURN };

	if (turn->member)
		*asked = expect_call(fd, turn->member);
	if (turn->job) {
		m = (struct message){ .type = MESSAGE_SIGNAL,
				      .path = "/org/freedesktop/systemd1",
				      .interface = MANAGER_INTERFACE,
				      .member = "JobRemoved",
				      .signature = "uoss" };
		message_put_u32(&body, 1);
		message_put_string(&body, turn->job);
		message_put_string(&body, "a.scope");
		message_put_string(&body, turn->result);
		say(fd, &m, &body);
		return;
	}
	m.reply_serial = *asked;
	m.error = turn->error;
	if (turn->text) {
		m.signature = turn->error ? "s" : "o";
		message_put_string(&body, turn->text);
	}
	say(fd, &m, &body);
}

static pid_t start_manager(const char *greeting, const struct turn *turns, size_t count,
			   int *ret_fd)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint32_t asked = 0;

		close(pair[1]);
		expect_greeting(pair[0]);
		if (write_all(pair[0], greeting, strlen(greeting)) < 0)
			_exit(15);
		for (size_t i = 0; i < count; i++)
			play_turn(pair[0], &turns[i], &asked);
		_exit(0);
	}
	close(pair[0]);
	*ret_fd = pair[1];
	return pid;
}

static void expect_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define GREETING "DATA\r\nOK 1234\r\n"

static int stop(struct bus *bus, char **ret_name, struct error *err)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;

	message_put_string(&body, "a.scope");
	message_put_string(&body, "replace");
	return bus_call_job(bus, "StopUnit", "ss", &body, ret_name, err);
}

/* Plays @turns against StopUnit. */
static int play(const struct turn *turns, size_t count, char **ret_name, struct error *err)
{
	struct bus *bus;
	int fd, r;
	pid_t pid = start_manager(GREETING, turns, count, &fd);

	assert_int_equal(bus_connect_fd(fd, false, &bus, err), 0);
	r = stop(bus, ret_name, err);
	bus_close(bus);
	expect_end(pid);
	return r;
}

static void test_a_call_waits_for_its_own_job(void **state)
{
	static const struct turn turns[] = {
		{ .member = "StopUnit", .text = "/job/7" },
		{ .job = "/job/6", .result = "failed" },
		{ .job = "/job/7", .result = "done" },
	};
	struct error err = ERROR_INIT;

	if (play(turns, ARRAY_SIZE(turns), NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_a_job_may_end_before_it_is_named(void **state)
{
	static const struct turn turns[] = {
		{ .member = "StopUnit", .job = "/job/7", .result = "done" },
		{ .text = "/job/7" },
	};
	struct error err = ERROR_INIT;

	if (play(turns, ARRAY_SIZE(turns), NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_a_job_that_failed_is_an_error(void **state)
{
	static const struct turn turns[] = {
		{ .member = "StopUnit", .text = "/job/7" },
		{ .job = "/job/7", .result = "timeout" },
	};
	struct error err = ERROR_INIT;

	assert_int_equal(play(turns, ARRAY_SIZE(turns), NULL, &err), -EREMOTEIO);
	assert_non_null(strstr(err.msg, "its job ended as 'timeout'"));
}

static void test_an_error_has_its_name_and_its_text(void **state)
{
	static const struct turn turns[] = {
		{ .member = "StopUnit", .error = "a.b.NoSuchUnit", .text = "not\nloaded" },
	};
	struct error err = ERROR_INIT;
	cleanup_free char *name = NULL;

	assert_int_equal(play(turns, ARRAY_SIZE(turns), &name, &err), -EREMOTEIO);
	assert_string_equal(name, "a.b.NoSuchUnit");
	assert_string_equal(err.msg, "systemd: not loaded");
}

static void test_a_manager_that_ends_is_told(void **state)
{
	static const struct turn turns[] = { { .member = "StopUnit", .text = "/job/7" } };
	struct error err = ERROR_INIT;

	assert_int_equal(play(turns, ARRAY_SIZE(turns), NULL, &err), -ECONNRESET);
	assert_non_null(strstr(err.msg, "systemd: wait for its job"));
}

static void test_on_a_bus_one_introduces_oneself_and_asks_for_jobs(void **state)
{
	static const struct turn turns[] = {
		{ .member = "Hello" },
		{ .member = "AddMatch" },
		{ .member = "Subscribe" },
	};
	struct error err = ERROR_INIT;
	struct bus *bus;
	int fd;
	pid_t pid = start_manager(GREETING, turns, ARRAY_SIZE(turns), &fd);

	if (bus_connect_fd(fd, true, &bus, &err) < 0)
		fail_msg("%s", err.msg);
	bus_close(bus);
	expect_end(pid);
}

static void test_who_is_not_let_in_is_told(void **state)
{
	struct error err = ERROR_INIT;
	struct bus *bus;
	int fd;
	pid_t pid = start_manager("REJECTED EXTERNAL\r\n", NULL, 0, &fd);

	assert_int_equal(bus_connect_fd(fd, false, &bus, &err), -EACCES);
	assert_non_null(strstr(err.msg, "the connection was refused: REJECTED EXTERNAL"));
	expect_end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_waits_for_its_own_job),
		cmocka_unit_test(test_a_job_may_end_before_it_is_named),
		cmocka_unit_test(test_a_job_that_failed_is_an_error),
		cmocka_unit_test(test_an_error_has_its_name_and_its_text),
		cmocka_unit_test(test_a_manager_that_ends_is_told),
		cmocka_unit_test(test_on_a_bus_one_introduces_oneself_and_asks_for_jobs),
		cmocka_unit_test(test_who_is_not_let_in_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
