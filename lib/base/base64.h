/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct strbuf;

/* RFC 4648, section 4, with padding. */
void base64_encode(const void *data, size_t len, struct strbuf *sb);

/* Appends what @text stands for; padding may be missing. -EINVAL, with @sb as it was. */
int base64_decode(const char *text, struct strbuf *sb);
