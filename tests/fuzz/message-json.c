/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/message-json.h"
#include "agent/client/schema.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the message. Whatever bytes a guest answers with become JSON that is read
 * again, or are refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct schema_message *message;
	cleanup_strbuf struct strbuf wire = STRBUF_INIT;
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;
	struct json_writer *w;

	if (!size)
		return 0;
	message = data[0] & 1 ? schema_methods[data[0] / 2 % schema_methods_count].response
			      : schema_methods[data[0] / 2 % schema_methods_count].request;
	w = json_writer_new(true);
	if (message_to_json(message, data + 1, size - 1, w) < 0) {
		json_writer_free(w);
		return 0;
	}
	text = json_finish(w);
	if (message_from_json(message, "fuzz", text, strlen(text), &wire, &err) < 0 &&
	    err.code != -E2BIG && err.code != -EFBIG && err.code != -EMSGSIZE)
		__builtin_trap();
	return 0;
}
