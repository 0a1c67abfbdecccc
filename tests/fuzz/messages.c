/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/proto/method.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const pb_msgdesc_t *desc, const void *message, struct strbuf *ret)
{
	if (agent_message_encode(desc, message, ret) < 0)
		abort(); /* it came in a payload */
}

/* What was decoded, written out and read again, is the same. */
static void try_message(const pb_msgdesc_t *desc, size_t message_size, const uint8_t *data,
			size_t size)
{
	cleanup_free void *first = xcalloc(1, message_size), *second = xcalloc(1, message_size);
	cleanup_strbuf struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;

	if (agent_message_decode(desc, message_size, data, size, first) < 0)
		return;
	encode(desc, first, &once);
	if (agent_message_decode(desc, message_size, once.buf ? once.buf : "", once.len, second) <
	    0)
		abort();
	encode(desc, second, &twice);
	if (once.len != twice.len || (once.len && memcmp(once.buf, twice.buf, once.len) != 0))
		abort();
	agent_message_release(desc, first);
	agent_message_release(desc, second);
}

/* Each message of the protocol by itself: the first byte chooses. The others are parts of these. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct agent_method_info *info;

	if (!size)
		return 0;
	info = &agent_methods[data[0] / 2 % AGENT_METHOD_COUNT];
	if (data[0] & 1)
		try_message(info->response, info->response_size, data + 1, size - 1);
	else
		try_message(info->request, info->request_size, data + 1, size - 1);
	return 0;
}
