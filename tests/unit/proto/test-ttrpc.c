/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/proto/ttrpc.h"
#include "lib/base/fifo.h"
#include "lib/base/str.h"

struct seen {
	size_t count;
	struct ttrpc_header headers[8];
	size_t payload_sums[8];
	bool was_too_large[8];
	int result;
};

static int on_frame(void *ctx, const struct ttrpc_header *header, const uint8_t *payload)
{
	struct seen *seen = ctx;
	size_t sum = 0;

	assert_true(seen->count < ARRAY_SIZE(seen->headers));
	for (size_t i = 0; payload && i < header->length; i++)
		sum += payload[i];
	seen->headers[seen->count] = *header;
	seen->payload_sums[seen->count] = sum;
	seen->was_too_large[seen->count++] = !payload;
	return seen->result;
}

static void add_frame(struct fifo *out, uint32_t id, size_t size, uint8_t fill)
{
	struct ttrpc_header header = { (uint32_t)size, id, TTRPC_REQUEST, 0 };

	ttrpc_header_pack(&header, fifo_room(out, TTRPC_HEADER_SIZE));
	fifo_commit(out, TTRPC_HEADER_SIZE);
	memset(fifo_room(out, size), fill, size);
	fifo_commit(out, size);
}

static void a_header_is_ten_bytes_big_endian(void **state)
{
	const struct ttrpc_header header = { 0x010203, 0x04050607, TTRPC_RESPONSE, 8 };
	static const uint8_t golden[] = { 0, 1, 2, 3, 4, 5, 6, 7, 2, 8 };
	uint8_t out[TTRPC_HEADER_SIZE];
	struct ttrpc_header back;

	ttrpc_header_pack(&header, out);
	assert_memory_equal(out, golden, sizeof(golden));
	ttrpc_header_unpack(out, &back);
	assert_int_equal(back.length, header.length);
	assert_int_equal(back.stream_id, header.stream_id);
	assert_int_equal(back.type, header.type);
	assert_int_equal(back.flags, header.flags);
}

static void frames_come_out_whole_however_they_are_cut(void **state)
{
	static const size_t pieces[] = { 1, 3, 10, 11, 4096, 1u << 20 };
	struct fifo in = FIFO_INIT;

	add_frame(&in, 1, 0, 0);
	add_frame(&in, 3, 5, 1);
	add_frame(&in, 5, 70000, 2);
	add_frame(&in, 7, 1, 3);
	for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
		struct ttrpc_decoder d = TTRPC_DECODER_INIT;
		struct seen seen = { 0 };

		for (size_t at = 0; at < in.len; at += pieces[p]) {
			size_t n = in.len - at < pieces[p] ? in.len - at : pieces[p];

			assert_int_equal(
				ttrpc_decoder_feed(&d, fifo_head(&in) + at, n, on_frame, &seen), 0);
		}
		assert_int_equal(seen.count, 4);
		assert_int_equal(seen.headers[0].stream_id, 1);
		assert_false(seen.was_too_large[0]);
		assert_int_equal(seen.payload_sums[1], 5);
		assert_int_equal(seen.payload_sums[2], 140000);
		assert_int_equal(seen.headers[3].stream_id, 7);
		ttrpc_decoder_done(&d);
	}
	fifo_done(&in);
}

static void a_frame_above_4_mib_is_reported_and_passed_over(void **state)
{
	struct ttrpc_decoder d = TTRPC_DECODER_INIT;
	struct seen seen = { 0 };
	struct fifo in = FIFO_INIT;

	add_frame(&in, 1, TTRPC_MAX_PAYLOAD + 1, 9);
	add_frame(&in, 3, 4, 1);
	for (size_t at = 0; at < in.len; at += 50000) {
		size_t n = in.len - at < 50000 ? in.len - at : 50000;

		(void)ttrpc_decoder_feed(&d, fifo_head(&in) + at, n, on_frame, &seen);
		assert_int_equal(d.payload_cap, 0); /* nothing of it is kept */
	}
	assert_int_equal(seen.count, 2);
	assert_true(seen.was_too_large[0]);
	assert_int_equal(seen.headers[1].stream_id, 3);
	assert_int_equal(seen.payload_sums[1], 4);
	ttrpc_decoder_done(&d);
	fifo_done(&in);
}

static void a_header_alone_reserves_no_memory(void **state)
{
	static const uint8_t head[] = { 0, 0x3f, 0xff, 0xff, 0, 0, 0, 1, 1, 0, 'x' };
	struct ttrpc_decoder d = TTRPC_DECODER_INIT;
	struct seen seen = { 0 };

	assert_int_equal(ttrpc_decoder_feed(&d, head, sizeof(head), on_frame, &seen), 0);
	assert_true(d.payload_cap < 4096);
	ttrpc_decoder_done(&d);
}

static void a_refused_frame_ends_the_feeding(void **state)
{
	struct ttrpc_decoder d = TTRPC_DECODER_INIT;
	struct seen seen = { .result = -EPROTO };
	struct fifo in = FIFO_INIT;

	add_frame(&in, 1, 4, 1);
	add_frame(&in, 3, 4, 1);
	assert_int_equal(ttrpc_decoder_feed(&d, fifo_head(&in), in.len, on_frame, &seen), -EPROTO);
	assert_int_equal(seen.count, 1);
	ttrpc_decoder_done(&d);
	fifo_done(&in);
}

