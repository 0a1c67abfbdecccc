/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/systemd/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every text of a message lies within it; so does whatever is read from its body. */
static void expect_within(const struct message *m, const char *text)
{
	if (text && (text < m->raw || text + strlen(text) >= m->body + m->body_len))
		abort();
}

static void read_body(const struct message *m)
{
	struct message_reader r = { m->body, m->body_len, 0 };
	const char *text;
	uint32_t number;

	while (message_get_u32(&r, &number) == 0 && message_get_string(&r, &text) == 0)
		expect_within(m, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_message struct message m = { 0 };

	if (message_parse(xmemdup(data, size), size, &m) < 0)
		return 0;
	expect_within(&m, m.path);
	expect_within(&m, m.interface);
	expect_within(&m, m.member);
	expect_within(&m, m.error);
	expect_within(&m, m.signature);
	read_body(&m);
	return 0;
}
