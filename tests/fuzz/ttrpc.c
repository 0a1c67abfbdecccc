/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/proto/method.h"
#include "agent/proto/ttrpc.h"
#include "lib/base/fifo.h"
#include "lib/base/str.h"

/*
 * Bytes as a peer sends them: frames, cut at a place that the first byte chooses, their envelopes
 * both ways, and the payload as every message there is. What can be decoded must encode again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_message(const pb_msgdesc_t *desc, size_t size, struct ttrpc_text payload)
{
	cleanup_free void *msg = xcalloc(1, size);
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	if (agent_message_decode(desc, size, payload.data, payload.len, msg) < 0)
		return;
	(void)agent_message_encode(desc, msg, &sb);
	agent_message_release(desc, msg);
}

static void try_messages(struct ttrpc_text payload)
{
	for (size_t i = 0; i < AGENT_METHOD_COUNT; i++) {
		const struct agent_method_info *info = &agent_methods[i];

		try_message(info->request, info->request_size, payload);
		try_message(info->response, info->response_size, payload);
	}
}

static void try_request(const uint8_t *payload, size_t len)
{
	struct ttrpc_request req;
	struct fifo out = FIFO_INIT;

	if (ttrpc_request_decode(payload, len, &req) < 0)
		return;
	if (ttrpc_request_encode(1, &req, &out) < 0)
		abort(); /* it came in a frame, so it fits into one */
	fifo_done(&out);
	try_messages(req.payload);
}

static void try_response(const uint8_t *payload, size_t len)
{
	struct ttrpc_response resp;
	struct fifo out = FIFO_INIT;

	if (ttrpc_response_decode(payload, len, &resp) < 0)
		return;
	(void)ttrpc_response_encode(1, &resp, &out); /* the status may grow by a few bytes */
	(void)ttrpc_code_to_errno(resp.code);
	fifo_done(&out);
	try_messages(resp.payload);
}

static int on_frame(void *ctx, const struct ttrpc_header *header, const uint8_t *payload)
{
	if (!payload)
		return 0;
	try_request(payload, header->length);
	try_response(payload, header->length);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ttrpc_decoder decoder = TTRPC_DECODER_INIT;
	size_t cut;

	if (!size)
		return 0;
	cut = data[0] % size;
	data++;
	size--;
	(void)ttrpc_decoder_feed(&decoder, data, cut, on_frame, NULL);
	(void)ttrpc_decoder_feed(&decoder, data + cut, size - cut, on_frame, NULL);
	ttrpc_decoder_done(&decoder);
	return 0;
}
