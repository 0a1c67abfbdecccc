/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fifo;

/*
 * ttRPC as containerd/ttrpc puts it on a stream: frames of a 10-byte big-endian header (length,
 * stream id, type, flags) and at most 4 MiB of payload, which is an envelope, Request or Response.
 * Only unary calls. Pure code: bytes in, frames out; conn.h does the input and output.
 *
 * A frame that announces more than 4 MiB is passed over without being stored, and reported, so
 * that a server can answer RESOURCE_EXHAUSTED and go on.
 */
#define TTRPC_HEADER_SIZE 10
#define TTRPC_MAX_PAYLOAD (4u << 20)

enum ttrpc_type {
	TTRPC_REQUEST = 1,
	TTRPC_RESPONSE = 2,
	TTRPC_DATA = 3, /* of streaming calls, which Kata's protocol has none of */
};

struct ttrpc_header {
	uint32_t length;
	uint32_t stream_id;
	uint8_t type; /* enum ttrpc_type, or what else the peer sent */
	uint8_t flags;
};

void ttrpc_header_pack(const struct ttrpc_header *header, uint8_t out[TTRPC_HEADER_SIZE]);
void ttrpc_header_unpack(const uint8_t in[TTRPC_HEADER_SIZE], struct ttrpc_header *ret);

/* Called for each whole frame; @payload is NULL for one that was too large. A negative return
 * ends the feeding. The decoder itself may not be freed here. */
typedef int (*ttrpc_frame_fn)(void *ctx, const struct ttrpc_header *header, const uint8_t *payload);

/* Memory follows the bytes that arrived, not the length that a header announced. */
struct ttrpc_decoder {
	uint8_t head[TTRPC_HEADER_SIZE];
	size_t have; /* of header and payload */
	struct ttrpc_header header;
	uint8_t *payload;
	size_t payload_cap;
};
#define TTRPC_DECODER_INIT                                                                         \
	{                                                                                          \
		.have = 0                                                                          \
	}

/* 0, or what the callback returned; the decoder is of no use after that. */
int ttrpc_decoder_feed(struct ttrpc_decoder *d, const uint8_t *data, size_t len, ttrpc_frame_fn fn,
		       void *ctx);
void ttrpc_decoder_done(struct ttrpc_decoder *d);

/* A piece of the payload it was decoded from; not terminated. */
struct ttrpc_text {
	const char *data;
	size_t len;
};
bool ttrpc_text_equal(struct ttrpc_text text, const char *s);

struct ttrpc_request {
	struct ttrpc_text service; /* "grpc.AgentService" */
	struct ttrpc_text method;
	struct ttrpc_text payload;
	int64_t timeout_ns; /* 0: none */
};

struct ttrpc_response {
	int32_t code; /* enum ttrpc_code */
	struct ttrpc_text message;
	struct ttrpc_text payload;
};

/* 0 or -EBADMSG. The result refers to @data. */
int ttrpc_request_decode(const uint8_t *data, size_t len, struct ttrpc_request *ret);
int ttrpc_response_decode(const uint8_t *data, size_t len, struct ttrpc_response *ret);

/* Append a whole frame to @out. -EMSGSIZE above the limit, with @out as it was. */
int ttrpc_request_encode(uint32_t stream_id, const struct ttrpc_request *request, struct fifo *out);
int ttrpc_response_encode(uint32_t stream_id, const struct ttrpc_response *response,
			  struct fifo *out);

/* gRPC's status codes. */
enum ttrpc_code {
	TTRPC_OK,
	TTRPC_CANCELLED,
	TTRPC_UNKNOWN,
	TTRPC_INVALID_ARGUMENT,
	TTRPC_DEADLINE_EXCEEDED,
	TTRPC_NOT_FOUND,
	TTRPC_ALREADY_EXISTS,
	TTRPC_PERMISSION_DENIED,
	TTRPC_RESOURCE_EXHAUSTED,
	TTRPC_FAILED_PRECONDITION,
	TTRPC_ABORTED,
	TTRPC_OUT_OF_RANGE,
	TTRPC_UNIMPLEMENTED,
	TTRPC_INTERNAL,
	TTRPC_UNAVAILABLE,
	TTRPC_DATA_LOSS,
	TTRPC_UNAUTHENTICATED,
	TTRPC_CODE_COUNT,
};

/* Our errors cross the channel as these codes: @error is a negative errno; what has no code of
 * its own becomes INTERNAL, and that -EIO. */
enum ttrpc_code ttrpc_code_from_errno(int error);
int ttrpc_code_to_errno(int32_t code);
/* "NOT_FOUND"; "CODE_?" for numbers that gRPC does not know. */
const char *ttrpc_code_name(int32_t code);
