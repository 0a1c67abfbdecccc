/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/qemu/answers.h"
#include "hypervisor/qemu/qmp.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}\r\n"
#define TIMEOUT_MS 5000

/* A client and a peer that the same loop runs: it says the first text at once and the next one for
 * each command it hears. */
struct pair {
	struct loop *loop;
	struct qmp *qmp;
	int peer;
	struct loop_source *source;
	const char *const *answers; /* ends in NULL */
	struct strbuf heard;
	char events[200];
	struct qmp_version version;
	int ends;
	struct error end;
};

static void on_event(void *ctx, const char *event, const char *reason, const char *device)
{
	struct pair *p = ctx;
	const char *const parts[] = { event, reason, device };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i])
			strncat(p->events, parts[i], sizeof(p->events) - strlen(p->events) - 1);
}

static void on_greeting(void *ctx, const struct qmp_version *version)
{
	((struct pair *)ctx)->version = *version;
}

static void on_end(void *ctx, const struct error *err)
{
	struct pair *p = ctx;

	p->ends++;
	p->end = *err;
}

static void on_command(void *ctx, int fd, uint32_t events)
{
	struct pair *p = ctx;
	char buf[1000];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n <= 0)
		return;
	strbuf_add(&p->heard, buf, (size_t)n);
	if (!*p->answers)
		return;
	assert_int_equal(write_all(fd, *p->answers, strlen(*p->answers)), 0);
	p->answers++;
}

static void set_up_answers(struct pair *p, const char *greeting, const char *const *answers)
{
	const struct qmp_handlers handlers = {
		.on_greeting = on_greeting,
		.on_event = on_event,
		.on_end = on_end,
		.ctx = p,
	};
	int ends[2];

	*p = (struct pair){ .answers = answers };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(loop_new(&p->loop), 0);
	assert_int_equal(qmp_new(p->loop, ends[0], &handlers, &p->qmp), 0);
	p->peer = ends[1];
	assert_int_equal(write_all(p->peer, greeting, strlen(greeting)), 0);
	assert_int_equal(loop_add_fd(p->loop, p->peer, EPOLLIN, on_command, p, &p->source), 0);
}

static int stop(struct pair *p, int timeout_ms, struct error *err)
{
	return qmp_execute(p->qmp, "stop", NULL, NULL, NULL, timeout_ms, err);
}

static int query_status(struct pair *p, char **ret, struct error *err)
{
	struct qmp_status answer = { 0 };
	int r = qmp_execute(p->qmp, "query-status", NULL, &qmp_status_answer, &answer, TIMEOUT_MS,
			    err);

	if (r == 0)
		*ret = steal_ptr(&answer.value.status);
	fields_release(&qmp_status_answer, &answer);
	return r;
}

static void set_up(struct pair *p, const char *answer)
{
	static const char *answers[2];

	answers[0] = *answer ? answer : NULL;
	set_up_answers(p, "", answers);
}

static void hang_up(struct pair *p)
{
	loop_remove(steal_ptr(&p->source));
	close_fdp(&p->peer);
}

static void tear_down(struct pair *p)
{
	qmp_free(p->qmp);
	hang_up(p);
	loop_free(p->loop);
	strbuf_done(&p->heard);
}

