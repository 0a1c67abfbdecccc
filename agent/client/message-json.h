/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;
struct json_writer;
struct schema_message;
struct strbuf;

/*
 * Messages of the protocol as JSON: fields by their names in the .proto files, enums by the names
 * of their values (numbers are taken too), maps as objects. Bytes are base64; to be sent also
 * "@FILE", that file's content, or an object or array, whose text as it stands is meant (so an
 * OCI configuration can be written where one is wanted). null is as good as nothing. 64-bit
 * numbers are numbers, and taken as strings too.
 */
#define MESSAGE_MAX_BYTES (4u << 20) /* what a frame holds */

/* Appends the message's bytes to @sb. Errors read "NAME:LINE: FIELD: …". */
int message_from_json(const struct schema_message *message, const char *name, const char *text,
		      size_t len, struct strbuf *sb, struct error *err);

/* Writes the message as one object. Left out are lists and maps without entries, and messages
 * and optional numbers that are not there; everything else has a value. Its bytes may be
 * hostile: -EBADMSG when they are no message, with the writer in no state to be used; texts come
 * out as UTF-8 without control characters that a terminal obeys. */
int message_to_json(const struct schema_message *message, const void *data, size_t len,
		    struct json_writer *w);
