/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/syscall.h>

#include "fake-rest.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"
#include "lib/base/fields.h"

/* The client against VMMs that answer, and against such as do not do so well. */

struct thing {
	char *name;
	uint32_t size;
};
static const struct field thing_table[] = {
	FIELD(struct thing, "name", STRING, name),
	FIELD(struct thing, "size", U32, size),
};
static const struct fields thing_object = FIELDS(struct thing, thing_table);

#define PATIENCE_MS 10000

static int get(const struct fake_vmm *f, struct thing *ret, int timeout_ms, struct error *err)
{
	const struct rest_request request = {
		.method = "GET",
		.path = "/thing",
		.timeout_ms = timeout_ms,
		.alive_fd = -1,
	};

	return rest_call(f->control, &request, &thing_object, ret, err);
}

static void expect_failure(const char *answer, int timeout_ms, int code, const char *text)
{
	const struct fake_rule rules[] = { { "GET", answer }, { NULL } };
	struct error err = ERROR_INIT;
	struct thing thing = { 0 };
	struct fake_vmm f;

	fake_rest_start(&f, rules);
	assert_int_equal(get(&f, &thing, timeout_ms, &err), code);
	if (!str_after(err.msg, text))
		fail_msg("not: %s\nbut: %s", text, err.msg);
	fields_release(&thing_object, &thing);
	fake_vmm_stop(&f);
}

