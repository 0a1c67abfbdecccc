/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/wire.h"

#include <endian.h>
#include <errno.h>

#include "lib/base/str.h"

static int read_varint(struct wire_reader *r, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; r->at < r->end && shift < 64; shift += 7) {
		uint8_t byte = *r->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 1;
		}
	}
	return -EBADMSG;
}

int wire_next_packed(struct wire_reader *r, uint64_t *ret)
{
	return r->at == r->end ? 0 : read_varint(r, ret);
}

static int read_fixed(struct wire_reader *r, size_t size, uint64_t *ret)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < size)
		return -EBADMSG;
	memcpy(&value, r->at, size);
	r->at += size;
	*ret = le64toh(value);
	return 1;
}

static int read_bytes(struct wire_reader *r, struct wire_field *f)
{
	uint64_t len;

	if (read_varint(r, &len) < 0 || len > (uint64_t)(r->end - r->at))
		return -EBADMSG;
	f->data = r->at;
	f->len = len;
	r->at += len;
	return 1;
}

int wire_next(struct wire_reader *r, struct wire_field *ret)
{
	struct wire_field f = { 0 };
	uint64_t tag;

	if (r->at == r->end)
		return 0;
	if (read_varint(r, &tag) < 0 || tag >> 3 == 0 || tag > UINT32_MAX)
		return -EBADMSG;
	f.number = (uint32_t)(tag >> 3);
	f.type = (enum wire_type)(tag & 7);
	*ret = f;
	switch (f.type) {
	case WIRE_VARINT:
		return read_varint(r, &ret->value);
	case WIRE_FIXED64:
		return read_fixed(r, 8, &ret->value);
	case WIRE_FIXED32:
		return read_fixed(r, 4, &ret->value);
	case WIRE_BYTES:
		return read_bytes(r, ret);
	}
	return -EBADMSG;
}

static void add_varint(struct strbuf *sb, uint64_t value)
{
	while (value >= 0x80) {
		strbuf_addch(sb, (char)(value | 0x80));
		value >>= 7;
	}
	strbuf_addch(sb, (char)value);
}

void wire_add_varint(struct strbuf *sb, uint32_t number, uint64_t value)
{
	add_varint(sb, (uint64_t)number << 3 | WIRE_VARINT);
	add_varint(sb, value);
}

void wire_add_bytes(struct strbuf *sb, uint32_t number, const void *data, size_t len)
{
	add_varint(sb, (uint64_t)number << 3 | WIRE_BYTES);
	add_varint(sb, len);
	strbuf_add(sb, data, len);
}
