/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/proto/ttrpc.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

#include "lib/base/fifo.h"
#include "lib/base/str.h"

void ttrpc_header_pack(const struct ttrpc_header *h, uint8_t out[TTRPC_HEADER_SIZE])
{
	uint32_t length = htobe32(h->length), stream_id = htobe32(h->stream_id);

	memcpy(out, &length, 4);
	memcpy(out + 4, &stream_id, 4);
	out[8] = h->type;
	out[9] = h->flags;
}

void ttrpc_header_unpack(const uint8_t in[TTRPC_HEADER_SIZE], struct ttrpc_header *ret)
{
	uint32_t length, stream_id;

	memcpy(&length, in, 4);
	memcpy(&stream_id, in + 4, 4);
	*ret = (struct ttrpc_header){
		.length = be32toh(length),
		.stream_id = be32toh(stream_id),
		.type = in[8],
		.flags = in[9],
	};
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Takes up to @len bytes of payload into the decoder's own buffer. */
static void store(struct ttrpc_decoder *d, const uint8_t *data, size_t len)
{
	size_t have = d->have - TTRPC_HEADER_SIZE;

	if (have + len > d->payload_cap) {
		d->payload_cap = min_size(d->header.length, 2 * (have + len));
		d->payload = xrealloc(d->payload, d->payload_cap, 1);
	}
	memcpy(d->payload + have, data, len);
}

static int finish_frame(struct ttrpc_decoder *d, const uint8_t *payload, ttrpc_frame_fn fn,
			void *ctx)
{
	struct ttrpc_header header = d->header;
	uint8_t *own = steal_ptr(&d->payload);
	int r;

	d->have = 0;
	d->payload_cap = 0;
	r = fn(ctx, &header, payload);
	free(own);
	return r;
}

int ttrpc_decoder_feed(struct ttrpc_decoder *d, const uint8_t *data, size_t len, ttrpc_frame_fn fn,
		       void *ctx)
{
	while (len) {
		size_t missing, n;
		bool is_stored, is_whole_here;
		int r;

		if (d->have < TTRPC_HEADER_SIZE) {
			n = min_size(len, TTRPC_HEADER_SIZE - d->have);
			memcpy(d->head + d->have, data, n);
			d->have += n;
			data += n;
			len -= n;
			if (d->have < TTRPC_HEADER_SIZE)
				return 0;
			ttrpc_header_unpack(d->head, &d->header);
		}

		is_stored = d->header.length <= TTRPC_MAX_PAYLOAD;
		missing = d->header.length - (d->have - TTRPC_HEADER_SIZE);
		n = min_size(len, missing);
		is_whole_here = n == d->header.length;
		if (is_stored && n && !is_whole_here)
			store(d, data, n);
		d->have += n;
		if (n < missing)
			return 0;

		/* A frame without payload has one of zero bytes, which is not "too large". */
		if (is_stored)
			r = finish_frame(d, is_whole_here ? (n ? data : d->head) : d->payload, fn,
					 ctx);
		else
			r = finish_frame(d, NULL, fn, ctx);
		if (r < 0)
			return r;
		data += n;
		len -= n;
	}
	return 0;
}

void ttrpc_decoder_done(struct ttrpc_decoder *d)
{
	free(d->payload);
	*d = (struct ttrpc_decoder)TTRPC_DECODER_INIT;
}

bool ttrpc_text_equal(struct ttrpc_text text, const char *s)
{
	return text.len == strlen(s) && memcmp(text.data, s, text.len) == 0;
}

/* The envelopes are read and written by hand: a generated struct would copy the payload, which is
 * by far the largest part, once more. */
struct envelope_field {
	uint32_t tag;
	struct ttrpc_text *text; /* where a length-delimited field goes, or */
	uint64_t *number;	 /* where a varint goes */
};

static bool take_text(pb_istream_t *in, const uint8_t *end, struct ttrpc_text *ret)
{
	uint32_t size;

	if (!pb_decode_varint32(in, &size) || size > in->bytes_left)
		return false;
	*ret = (struct ttrpc_text){ (const char *)end - in->bytes_left, size };
	return pb_read(in, NULL, size);
}

static int read_fields(const uint8_t *data, size_t len, const struct envelope_field *fields,
		       size_t count)
{
	pb_istream_t in = pb_istream_from_buffer(data, len);

	while (in.bytes_left) {
		const struct envelope_field *f = NULL;
		pb_wire_type_t wire_type;
		uint32_t tag;
		bool is_end, is_good;

		if (!pb_decode_tag(&in, &wire_type, &tag, &is_end))
			return -EBADMSG;
		for (size_t i = 0; i < count && !f; i++)
			if (fields[i].tag == tag)
				f = &fields[i];
		if (f && f->text && wire_type == PB_WT_STRING)
			is_good = take_text(&in, data + len, f->text);
		else if (f && f->number && wire_type == PB_WT_VARINT)
			is_good = pb_decode_varint(&in, f->number);
		else
			is_good = !f && pb_skip_field(&in, wire_type);
		if (!is_good)
			return -EBADMSG;
	}
	return 0;
}

int ttrpc_request_decode(const uint8_t *data, size_t len, struct ttrpc_request *ret)
{
	struct ttrpc_request req = { .service = { "", 0 },
				     .method = { "", 0 },
				     .payload = { "", 0 } };
	uint64_t timeout = 0;
	const struct envelope_field fields[] = {
		{ .tag = 1, .text = &req.service },
		{ .tag = 2, .text = &req.method },
		{ .tag = 3, .text = &req.payload },
		{ .tag = 4, .number = &timeout },
	};
	int r = read_fields(data, len, fields, ARRAY_SIZE(fields));

	if (r < 0)
		return r;
	req.timeout_ns = (int64_t)timeout;
	*ret = req;
	return 0;
}

int ttrpc_response_decode(const uint8_t *data, size_t len, struct ttrpc_response *ret)
{
	struct ttrpc_response resp = { .message = { "", 0 }, .payload = { "", 0 } };
	struct ttrpc_text status = { "", 0 };
	uint64_t code = 0;
	const struct envelope_field fields[] = {
		{ .tag = 1, .text = &status },
		{ .tag = 2, .text = &resp.payload },
	};
	const struct envelope_field status_fields[] = {
		{ .tag = 1, .number = &code },
		{ .tag = 2, .text = &resp.message },
	};
	int r = read_fields(data, len, fields, ARRAY_SIZE(fields));

	if (r == 0)
		r = read_fields((const uint8_t *)status.data, status.len, status_fields,
				ARRAY_SIZE(status_fields));
	if (r < 0)
		return r;
	resp.code = (int32_t)code;
	*ret = resp;
	return 0;
}

static size_t varint_size(uint64_t value)
{
	size_t n = 1;

	while (value >>= 7)
		n++;
	return n;
}

/* Tags here are below 16, so each takes one byte. */
static size_t text_size(struct ttrpc_text text)
{
	return text.len ? 1 + varint_size(text.len) + text.len : 0;
}

static size_t number_size(uint64_t value)
{
	return value ? 1 + varint_size(value) : 0;
}

static bool put_text(pb_ostream_t *out, uint32_t tag, struct ttrpc_text text)
{
	return !text.len || (pb_encode_tag(out, PB_WT_STRING, tag) &&
			     pb_encode_string(out, (const pb_byte_t *)text.data, text.len));
}

static bool put_number(pb_ostream_t *out, uint32_t tag, uint64_t value)
{
	return !value || (pb_encode_tag(out, PB_WT_VARINT, tag) && pb_encode_varint(out, value));
}

/* Makes room for a frame of @size and writes its header; the stream ends where the frame does. */
static int open_frame(struct fifo *out, enum ttrpc_type type, uint32_t stream_id, size_t size,
		      pb_ostream_t *ret)
{
	struct ttrpc_header header = { .stream_id = stream_id, .type = type };
	uint8_t *room;

	if (size > TTRPC_MAX_PAYLOAD)
		return -EMSGSIZE;
	header.length = (uint32_t)size;
	room = fifo_room(out, TTRPC_HEADER_SIZE + size);
	ttrpc_header_pack(&header, room);
	*ret = pb_ostream_from_buffer(room + TTRPC_HEADER_SIZE, size);
	return 0;
}

static void close_frame(struct fifo *out, const pb_ostream_t *stream, bool is_good)
{
	assert(is_good && stream->bytes_written == stream->max_size);
	(void)is_good;
	fifo_commit(out, TTRPC_HEADER_SIZE + stream->bytes_written);
}

int ttrpc_request_encode(uint32_t stream_id, const struct ttrpc_request *req, struct fifo *out)
{
	uint64_t timeout = (uint64_t)req->timeout_ns;
	size_t size = text_size(req->service) + text_size(req->method) + text_size(req->payload) +
		      number_size(timeout);
	pb_ostream_t stream;
	int r = open_frame(out, TTRPC_REQUEST, stream_id, size, &stream);

	if (r < 0)
		return r;
	close_frame(out, &stream,
		    put_text(&stream, 1, req->service) && put_text(&stream, 2, req->method) &&
			    put_text(&stream, 3, req->payload) && put_number(&stream, 4, timeout));
	return 0;
}

int ttrpc_response_encode(uint32_t stream_id, const struct ttrpc_response *resp, struct fifo *out)
{
	uint64_t code = (uint64_t)resp->code;
	size_t status_size = number_size(code) + text_size(resp->message);
	size_t size = 1 + varint_size(status_size) + status_size + text_size(resp->payload);
	pb_ostream_t stream;
	int r = open_frame(out, TTRPC_RESPONSE, stream_id, size, &stream);

	if (r < 0)
		return r;
	/* The status is there even when it says OK: some clients look into it unasked. */
	close_frame(out, &stream,
		    pb_encode_tag(&stream, PB_WT_STRING, 1) &&
			    pb_encode_varint(&stream, status_size) &&
			    put_number(&stream, 1, code) && put_text(&stream, 2, resp->message) &&
			    put_text(&stream, 2, resp->payload));
	return 0;
}

/* clang-format off */
static const struct {
	enum ttrpc_code code;
	int error;
} codes[] = {
	/* The first entry of a code is what it becomes on the way back. */
	{ TTRPC_CANCELLED, ECANCELED },
	{ TTRPC_INVALID_ARGUMENT, EINVAL },
	{ TTRPC_INVALID_ARGUMENT, EBADMSG },
	{ TTRPC_INVALID_ARGUMENT, ENAMETOOLONG },
	{ TTRPC_DEADLINE_EXCEEDED, ETIMEDOUT },
	{ TTRPC_DEADLINE_EXCEEDED, ETIME },
	{ TTRPC_NOT_FOUND, ENOENT },
	{ TTRPC_NOT_FOUND, ESRCH },
	{ TTRPC_ALREADY_EXISTS, EEXIST },
	{ TTRPC_PERMISSION_DENIED, EACCES },
	{ TTRPC_PERMISSION_DENIED, EPERM },
	{ TTRPC_RESOURCE_EXHAUSTED, EMSGSIZE },
	{ TTRPC_RESOURCE_EXHAUSTED, ENOMEM },
	{ TTRPC_FAILED_PRECONDITION, EBUSY },
	{ TTRPC_ABORTED, ECONNABORTED },
	{ TTRPC_OUT_OF_RANGE, ERANGE },
	{ TTRPC_UNIMPLEMENTED, ENOSYS },
	{ TTRPC_UNIMPLEMENTED, EOPNOTSUPP },
	{ TTRPC_UNAVAILABLE, ENOTTY },
	{ TTRPC_INTERNAL, EIO },
};
/* clang-format on */

enum ttrpc_code ttrpc_code_from_errno(int error)
{
	if (error == 0)
		return TTRPC_OK;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].error == -error)
			return codes[i].code;
	return TTRPC_INTERNAL;
}

int ttrpc_code_to_errno(int32_t code)
{
	if (code == TTRPC_OK)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if ((int32_t)codes[i].code == code)
			return -codes[i].error;
	return -EIO;
}

const char *ttrpc_code_name(int32_t code)
{
	static const char *const names[TTRPC_CODE_COUNT] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	return code >= 0 && code < TTRPC_CODE_COUNT ? names[code] : "CODE_?";
}