static void a_session_negotiates_and_asks(void **state)
{
	static const char *const answers[] = {
		"{\"return\": {}, \"id\": 1}\r\n",
		"{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 1}}\r\n"
		"{\"return\": {\"status\": \"running\", \"running\": true}, \"id\": 2}\r\n",
		NULL,
	};
	cleanup_free char *status = NULL;
	struct error err = ERROR_INIT;
	struct pair p;

	set_up_answers(&p, GREETING, answers);
	if (qmp_handshake(p.qmp, TIMEOUT_MS, &err) < 0)
		fail_msg("%s", err.msg);
	if (query_status(&p, &status, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(status, "running");
	assert_int_equal(p.version.major, 7);
	assert_string_equal(p.events, "RESUME");
	assert_string_equal(p.heard.buf, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
					 "{\"execute\":\"query-status\",\"id\":2}\n");
	tear_down(&p);
}

static void the_peers_error_is_told_without_control_bytes(void **state)
{
	struct error err = ERROR_INIT;
	struct pair p;

	set_up(&p,
	       "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\\u001b[2Jway\"}, \"id\": 1}\n");
	assert_int_equal(stop(&p, TIMEOUT_MS, &err), -EIO);
	assert_string_equal(err.msg, "qmp stop: no?[2Jway");
	tear_down(&p);
}

static void an_answer_to_an_earlier_call_is_passed_over(void **state)
{
	struct error err = ERROR_INIT;
	struct pair p;

	set_up(&p, "");
	assert_int_equal(stop(&p, 10, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "qmp stop: Connection timed out");
	p.answers = (const char *const[]){ "{\"error\": {\"desc\": \"late\"}, \"id\": 1}\n"
					   "{\"return\": {}, \"id\": 2}\n",
					   NULL };
	assert_int_equal(stop(&p, TIMEOUT_MS, &err), 0);
	tear_down(&p);
}

static void garbage_ends_the_connection(void **state)
{
	static const char *const garbage[] = {
		"hello\n",
		"[]\n",
		"{\"id\": 1\n",
		"{}\n",
		"{\"return\": {}}\n",
		"{\"return\": {}, \"id\": -1}\n",
		"{\"error\": 7, \"id\": 1}\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		struct error err = ERROR_INIT;
		struct pair p;

		set_up(&p, garbage[i]);
		assert_int_equal(stop(&p, TIMEOUT_MS, &err), -EPROTO);
		assert_int_equal(stop(&p, TIMEOUT_MS, &err), -EPIPE);
		tear_down(&p);
	}
}

static void a_line_without_end_is_bounded(void **state)
{
	cleanup_free char *junk = xmalloc(2 * QMP_LINE_MAX);
	struct error err = ERROR_INIT;
	size_t sent = 0;
	struct pair p;

	memset(junk, ' ', 2 * QMP_LINE_MAX);
	set_up(&p, "");
	/* More than a socket's buffer holds: feed it between attempts. */
	while (stop(&p, 0, &err) == -ETIMEDOUT) {
		ssize_t n = send(p.peer, junk, QMP_LINE_MAX, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		assert_true(sent < 3 * QMP_LINE_MAX);
		loop_run_until(p.loop, &(bool){ false }, 1);
	}
	assert_int_equal(stop(&p, TIMEOUT_MS, &err), -EPIPE);
	tear_down(&p);
}

static void a_closed_connection_is_told(void **state)
{
	struct error err = ERROR_INIT;
	struct pair p;

	set_up(&p, "");
	hang_up(&p);
	assert_int_equal(qmp_handshake(p.qmp, TIMEOUT_MS, &err), -EPIPE);
	assert_string_equal(err.msg, "qmp greeting: qemu closed the connection");
	assert_int_equal(stop(&p, TIMEOUT_MS, &err), -EPIPE);
	tear_down(&p);
}

static void an_answer_of_the_wrong_shape_is_an_error(void **state)
{
	static const char *const answers[] = {
		"{\"return\": [1], \"id\": 1}\n",
		"{\"return\": {\"status\": 3}, \"id\": 2}\n",
		NULL,
	};
	cleanup_free char *status = NULL;
	struct error err = ERROR_INIT;
	struct pair p;

	set_up_answers(&p, "", answers);
	assert_int_equal(query_status(&p, &status, &err), -EINVAL);
	assert_int_equal(query_status(&p, &status, &err), -EINVAL);
	tear_down(&p);
}

static void a_greeting_that_came_early_counts(void **state)
{
	static const char *const answers[] = { "{\"return\": {}, \"id\": 1}\n", NULL };
	struct error err = ERROR_INIT;
	struct pair p;

	set_up_answers(&p, GREETING, answers);
	assert_int_equal(loop_run_until(p.loop, &(bool){ false }, 20), -ETIMEDOUT);
	assert_int_equal(qmp_handshake(p.qmp, TIMEOUT_MS, &err), 0);
	tear_down(&p);
}

static void who_only_listens_hears_reasons_and_the_end(void **state)
{
	static const char *const answers[] = {
		"{\"return\": {}, \"id\": 1}\n"
		"{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n"
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"d\", \"path\": \"/p\"}}\n",
		NULL,
	};
	struct error err = ERROR_INIT;
	struct pair p;

	set_up_answers(&p, GREETING, answers);
	assert_false(qmp_is_greeted(p.qmp));
	assert_int_equal(qmp_listen(p.qmp, &err), 0);
	assert_int_equal(loop_run_until(p.loop, &(bool){ false }, 50), -ETIMEDOUT);
	assert_true(qmp_is_greeted(p.qmp));
	assert_string_equal(p.events, "SHUTDOWNguest-resetDEVICE_DELETEDd");
	assert_int_equal(p.ends, 0);
	hang_up(&p);
	assert_int_equal(loop_run_until(p.loop, &(bool){ false }, 50), -ETIMEDOUT);
	assert_int_equal(p.ends, 1);
	assert_string_equal(p.end.msg, "qemu closed the connection");
	tear_down(&p);
}

static void a_descriptor_travels_with_its_command(void **state)
{
	cleanup_fd int passed = fcntl(0, F_DUPFD_CLOEXEC, 3);
	struct error err = ERROR_INIT;
	struct pair p;
	char buf[200];
	int fds[2];
	size_t count = 2;

	set_up(&p, "");
	loop_remove(steal_ptr(&p.source));
	assert_int_equal(qmp_execute_with_fd(p.qmp, "add-fd", NULL, passed, NULL, NULL, 0, &err),
			 -ETIMEDOUT);
	assert_true(recv_fds(p.peer, buf, sizeof(buf), fds, &count) > 0);
	assert_int_equal(count, 1);
	close_fdp(&fds[0]);
	tear_down(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_negotiates_and_asks),
		cmocka_unit_test(the_peers_error_is_told_without_control_bytes),
		cmocka_unit_test(an_answer_to_an_earlier_call_is_passed_over),
		cmocka_unit_test(garbage_ends_the_connection),
		cmocka_unit_test(a_line_without_end_is_bounded),
		cmocka_unit_test(a_closed_connection_is_told),
		cmocka_unit_test(an_answer_of_the_wrong_shape_is_an_error),
		cmocka_unit_test(a_greeting_that_came_early_counts),
		cmocka_unit_test(who_only_listens_hears_reasons_and_the_end),
		cmocka_unit_test(a_descriptor_travels_with_its_command),
	};

	return cmocka_run_group_tests_name("hypervisor-qmp", tests, NULL, NULL);
}