static struct ttrpc_text text(const char *s)
{
	return (struct ttrpc_text){ s, strlen(s) };
}

static void a_request_envelope_survives_the_way(void **state)
{
	const struct ttrpc_request req = {
		.service = text("grpc.Health"),
		.method = text("Check"),
		.payload = text("payload"),
		.timeout_ns = 1500000000,
	};
	static const uint8_t golden[] = { 0, 0, 0, 35, 0, 0, 0, 5, 1, 0, 0x0a, 11, 'g' };
	struct fifo out = FIFO_INIT;
	struct ttrpc_request got;

	assert_int_equal(ttrpc_request_encode(5, &req, &out), 0);
	assert_memory_equal(fifo_head(&out), golden, sizeof(golden));
	assert_int_equal(ttrpc_request_decode(fifo_head(&out) + TTRPC_HEADER_SIZE,
					      out.len - TTRPC_HEADER_SIZE, &got),
			 0);
	assert_true(ttrpc_text_equal(got.service, "grpc.Health"));
	assert_true(ttrpc_text_equal(got.method, "Check"));
	assert_true(ttrpc_text_equal(got.payload, "payload"));
	assert_int_equal(got.timeout_ns, 1500000000);
	fifo_done(&out);
}

static void a_response_envelope_survives_the_way(void **state)
{
	const struct ttrpc_response resp = { TTRPC_NOT_FOUND, text("gone"), text("data") };
	struct fifo out = FIFO_INIT;
	struct ttrpc_response got;

	assert_int_equal(ttrpc_response_encode(7, &resp, &out), 0);
	assert_int_equal(ttrpc_response_decode(fifo_head(&out) + TTRPC_HEADER_SIZE,
					       out.len - TTRPC_HEADER_SIZE, &got),
			 0);
	assert_int_equal(got.code, TTRPC_NOT_FOUND);
	assert_true(ttrpc_text_equal(got.message, "gone"));
	assert_true(ttrpc_text_equal(got.payload, "data"));
	fifo_done(&out);
}

static void a_negative_status_code_stays_negative(void **state)
{
	const struct ttrpc_response resp = { -1, text(""), text("") };
	struct fifo out = FIFO_INIT;
	struct ttrpc_response got;

	assert_int_equal(ttrpc_response_encode(7, &resp, &out), 0);
	assert_int_equal(ttrpc_response_decode(fifo_head(&out) + TTRPC_HEADER_SIZE,
					       out.len - TTRPC_HEADER_SIZE, &got),
			 0);
	assert_int_equal(got.code, -1);
	assert_int_equal(ttrpc_code_to_errno(got.code), -EIO);
	fifo_done(&out);
}

static void a_payload_above_4_mib_is_not_sent(void **state)
{
	cleanup_free char *large = xcalloc(1, TTRPC_MAX_PAYLOAD);
	const struct ttrpc_request req = { .payload = { large, TTRPC_MAX_PAYLOAD } };
	struct fifo out = FIFO_INIT;

	assert_int_equal(ttrpc_request_encode(1, &req, &out), -EMSGSIZE);
	assert_int_equal(out.len, 0);
	fifo_done(&out);
}

static void broken_envelopes_are_refused(void **state)
{
	/* clang-format off */
	static const struct {
		const char *bytes;
		size_t len;
	} broken[] = {
		{ "\x0a", 1 },                         /* no length */
		{ "\x0a\x05" "abc", 5 },               /* cut */
		{ "\x0a\xff\xff\xff\xff\x0f", 6 },     /* a length of 4 GiB */
		{ "\x08\x01", 2 },                     /* the service as a number */
		{ "\x1f\x01", 2 },                     /* a wire type that does not exist */
		{ "\xff\xff\xff\xff\xff\xff\xff", 7 }, /* a tag without end */
	};
	/* clang-format on */
	struct ttrpc_request got;

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		assert_int_equal(ttrpc_request_decode((const uint8_t *)broken[i].bytes,
						      broken[i].len, &got),
				 -EBADMSG);
}

static void errors_keep_their_meaning_across_the_wire(void **state)
{
	static const int kept[] = { EINVAL, ENOENT, EEXIST, EACCES, ETIMEDOUT,
				    ENOSYS, EBUSY,  ENOTTY, EIO };

	assert_int_equal(ttrpc_code_from_errno(0), TTRPC_OK);
	assert_int_equal(ttrpc_code_to_errno(TTRPC_OK), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		assert_int_equal(ttrpc_code_to_errno((int32_t)ttrpc_code_from_errno(-kept[i])),
				 -kept[i]);
	assert_int_equal(ttrpc_code_from_errno(-ENOTDIR), TTRPC_INTERNAL);
	assert_int_equal(ttrpc_code_to_errno(999), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_ten_bytes_big_endian),
		cmocka_unit_test(frames_come_out_whole_however_they_are_cut),
		cmocka_unit_test(a_frame_above_4_mib_is_reported_and_passed_over),
		cmocka_unit_test(a_header_alone_reserves_no_memory),
		cmocka_unit_test(a_refused_frame_ends_the_feeding),
		cmocka_unit_test(a_request_envelope_survives_the_way),
		cmocka_unit_test(a_response_envelope_survives_the_way),
		cmocka_unit_test(a_negative_status_code_stays_negative),
		cmocka_unit_test(a_payload_above_4_mib_is_not_sent),
		cmocka_unit_test(broken_envelopes_are_refused),
		cmocka_unit_test(errors_keep_their_meaning_across_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
