/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/base64.h"

#include <errno.h>
#include <stdint.h>

#include "lib/base/str.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct strbuf *sb)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
				 (left > 2 ? p[i + 2] : 0);

		strbuf_addch(sb, alphabet[group >> 18]);
		strbuf_addch(sb, alphabet[group >> 12 & 63]);
		strbuf_addch(sb, left > 1 ? alphabet[group >> 6 & 63] : '=');
		strbuf_addch(sb, left > 2 ? alphabet[group & 63] : '=');
	}
}

int base64_decode(const char *text, struct strbuf *sb)
{
	size_t count = strcspn(text, "="), start = sb->len;
	uint32_t bits = 0;

	if (strspn(text + count, "=") != strlen(text + count) || strlen(text + count) > 2 ||
	    count % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		const char *digit = strchr(alphabet, text[i]);

		if (!digit) {
			sb->len = start;
			return -EINVAL;
		}
		bits = bits << 6 | (uint32_t)(digit - alphabet);
		if (i % 4)
			strbuf_addch(sb, (char)(bits >> (6 - 2 * (i % 4))));
	}
	return 0;
}