static void an_answer_is_parsed_and_a_request_is_what_was_asked(void **state)
{
	cleanup_free char *answer =
		fake_body(200, "{\"name\": \"web\", \"size\": 7, \"other\": []}");
	const struct fake_rule rules[] = { { "GET", answer }, { NULL } };
	const struct rest_request request = {
		.method = "PUT",
		.path = "/thing",
		.body = "{\"size\":8}",
		.timeout_ms = PATIENCE_MS,
		.alive_fd = -1,
	};
	cleanup_free char *heard = NULL;
	struct error err = ERROR_INIT;
	struct thing thing = { 0 };
	struct fake_vmm f;

	fake_rest_start(&f, rules);
	if (get(&f, &thing, PATIENCE_MS, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(thing.name, "web");
	assert_int_equal(thing.size, 7);
	assert_int_equal(rest_call(f.control, &request, NULL, NULL, &err), 0);
	heard = fake_vmm_heard(&f);
	assert_string_equal(heard, "GET /thing\nPUT /thing {\"size\":8}\n");
	fields_release(&thing_object, &thing);
	fake_vmm_stop(&f);
}

static void a_refusal_is_told_in_the_vmms_words(void **state)
{
	cleanup_free char *list = fake_body(500, "[\"Error from API\", \"not \\u001bbooted\"]");
	cleanup_free char *object = fake_body(400, "{\"fault_message\": \"no such drive\"}");
	cleanup_free char *text = fake_body(404, "Not\001Found");
	cleanup_free char *nothing = fake_body(405, "");

	expect_failure(list, PATIENCE_MS, -EIO, "GET /thing: Error from API: not ?booted");
	expect_failure(object, PATIENCE_MS, -EIO, "GET /thing: no such drive");
	expect_failure(text, PATIENCE_MS, -EIO, "GET /thing: Not?Found");
	expect_failure(nothing, PATIENCE_MS, -EIO, "GET /thing: no reason given");
}

static void what_is_no_answer_is_an_error(void **state)
{
	cleanup_free char *broken = fake_body(200, "{\"name\": 7}");
	cleanup_free char *chunked = xstrdup("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n");
	cleanup_free char *huge =
		xasprintf("HTTP/1.1 200 \r\nContent-Length: %u\r\n\r\n", REST_BODY_MAX + 1);

	expect_failure("hello\r\n\r\n", PATIENCE_MS, -EPROTO, "GET /thing: not an answer of HTTP");
	expect_failure(chunked, PATIENCE_MS, -EPROTO, "GET /thing: not an answer of HTTP");
	expect_failure(FAKE_FLOOD, PATIENCE_MS, -EPROTO, "GET /thing: not an answer of HTTP");
	expect_failure(huge, PATIENCE_MS, -EPROTO,
		       "GET /thing: an answer of more than 1048576 bytes");
	expect_failure(broken, PATIENCE_MS, -EINVAL, "GET /thing: answer:1: name: not a string: 7");
}

static void one_that_stops_in_the_middle_is_not_waited_for_longer_than_said(void **state)
{
	expect_failure(FAKE_CLOSE, PATIENCE_MS, -EPIPE,
		       "GET /thing: the VMM closed the connection");
	expect_failure(FAKE_DEATH, PATIENCE_MS, -EPIPE,
		       "GET /thing: the VMM closed the connection");
	expect_failure("HTTP/1.1 2", PATIENCE_MS, -EPIPE,
		       "GET /thing: the VMM closed the connection");
	expect_failure("HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\n{", PATIENCE_MS, -EPIPE,
		       "GET /thing: the VMM closed the connection");
	expect_failure(FAKE_SILENCE, 50, -ETIMEDOUT, "GET /thing: no answer in 50 ms");
}

/* Whoever listens for it holds the connection open. */
static void the_end_of_the_process_ends_the_wait(void **state)
{
	cleanup_free char *path = NULL;
	char dir[] = "/tmp/moat-test-XXXXXX";
	struct rest_request request = { .method = "GET", .path = "/", .timeout_ms = PATIENCE_MS };
	struct error err = ERROR_INIT;
	int listening;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/rest.sock", dir);
	listening = unix_listen(path, 0600);
	assert_true(listening >= 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	request.alive_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(request.alive_fd >= 0);
	assert_int_equal(rest_call(path, &request, NULL, NULL, &err), -EPIPE);
	close(request.alive_fd);
	close(listening);
	kill_reap_pid(&pid);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void a_socket_that_is_not_there_is_named(void **state)
{
	const struct rest_request request = { .method = "GET", .path = "/", .timeout_ms = 1 };
	struct error err = ERROR_INIT;

	assert_int_equal(rest_call("/nonexistent/rest.sock", &request, NULL, NULL, &err), -ENOENT);
	assert_string_equal(err.msg,
			    "connect to '/nonexistent/rest.sock': No such file or directory");
}

/* What it is told is done if a pipe's end came along, by which it says so itself. */
static _Noreturn void take_descriptor(int listening)
{
	const char answer[] = FAKE_DONE;
	int fd = accept(listening, NULL, NULL), passed[2] = { -1, -1 };
	size_t count = ARRAY_SIZE(passed);
	char text[4096];

	if (recv_fds(fd, text, sizeof(text), passed, &count) > 0 && count == 1 &&
	    write_all(passed[0], "here", 4) == 0)
		(void)write_all(fd, answer, strlen(answer));
	_exit(0);
}

static void descriptors_go_with_a_request(void **state)
{
	char dir[] = "/tmp/moat-test-XXXXXX", heard[5] = "";
	struct rest_request request = {
		.method = "PUT",
		.path = "/net",
		.body = "{}",
		.fds_count = 1,
		.timeout_ms = PATIENCE_MS,
		.alive_fd = -1,
	};
	cleanup_free char *path = NULL;
	struct error err = ERROR_INIT;
	int ends[2], listening;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/rest.sock", dir);
	listening = unix_listen(path, 0600);
	assert_true(listening >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		take_descriptor(listening);
	request.fds = &ends[1];
	if (rest_call(path, &request, NULL, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(read(ends[0], heard, sizeof(heard)), 4);
	assert_string_equal(heard, "here");
	close(ends[0]);
	close(ends[1]);
	close(listening);
	kill_reap_pid(&pid);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void a_head_is_read_as_loosely_as_it_may_be_written(void **state)
{
	static const struct {
		const char *text;
		int code;
		unsigned int status;
		size_t body_len;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\ncontent-length:12\r\n\r\n", 0, 200, 12 },
		{ "HTTP/1.0 404\r\n\r\n", 0, 404, 0 },
		{ "HTTP/1.1 204 \r\nServer: x\r\nContent-Lengthy: 9\r\n\r\n", 0, 204, 0 },
		{ "HTTP/2 200 OK\r\n\r\n", -EPROTO, 0, 0 },
		{ "HTTP/1.1 20\r\n\r\n", -EPROTO, 0, 0 },
		{ "HTTP/1.1 2000\r\n\r\n", -EPROTO, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n", -EPROTO, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 1x\r\n\r\n", -EPROTO, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 99999999999999999999\r\n\r\n", -EPROTO, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rest_head head = { 0 };

		assert_int_equal(rest_head_parse(cases[i].text, strlen(cases[i].text), &head, NULL),
				 cases[i].code);
		assert_int_equal(head.status, cases[i].status);
		assert_int_equal(head.body_len, cases[i].body_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_parsed_and_a_request_is_what_was_asked),
		cmocka_unit_test(a_refusal_is_told_in_the_vmms_words),
		cmocka_unit_test(what_is_no_answer_is_an_error),
		cmocka_unit_test(one_that_stops_in_the_middle_is_not_waited_for_longer_than_said),
		cmocka_unit_test(the_end_of_the_process_ends_the_wait),
		cmocka_unit_test(a_socket_that_is_not_there_is_named),
		cmocka_unit_test(descriptors_go_with_a_request),
		cmocka_unit_test(a_head_is_read_as_loosely_as_it_may_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
