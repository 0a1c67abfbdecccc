/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/state.h"

#include <endian.h>
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static const char magic[8] = "MOAT-VM";

struct head {
	char magic[sizeof(magic)];
	uint32_t version;
	uint32_t has_memory;
	uint64_t len;
	uint64_t sum;
};

struct piece {
	uint64_t offset, size;
};

/* What is looked at as a whole; memory is a multiple of it. */
#define PAGE 4096u
#define PIECE_MAX (1u << 20)

static int bad(const char *why, struct error *err)
{
	return error_set(err, -EBADMSG, "the saved machine %s", why);
}

/* --- writing ------------------------------------------------------------------------------ */

static int write_out(int fd, const void *data, size_t len, struct error *err)
{
	int r = write_all(fd, data, len);

	return r < 0 ? error_sys(err, r, "write the machine's state") : 0;
}

int state_write(int fd, bool has_memory, const struct strbuf *state, struct error *err)
{
	struct head head = {
		.version = htole32(STATE_VERSION),
		.has_memory = htole32(has_memory),
		.len = htole64(state->len),
		.sum = htole64(fnv1a(FNV1A_INIT, state->buf, state->len)),
	};
	int r;

	if (state->len > STATE_MAX_BYTES)
		return error_set(err, -EFBIG, "the machine's state is larger than %u bytes",
				 STATE_MAX_BYTES);
	memcpy(head.magic, magic, sizeof(magic));
	r = write_out(fd, &head, sizeof(head), err);
	return r < 0 ? r : write_out(fd, state->buf, state->len, err);
}

static bool is_empty(const char *page)
{
	return !page[0] && memcmp(page, page + 1, PAGE - 1) == 0;
}

static uint64_t measure_piece(const char *memory, uint64_t size)
{
	uint64_t n = 0;

	while (n < size && n < PIECE_MAX && !is_empty(memory + n))
		n += PAGE;
	return n;
}

static int write_piece(int fd, const char *memory, uint64_t at, uint64_t size, struct error *err)
{
	const struct piece piece = { htole64(at), htole64(size) };
	int r = write_out(fd, &piece, sizeof(piece), err);

	return r < 0 ? r : write_out(fd, memory + at, size, err);
}

int state_write_memory(int fd, const void *memory, uint64_t size, struct error *err)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < size;) {
		uint64_t n = measure_piece((const char *)memory + at, size - at);

		if (n)
			r = write_piece(fd, memory, at, n, err);
		at += n ? n : PAGE;
	}
	return r < 0 ? r : write_piece(fd, memory, size, 0, err);
}

/* --- reading ------------------------------------------------------------------------------ */

static int read_in(int fd, void *buf, size_t len, struct error *err)
{
	int r = read_exact(fd, buf, len);

	if (r == -EPIPE)
		return bad("ends before its end", err);
	return r < 0 ? error_sys(err, r, "read the machine's state") : 0;
}

static int check_head(const struct head *head, bool has_memory, struct error *err)
{
	if (memcmp(head->magic, magic, sizeof(magic)) != 0)
		return bad("is none of the built-in VMM's", err);
	if (le32toh(head->version) != STATE_VERSION)
		return error_set(err, -EBADMSG,
				 "the saved machine is of version %u of its format, not %d",
				 le32toh(head->version), STATE_VERSION);
	if (le32toh(head->has_memory) != has_memory)
		return bad(has_memory ? "is without its memory" : "has its memory with it", err);
	return le64toh(head->len) > STATE_MAX_BYTES ? bad("is too large", err) : 0;
}

int state_read(int fd, bool has_memory, char **ret, size_t *ret_len, struct error *err)
{
	cleanup_free char *data = NULL;
	struct head head;
	size_t len;
	int r = read_in(fd, &head, sizeof(head), err);

	if (r == 0)
		r = check_head(&head, has_memory, err);
	if (r < 0)
		return r;
	len = le64toh(head.len);
	data = xcalloc(len + 1, 1);
	r = read_in(fd, data, len, err);
	if (r < 0)
		return r;
	if (le64toh(head.sum) != fnv1a(FNV1A_INIT, data, len))
		return bad("was changed since", err);
	*ret = steal_ptr(&data);
	*ret_len = len;
	return 0;
}

int state_read_memory(int fd, void *memory, uint64_t size, struct error *err)
{
	struct piece piece;
	uint64_t offset, n, at = 0;
	int r;

	do {
		r = read_in(fd, &piece, sizeof(piece), err);
		if (r < 0)
			return r;
		offset = le64toh(piece.offset);
		n = le64toh(piece.size);
		if (offset < at || offset > size || n > size - offset)
			return bad("has memory where the machine has none", err);
		r = read_in(fd, (char *)memory + offset, n, err);
		at = offset + n;
	} while (r == 0 && n);
	if (r == 0 && offset != size)
		return bad("ends before its end", err);
	return r;
}

/* --- fields ------------------------------------------------------------------------------- */

static int add(const struct wire_field *f, struct wire_field *list, size_t room, size_t *count)
{
	if (*count == room)
		return -EBADMSG;
	list[(*count)++] = *f;
	return 0;
}

static int take(const struct wire_field *f, struct state *s)
{
	if (f->number == STATE_MEMORY_BYTES && f->type == WIRE_VARINT)
		s->memory_bytes = f->value;
	if (f->type != WIRE_BYTES)
		return 0;
	switch (f->number) {
	case STATE_CHIP:
		s->chip = *f;
		return 0;
	case STATE_SERIAL:
		s->serial = *f;
		return 0;
	case STATE_VCPU:
		return add(f, s->vcpus, ARRAY_SIZE(s->vcpus), &s->vcpus_count);
	case STATE_WINDOW:
		return add(f, s->windows, ARRAY_SIZE(s->windows), &s->windows_count);
	default:
		return 0;
	}
}

int state_parse(const void *data, size_t len, struct state *ret)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	struct state s = { 0 };
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0) {
		r = take(&f, &s);
		if (r < 0)
			return r;
	}
	if (r < 0 || !s.chip.data || !s.serial.data)
		return -EBADMSG;
	*ret = s;
	return 0;
}
