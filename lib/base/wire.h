/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct strbuf;

/* Fields as protobuf puts them on the wire, whatever message they are of. Pure; what is read may
 * come from a hostile guest. */
enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;	     /* all but WIRE_BYTES */
	const uint8_t *data; /* WIRE_BYTES: within what is read */
	size_t len;
};

struct wire_reader {
	const uint8_t *at;
	const uint8_t *end;
};

/* 1 and the next field, 0 at the end, -EBADMSG. */
int wire_next(struct wire_reader *reader, struct wire_field *ret);
/* A number out of packed ones; as above. */
int wire_next_packed(struct wire_reader *reader, uint64_t *ret);

void wire_add_varint(struct strbuf *sb, uint32_t number, uint64_t value);
void wire_add_bytes(struct strbuf *sb, uint32_t number, const void *data, size_t len);
