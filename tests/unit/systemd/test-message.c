/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/systemd/message.h"

static void write_call(struct strbuf *out)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	struct message m = {
		.type = MESSAGE_CALL,
		.serial = 7,
		.path = "/a/b",
		.interface = "a.b",
		.member = "Do",
		.destination = "c.d",
		.signature = "su",
	};

	message_put_string(&body, "text");
	message_put_u32(&body, 5);
	m.body = body.buf;
	m.body_len = body.len;
	message_write(&m, out);
}

static void test_what_is_written_can_be_read(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	cleanup_message struct message m = { 0 };
	struct message_reader r;
	const char *text;
	uint32_t number;

	write_call(&out);
	assert_int_equal(message_size(out.buf, out.len), out.len);
	assert_int_equal(message_parse(xmemdup(out.buf, out.len), out.len, &m), 0);
	assert_int_equal(m.type, MESSAGE_CALL);
	assert_int_equal(m.serial, 7);
	assert_string_equal(m.path, "/a/b");
	assert_string_equal(m.interface, "a.b");
	assert_string_equal(m.member, "Do");
	assert_string_equal(m.destination, "c.d");
	assert_string_equal(m.signature, "su");
	assert_null(m.error);
	r = (struct message_reader){ m.body, m.body_len, 0 };
	assert_int_equal(message_get_string(&r, &text), 0);
	assert_string_equal(text, "text");
	assert_int_equal(message_get_u32(&r, &number), 0);
	assert_int_equal(number, 5);
	assert_int_equal(message_get_u32(&r, &number), -EBADMSG);
}

/* The specification's own words on alignment: an array's length does not count the padding in front
 * of its first element. */
static void test_padding_before_the_first_element_is_not_counted(void **state)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	size_t slot;
	uint32_t len;

	message_put_u32(&body, 1);
	slot = message_begin_array(&body, 8);
	assert_int_equal(body.len, 8);
	message_put_u64(&body, 2);
	message_put_u64(&body, 3);
	message_end_array(&body, slot, 8);
	memcpy(&len, body.buf + slot, sizeof(len));
	assert_int_equal(len, 16);
	strbuf_done(&body);
	body = (struct strbuf)STRBUF_INIT;
	slot = message_begin_array(&body, 8);
	assert_int_equal(body.len, 8);
	message_end_array(&body, slot, 8);
	memcpy(&len, body.buf + slot, sizeof(len));
	assert_int_equal(len, 0);
}

static void test_a_beginning_is_not_a_message_yet(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	write_call(&out);
	assert_int_equal(message_size(out.buf, 15), 0);
	assert_int_equal(message_size(out.buf, 16), out.len);
	out.buf[0] = 'x';
	assert_int_equal(message_size(out.buf, 16), -EBADMSG);
}

/* Whatever is changed, and wherever it is cut: an error, or a message within its bounds. */
static void test_damaged_messages_are_survived(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	write_call(&out);
	for (size_t at = 0; at < out.len; at++) {
		for (int value = 0; value < 256; value += 17) {
			cleanup_message struct message m = { 0 };
			char *copy = xmemdup(out.buf, out.len);

			copy[at] = (char)value;
			if (message_parse(copy, out.len, &m) == 0)
				assert_true(m.body + m.body_len == m.raw + out.len);
		}
	}
	for (size_t len = 0; len < out.len; len++) {
		struct message m;

		assert_int_equal(message_parse(xmemdup(out.buf, len + 1), len, &m), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_can_be_read),
		cmocka_unit_test(test_padding_before_the_first_element_is_not_counted),
		cmocka_unit_test(test_a_beginning_is_not_a_message_yet),
		cmocka_unit_test(test_damaged_messages_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
