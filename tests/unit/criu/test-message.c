/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/wire.h"
#include "lib/criu/message.h"

static const struct criu_places places = { .images_fd = 5, .work_fd = 6, .log = "dump.log" };

/* Field @number of the message's options, the last one; false: it has none. */
static bool find_option(const struct strbuf *text, uint32_t number, struct wire_field *ret)
{
	struct wire_reader reader = { (const uint8_t *)text->buf,
				      (const uint8_t *)text->buf + text->len };
	struct wire_field field;
	bool is_found = false;

	while (wire_next(&reader, &field) > 0 && field.number != 2)
		;
	reader = (struct wire_reader){ field.data, field.data + field.len };
	while (wire_next(&reader, &field) > 0) {
		if (field.number != number)
			continue;
		*ret = field;
		is_found = true;
	}
	return is_found;
}

static void expect_number(const struct strbuf *text, uint32_t number, uint64_t wanted)
{
	struct wire_field field;

	assert_true(find_option(text, number, &field));
	assert_int_equal(field.value, wanted);
}

static void expect_text(const struct strbuf *text, uint32_t number, const char *wanted)
{
	struct wire_field field;

	assert_true(find_option(text, number, &field));
	assert_int_equal(field.len, strlen(wanted));
	assert_memory_equal(field.data, wanted, field.len);
}

static void a_dump_says_what_is_wished(void **state)
{
	const struct criu_options options = {
		.leave_running = true,
		.tcp_established = true,
		.cgroups_mode = 1,
		.parent_path = "../before",
		.page_server = (char *)"::1:8080",
	};
	struct criu_request request = {
		.deed = CRIU_DUMP, .options = &options, .pid = 77, .root = "/r"
	};
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct wire_field field;

	criu_add_external(&request, "mnt", "/etc/hosts", "hosts");
	criu_add_external(&request, "file", "1f:2a", NULL);
	assert_int_equal(criu_message_request(&request, &places, &text, NULL), 0);
	assert_int_equal(text.buf[0], 1 << 3);
	assert_int_equal(text.buf[1], CRIU_DUMP);
	expect_number(&text, 1, 5);
	expect_number(&text, 17, 6);
	expect_number(&text, 2, 77);
	expect_text(&text, 13, "/r");
	expect_number(&text, 3, 1);
	expect_number(&text, 5, 1);
	expect_number(&text, 15, 1);
	expect_text(&text, 14, "../before");
	expect_number(&text, 34, 4);
	expect_text(&text, 37, "file[1f:2a]");
	expect_text(&text, 11, "\n\x03::1\x10\x90\x3f");
	assert_false(find_option(&text, 26, &field));
	assert_false(find_option(&text, 8, &field));
	criu_request_done(&request);
}

static void a_restore_names_descriptors_and_cgroups(void **state)
{
	const struct criu_options options = { .cgroups_mode = 3 };
	struct criu_request request = {
		.deed = CRIU_RESTORE, .options = &options, .root = "/r", .is_sibling = true
	};
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	criu_add_inherited(&request, "pipe:[7]", 1);
	criu_add_cgroup_root(&request, "cpu", "/c");
	assert_int_equal(criu_message_request(&request, &places, &text, NULL), 0);
	expect_number(&text, 26, 1);
	expect_text(&text, 27, "\n\x08pipe:[7]\x10\x01");
	expect_text(&text, 25,
		    "\n\x03"
		    "cpu\x12\x02/c");
	expect_number(&text, 24, 0);
	expect_number(&text, 34, 0);
	criu_request_done(&request);
}

static void a_terminal_is_new_or_inherited(void **state)
{
	const struct criu_options options = { .shell_job = true };
	struct criu_request request = { .deed = CRIU_RESTORE, .options = &options };
	cleanup_strbuf struct strbuf own = STRBUF_INIT, inherited = STRBUF_INIT;
	struct wire_field field;

	assert_int_equal(criu_message_request(&request, &places, &own, NULL), 0);
	expect_number(&own, 50, 1);
	request.inherits_terminal = true;
	assert_int_equal(criu_message_request(&request, &places, &inherited, NULL), 0);
	assert_false(find_option(&inherited, 50, &field));
}

static void what_cannot_be_said_is_refused(void **state)
{
	static const char *const servers[] = { "host", ":1", "host:", "host:70000", "host:x" };
	char *names[] = { (char *)"ipc", NULL };
	struct criu_options options = { 0 };
	const struct criu_request request = { .deed = CRIU_DUMP, .options = &options };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		options.page_server = servers[i];
		assert_true(criu_message_request(&request, &places, &text, &err) < 0);
		assert_non_null(strstr(err.msg, "not an ADDRESS:PORT"));
	}
	options = (struct criu_options){ .empty_namespaces = names };
	assert_true(criu_message_request(&request, &places, &text, &err) < 0);
	assert_string_equal(err.msg, "namespace 'ipc': only that of the network can be left empty");
	assert_int_equal(text.len, 0);
}

static void answers_are_read(void **state)
{
	static const char stage[] = "\x08\x06\x10\x01\x2a\x0c\n\x08pre-dump\x10\x2a";
	static const char restored[] = "\x08\x02\x10\x01\x22\x02\x08\x63";
	static const char refusal[] = "\x08\x01\x10\x00\x4a\x03"
				      "a\nb";
	struct criu_answer answer;

	assert_int_equal(criu_message_answer(stage, sizeof(stage) - 1, &answer, NULL), 0);
	assert_int_equal(answer.type, CRIU_STAGE_NOTIFY);
	assert_string_equal(answer.stage, "pre-dump");
	assert_int_equal(answer.pid, 42);
	criu_answer_done(&answer);
	assert_int_equal(criu_message_answer(restored, sizeof(restored) - 1, &answer, NULL), 0);
	assert_true(answer.is_success);
	assert_int_equal(answer.pid, 99);
	criu_answer_done(&answer);
	assert_int_equal(criu_message_answer(refusal, sizeof(refusal) - 1, &answer, NULL), 0);
	assert_false(answer.is_success);
	assert_string_equal(answer.reason, "a b");
	criu_answer_done(&answer);
}

static void half_an_answer_is_refused(void **state)
{
	static const char text[] = "\x08\x06\x2a\x0d\n\x08pre";
	struct criu_answer answer;
	struct error err = ERROR_INIT;

	assert_true(criu_message_answer(text, sizeof(text) - 1, &answer, &err) < 0);
	assert_string_equal(err.msg, "criu: an answer that is not understood");
	criu_answer_done(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_says_what_is_wished),
		cmocka_unit_test(a_restore_names_descriptors_and_cgroups),
		cmocka_unit_test(a_terminal_is_new_or_inherited),
		cmocka_unit_test(what_cannot_be_said_is_refused),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(half_an_answer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
