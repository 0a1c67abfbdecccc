/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/proto/messages.h"

#include <errno.h>
#include <pb_common.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

#include "lib/base/str.h"

/* The data is copied out of the stream even where it could be referred to: for a field sent with
 * a wrong wire type nanopb hands over a buffer on its own stack. */
static bool decode_bytes(pb_istream_t *in, struct agent_bytes *bytes)
{
	size_t size = in->bytes_left;
	uint8_t *data = xmalloc(size + 1);

	if (!pb_read(in, data, size)) {
		free(data);
		return false;
	}
	data[size] = '\0'; /* for readers of text; not counted */
	free((void *)bytes->data);
	*bytes = (struct agent_bytes){ data, size };
	return true;
}

bool agent_bytes_callback(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
	struct agent_bytes *bytes = field->pData;

	if (in)
		return decode_bytes(in, bytes);
	if (!bytes->size)
		return true;
	return pb_encode_tag_for_field(out, field) &&
	       pb_encode_string(out, bytes->data, bytes->size);
}

int agent_message_encode(const pb_msgdesc_t *desc, const void *msg, struct strbuf *sb)
{
	pb_ostream_t out;
	size_t size;

	if (!pb_get_encoded_size(&size, desc, msg))
		return -EMSGSIZE;
	strbuf_reserve(sb, size);
	out = pb_ostream_from_buffer((pb_byte_t *)sb->buf + sb->len, size);
	if (!pb_encode(&out, desc, msg))
		return -EMSGSIZE;
	sb->len += out.bytes_written;
	sb->buf[sb->len] = '\0';
	return 0;
}

int agent_message_decode(const pb_msgdesc_t *desc, size_t size, const void *data, size_t len,
			 void *ret)
{
	pb_istream_t in = pb_istream_from_buffer(data, len);

	memset(ret, 0, size);
	if (pb_decode_ex(&in, desc, ret, PB_DECODE_NOINIT))
		return 0;
	agent_message_release(desc, ret);
	memset(ret, 0, size);
	return -EBADMSG;
}

void agent_message_release(const pb_msgdesc_t *desc, void *msg)
{
	pb_field_iter_t field;

	/* pb_release() knows nothing of callback fields, and no message of ours has one deeper
	 * than its first level. */
	if (pb_field_iter_begin(&field, desc, msg)) {
		do {
			struct agent_bytes *bytes = field.pData;

			if (PB_ATYPE(field.type) != PB_ATYPE_CALLBACK)
				continue;
			free((void *)bytes->data);
			*bytes = (struct agent_bytes){ NULL, 0 };
		} while (pb_field_iter_next(&field));
	}
	pb_release(desc, msg);
}
