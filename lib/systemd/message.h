/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

/*
 * D-Bus messages as bytes (D-Bus Specification, "Message Protocol"), as much of them as talking to
 * systemd takes. Pure. Numbers have this machine's byte order, which a peer on the same machine has
 * too. Every message that is read is checked against its own bounds; a text in one ends with a NUL.
 */
#define MESSAGE_MAX_BYTES (1u << 20)

enum message_type { MESSAGE_CALL = 1, MESSAGE_RETURN, MESSAGE_ERROR, MESSAGE_SIGNAL };

struct message {
	uint8_t type;
	uint32_t serial;
	uint32_t reply_serial;
	const char *path; /* texts: NULL when missing, else the raw message's */
	const char *interface;
	const char *member;
	const char *error;
	const char *destination;
	const char *signature; /* of the body; NULL: it is empty */
	const char *body;
	size_t body_len;
	char *raw; /* owned */
};

void message_done(struct message *m);
#define cleanup_message CLEANUP(message_done)

/* How many bytes the message has that begins with these @len: 0 while they are too few to tell.
 * -EBADMSG: no message of ours. */
ssize_t message_size(const char *data, size_t len);
/* Takes @raw, a whole one of @len bytes. */
int message_parse(char *raw, size_t len, struct message *ret);
/* Appends @m to @out. */
void message_write(const struct message *m, struct strbuf *out);

/* A body is written in order; alignment counts from its begin. */
void message_put_byte(struct strbuf *body, uint8_t value);
void message_put_u16(struct strbuf *body, uint16_t value);
void message_put_u32(struct strbuf *body, uint32_t value);
void message_put_u64(struct strbuf *body, uint64_t value);
void message_put_string(struct strbuf *body, const char *value); /* an object's path too */
void message_put_signature(struct strbuf *body, const char *value);
/* A struct or an entry of a dictionary begins like this. */
void message_put_struct(struct strbuf *body);
/* An array of elements that are aligned to @alignment; *slot goes from one to the other. */
size_t message_begin_array(struct strbuf *body, size_t alignment);
void message_end_array(struct strbuf *body, size_t slot, size_t alignment);

/* Reading a body. -EBADMSG at its end, and for what cannot be. */
struct message_reader {
	const char *data;
	size_t len;
	size_t pos;
};
int message_get_u32(struct message_reader *r, uint32_t *ret);
int message_get_string(struct message_reader *r, const char **ret); /* borrowed */
