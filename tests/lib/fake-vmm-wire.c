/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "fake-vmm.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- what is watched ------------------------------------------------------------------------ */

/* As /proc has it: in its own pid namespace this process has none. */
static long find_parent(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long pid = 0;

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "PPid: %ld", &pid) != 1)
		;
	if (file)
		(void)fclose(file);
	return pid;
}

void report_memory(void)
{
	static long most;
	const char *report = getenv("FAKE_REPORT");
	char path[64], line[256];
	long now;
	FILE *file;

	if (!report)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%ld/status", find_parent());
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmHWM: %ld", &now) != 1 || now <= most)
			continue;
		FILE *out = fopen(report, "we");

		most = now;
		if (out && fprintf(out, "%ld\n", most) > 0)
			(void)fclose(out);
	}
	if (file)
		(void)fclose(file);
}

/* --- bytes ---------------------------------------------------------------------------------- */

void *grow(void *data, size_t size)
{
	data = realloc(data, size);
	if (!data)
		abort();
	return data;
}

void append(struct buffer *b, const void *data, size_t len)
{
	b->data = grow(b->data, b->len + len + 1);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void drop(struct buffer *b, size_t len)
{
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

void write_whole(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			exit(0); /* moat hung up */
		at += n;
		len -= (size_t)n;
	}
}

/* Everything that goes to moat goes through here. */
void emit(const void *data, size_t len)
{
	bool is_cut = guest.cut >= 0 && guest.sent + (long long)len >= guest.cut;

	if (guest.is_silent || guest.is_deaf)
		return;
	if (is_cut)
		len = (size_t)(guest.cut - guest.sent);
	write_whole(guest.channel, data, len);
	guest.sent += (long long)len;
	if (is_cut) {
		guest.cut = -1;
		(void)do_deed(guest.cut_deed, NULL, 0);
	}
}

void frame(unsigned int version, unsigned int type, unsigned int flags, uint32_t id,
	   uint32_t length, const void *data, size_t len)
{
	uint8_t *bytes = grow(NULL, YAMUX_HEADER + len);
	uint16_t wire_flags = htobe16((uint16_t)flags);
	uint32_t wire_id = htobe32(id), wire_length = htobe32(length);

	bytes[0] = (uint8_t)version;
	bytes[1] = (uint8_t)type;
	memcpy(bytes + 2, &wire_flags, 2);
	memcpy(bytes + 4, &wire_id, 4);
	memcpy(bytes + 8, &wire_length, 4);
	if (len)
		memcpy(bytes + YAMUX_HEADER, data, len);
	emit(bytes, YAMUX_HEADER + len);
	free(bytes);
}

void control(enum frame_type type, unsigned int flags, uint32_t id, uint32_t length)
{
	frame(0, type, flags, id, length, NULL, 0);
}

/* Waits for the window: what is too much for it is another deed. */
void send_data(struct stream *st, const void *data, size_t len)
{
	const uint8_t *at = data;
	bool was_talking = guest.is_talking;

	guest.is_talking = true;
	while (len && st->id) {
		size_t n = len < PIECE ? len : PIECE;

		n = n < st->window ? n : st->window;
		if (!n) {
			pump(50);
			continue;
		}
		st->window -= (uint32_t)n;
		frame(0, DATA, 0, st->id, (uint32_t)n, at, n);
		at += n;
		len -= n;
	}
	guest.is_talking = was_talking;
}

/* --- protobuf and ttRPC, as much as is needed ------------------------------------------------ */

static void put_varint(struct buffer *b, uint64_t value)
{
	do {
		uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

		append(b, &byte, 1);
		value >>= 7;
	} while (value);
}

void put_number(struct buffer *b, unsigned int tag, uint64_t value)
{
	put_varint(b, tag << 3);
	put_varint(b, value);
}

void put_text(struct buffer *b, unsigned int tag, const void *data, size_t len)
{
	put_varint(b, tag << 3 | 2);
	put_varint(b, len);
	append(b, data, len);
}

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	*ret = 0;
	for (unsigned int shift = 0; *at < end && shift < 64; shift += 7) {
		*ret |= (uint64_t)(**at & 0x7f) << shift;
		if (!(*(*at)++ & 0x80))
			return true;
	}
	return false;
}

/* The last field @tag: its text in *ret_text, or its number. */
uint64_t find_field(const uint8_t *at, size_t len, unsigned int tag, struct buffer *ret_text)
{
	const uint8_t *end = at + len;
	uint64_t key, value, found = 0;

	*ret_text = (struct buffer){ (uint8_t *)"", 0 };
	while (at < end && take_varint(&at, end, &key) && take_varint(&at, end, &value)) {
		bool is_wanted = key >> 3 == tag;

		if ((key & 7) == 2) {
			if (value > (size_t)(end - at))
				break;
			if (is_wanted)
				*ret_text = (struct buffer){ (uint8_t *)at, value };
			at += value;
		} else if (is_wanted) {
			found = value;
		}
	}
	return found;
}

void send_message(struct stream *st, uint32_t length, uint32_t call, uint8_t type,
		  const struct buffer *payload)
{
	uint32_t wire_length = htobe32(length), wire_call = htobe32(call);
	struct buffer b = { 0 };

	append(&b, &wire_length, 4);
	append(&b, &wire_call, 4);
	append(&b, (uint8_t[]){ type, 0 }, 2);
	append(&b, payload->data, payload->len);
	send_data(st, b.data, b.len);
	free(b.data);
}

void respond(struct stream *st, uint32_t call, uint8_t type, int64_t code, const void *text,
	     size_t text_len, const struct buffer *message)
{
	struct buffer status = { 0 }, payload = { 0 };

	put_number(&status, 1, (uint64_t)code);
	put_text(&status, 2, text, text_len);
	put_text(&payload, 1, status.data, status.len);
	if (message && message->len)
		put_text(&payload, 2, message->data, message->len);
	send_message(st, (uint32_t)payload.len, call, type, &payload);
	free(status.data);
	free(payload.data);
}

void answer(struct stream *st, uint32_t call, const struct buffer *message)
{
	respond(st, call, 2, 0, "", 0, message);
}

void answer_number(struct stream *st, uint32_t call, uint64_t number)
{
	struct buffer b = { 0 };

	put_number(&b, 1, number);
	answer(st, call, &b);
	free(b.data);
}

struct stream *find_number(uint32_t number)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (guest.streams[i].id && guest.streams[i].use == STDIO &&
		    guest.streams[i].number == number)
			return &guest.streams[i];
	return NULL;
}
