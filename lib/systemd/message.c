/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/systemd/message.h"

#include <errno.h>

/* Byte order, type, flags, version, length of the body, serial, length of the header's fields. */
#define FIXED_BYTES 16
#define VERSION 1
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_MARK 'l'
#else
#define BYTE_ORDER_MARK 'B'
#endif

enum field_code {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR,
	FIELD_REPLY_SERIAL,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE,
};

/* Those that are texts, in the order in which they are written. */
static const struct text_field {
	enum field_code code;
	const char *type;
	size_t offset;
} text_fields[] = {
	{ FIELD_PATH, "o", offsetof(struct message, path) },
	{ FIELD_INTERFACE, "s", offsetof(struct message, interface) },
	{ FIELD_MEMBER, "s", offsetof(struct message, member) },
	{ FIELD_ERROR, "s", offsetof(struct message, error) },
	{ FIELD_DESTINATION, "s", offsetof(struct message, destination) },
	{ FIELD_SIGNATURE, "g", offsetof(struct message, signature) },
};

static const char **text_of(const struct message *m, const struct text_field *field)
{
	return (const char **)((char *)m + field->offset);
}

void message_done(struct message *m)
{
	free(m->raw);
	*m = (struct message){ 0 };
}

static size_t aligned(size_t pos, size_t alignment)
{
	return (pos + alignment - 1) & ~(alignment - 1);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void pad(struct strbuf *body, size_t alignment)
{
	static const char zeros[8];

	strbuf_add(body, zeros, aligned(body->len, alignment) - body->len);
}

static void put(struct strbuf *body, const void *value, size_t size)
{
	pad(body, size);
	strbuf_add(body, value, size);
}

void message_put_byte(struct strbuf *body, uint8_t value)
{
	put(body, &value, sizeof(value));
}

void message_put_u16(struct strbuf *body, uint16_t value)
{
	put(body, &value, sizeof(value));
}

void message_put_u32(struct strbuf *body, uint32_t value)
{
	put(body, &value, sizeof(value));
}

void message_put_u64(struct strbuf *body, uint64_t value)
{
	put(body, &value, sizeof(value));
}

void message_put_string(struct strbuf *body, const char *value)
{
	size_t len = strlen(value);

	message_put_u32(body, (uint32_t)len);
	strbuf_add(body, value, len + 1);
}

void message_put_signature(struct strbuf *body, const char *value)
{
	size_t len = strlen(value);

	message_put_byte(body, (uint8_t)len);
	strbuf_add(body, value, len + 1);
}

void message_put_struct(struct strbuf *body)
{
	pad(body, 8);
}

size_t message_begin_array(struct strbuf *body, size_t alignment)
{
	size_t slot;

	message_put_u32(body, 0);
	slot = body->len - sizeof(uint32_t);
	pad(body, alignment);
	return slot;
}

/* The padding in front of the first element does not count. */
void message_end_array(struct strbuf *body, size_t slot, size_t alignment)
{
	uint32_t len = (uint32_t)(body->len - aligned(slot + sizeof(uint32_t), alignment));

	memcpy(body->buf + slot, &len, sizeof(len));
}

static void put_field(struct strbuf *header, const struct text_field *field, const char *value)
{
	message_put_struct(header);
	message_put_byte(header, (uint8_t)field->code);
	message_put_signature(header, field->type);
	if (field->code == FIELD_SIGNATURE)
		message_put_signature(header, value);
	else
		message_put_string(header, value);
}

void message_write(const struct message *m, struct strbuf *out)
{
	cleanup_strbuf struct strbuf header = STRBUF_INIT;
	size_t slot;

	message_put_byte(&header, BYTE_ORDER_MARK);
	message_put_byte(&header, m->type);
	message_put_byte(&header, 0);
	message_put_byte(&header, VERSION);
	message_put_u32(&header, (uint32_t)m->body_len);
	message_put_u32(&header, m->serial);
	slot = message_begin_array(&header, 8);
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
		if (*text_of(m, &text_fields[i]))
			put_field(&header, &text_fields[i], *text_of(m, &text_fields[i]));
	if (m->reply_serial) {
		message_put_struct(&header);
		message_put_byte(&header, FIELD_REPLY_SERIAL);
		message_put_signature(&header, "u");
		message_put_u32(&header, m->reply_serial);
	}
	message_end_array(&header, slot, 8);
	pad(&header, 8);
	strbuf_add(out, header.buf, header.len);
	strbuf_add(out, m->body, m->body_len);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int get(struct message_reader *r, void *ret, size_t size)
{
	size_t pos = aligned(r->pos, size);

	if (pos > r->len || r->len - pos < size)
		return -EBADMSG;
	memcpy(ret, r->data + pos, size);
	r->pos = pos + size;
	return 0;
}

int message_get_u32(struct message_reader *r, uint32_t *ret)
{
	return get(r, ret, sizeof(*ret));
}

static int get_text(struct message_reader *r, size_t len, const char **ret)
{
	const char *text = r->data + r->pos;

	if (len >= r->len - r->pos || memchr(text, '\0', len + 1) != text + len)
		return -EBADMSG;
	r->pos += len + 1;
	*ret = text;
	return 0;
}

int message_get_string(struct message_reader *r, const char **ret)
{
	uint32_t len;

	return message_get_u32(r, &len) < 0 ? -EBADMSG : get_text(r, len, ret);
}

static int get_signature(struct message_reader *r, const char **ret)
{
	uint8_t len;

	return get(r, &len, sizeof(len)) < 0 ? -EBADMSG : get_text(r, len, ret);
}

ssize_t message_size(const char *data, size_t len)
{
	uint32_t body, fields;
	size_t size;

	if (len < FIXED_BYTES)
		return 0;
	if (data[0] != BYTE_ORDER_MARK || data[3] != VERSION)
		return -EBADMSG;
	memcpy(&body, data + 4, sizeof(body));
	memcpy(&fields, data + 12, sizeof(fields));
	if (body > MESSAGE_MAX_BYTES || fields > MESSAGE_MAX_BYTES)
		return -EBADMSG;
	size = aligned(FIXED_BYTES + fields, 8) + body;
	return size > MESSAGE_MAX_BYTES ? -EBADMSG : (ssize_t)size;
}

static const struct text_field *find_field(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
		if (text_fields[i].code == code)
			return &text_fields[i];
	return NULL;
}

/* Fields that the specification may get yet have one of these types, or end our understanding. */
static int parse_field(struct message_reader *r, struct message *m)
{
	const struct text_field *field;
	const char *type, *text;
	uint32_t number;
	uint8_t code;

	r->pos = aligned(r->pos, 8);
	if (get(r, &code, sizeof(code)) < 0 || get_signature(r, &type) < 0)
		return -EBADMSG;
	if (streq(type, "u")) {
		if (message_get_u32(r, &number) < 0)
			return -EBADMSG;
		if (code == FIELD_REPLY_SERIAL)
			m->reply_serial = number;
		return 0;
	}
	if (streq(type, "g")
		    ? get_signature(r, &text) < 0
		    : !(streq(type, "s") || streq(type, "o")) || message_get_string(r, &text) < 0)
		return -EBADMSG;
	field = find_field(code);
	if (field)
		*text_of(m, field) = text;
	return 0;
}

int message_parse(char *raw, size_t len, struct message *ret)
{
	cleanup_message struct message m = { .raw = raw };
	struct message_reader r = { .data = raw, .pos = FIXED_BYTES };
	uint32_t fields, body;

	if (!len || message_size(raw, len) != (ssize_t)len)
		return -EBADMSG;
	m.type = (uint8_t)raw[1];
	memcpy(&body, raw + 4, sizeof(body));
	memcpy(&m.serial, raw + 8, sizeof(m.serial));
	memcpy(&fields, raw + 12, sizeof(fields));
	r.len = FIXED_BYTES + fields;
	while (r.pos < r.len)
		if (parse_field(&r, &m) < 0)
			return -EBADMSG;
	m.body = raw + len - body;
	m.body_len = body;
	*ret = m;
	m.raw = NULL;
	return 0;
}
