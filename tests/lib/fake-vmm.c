/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-vmm QEMU'S ARGUMENTS: what `vm.hypervisor` of moat.json may name instead of QEMU. There is no
 * machine: it speaks as the agent of a guest would on the chardev "agent", with containers that
 * exist by its word alone, and misbehaves as the environment says. It shares no code with moat, so
 * that the two do not agree on a mistake.
 *
 *	FAKE_GUEST	MOMENT:DEED: what it does at the first such moment, instead of what is right.
 *			A moment is "start", "greet", "connect", "stdio" (the connections' first lines)
 *			or a method of the agent's; "+METHOD" is just after its right answer.
 *	FAKE_CUT	N:DEED: when N bytes were sent, in the middle of whatever that is.
 *	FAKE_EXIT	N: its containers end by themselves, with this status; else when signalled
 *	FAKE_REPORT	a file that gets the largest memory use of the process that started it, in KiB
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define YAMUX_HEADER 12
#define TTRPC_HEADER 10
#define WINDOW (256u * 1024)
#define STREAMS 256
#define MESSAGE_MAX (4u << 20)
#define PIECE (32u * 1024)
#define FLOOD (256u << 20) /* somebody's disk is at the other end */

enum frame_type { DATA, WINDOW_UPDATE, PING, GO_AWAY };
enum flag { SYN = 1, ACK = 2, FIN = 4, RST = 8 };
enum use { HANDSHAKE, RPC, STDIO };

struct buffer {
	uint8_t *data;
	size_t len;
};

struct stream {
	uint32_t id; /* 0: free */
	enum use use;
	uint32_t number; /* of STDIO */
	uint32_t window; /* what moat's side still takes */
	struct buffer in;
};

struct waiter {
	struct stream *stream;
	uint32_t call;
};

static struct guest {
	int channel, qmp, console;
	struct stream streams[STREAMS];
	struct buffer in;
	uint32_t last_number;
	uint32_t stdio[3]; /* ports of the first container */
	struct waiter init_waiters[64];
	size_t init_waiters_count;
	bool has_ended;
	int status;

	char *moment, *deed; /* NULL once done */
	long long cut, sent;
	char *cut_deed;
	bool is_silent;	 /* reads, but says nothing more */
	bool is_deaf;	 /* does not even read */
	bool is_talking; /* in the middle of a message: what is asked meanwhile waits */
	struct stream *flooded;
	int flooded_fd;
} guest = { .channel = -1, .qmp = -1, .console = -1, .cut = -1, .flooded_fd = -1 };

static bool do_deed(const char *name, struct stream *st, uint32_t call);

/* --- what is watched ------------------------------------------------------------------------ */

static void report_memory(void)
{
	static long most;
	const char *report = getenv("FAKE_REPORT");
	char path[64], line[256];
	long now;
	FILE *file;

	if (!report)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)getppid());
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

static void *grow(void *data, size_t size)
{
	data = realloc(data, size);
	if (!data)
		abort();
	return data;
}

static void append(struct buffer *b, const void *data, size_t len)
{
	b->data = grow(b->data, b->len + len + 1);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void drop(struct buffer *b, size_t len)
{
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

static void write_whole(int fd, const void *data, size_t len)
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
static void emit(const void *data, size_t len)
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

static void frame(unsigned int version, unsigned int type, unsigned int flags, uint32_t id,
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

static void control(enum frame_type type, unsigned int flags, uint32_t id, uint32_t length)
{
	frame(0, type, flags, id, length, NULL, 0);
}

static void pump(int timeout_ms);

/* Waits for the window: what is too much for it is another deed. */
static void send_data(struct stream *st, const void *data, size_t len)
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

static void put_number(struct buffer *b, unsigned int tag, uint64_t value)
{
	put_varint(b, tag << 3);
	put_varint(b, value);
}

static void put_text(struct buffer *b, unsigned int tag, const void *data, size_t len)
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
static uint64_t find_field(const uint8_t *at, size_t len, unsigned int tag, struct buffer *ret_text)
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

static void send_message(struct stream *st, uint32_t length, uint32_t call, uint8_t type,
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

static void respond(struct stream *st, uint32_t call, uint8_t type, int64_t code, const void *text,
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

static void answer(struct stream *st, uint32_t call, const struct buffer *message)
{
	respond(st, call, 2, 0, "", 0, message);
}

static void answer_number(struct stream *st, uint32_t call, uint64_t number)
{
	struct buffer b = { 0 };

	put_number(&b, 1, number);
	answer(st, call, &b);
	free(b.data);
}

/* --- deeds ---------------------------------------------------------------------------------- */

static const char evil[] = "\033]0;owned\007\033[2J\r\b\x9b\xc2\x9b"
			   "31m\xff\xfe%s%n\n\nmoat: all is well\n";

static struct buffer noise(size_t len)
{
	struct buffer b = { grow(NULL, len + 1), len };
	uint32_t x = 12345;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		b.data[i] = (uint8_t)(x >> 24);
	}
	return b;
}

static struct buffer repeat(const void *data, size_t len, size_t total)
{
	struct buffer b = { grow(NULL, total + len), 0 };

	while (b.len < total) {
		memcpy(b.data + b.len, data, len);
		b.len += len;
	}
	return b;
}

static void do_exit(struct stream *st, uint32_t call)
{
	report_memory();
	exit(3);
}

static void do_kill(struct stream *st, uint32_t call)
{
	report_memory();
	(void)raise(SIGKILL);
}

static void do_hang_up(struct stream *st, uint32_t call)
{
	(void)shutdown(guest.channel, SHUT_RDWR);
	guest.is_silent = guest.is_deaf = true;
}

static void do_half_close(struct stream *st, uint32_t call)
{
	(void)shutdown(guest.channel, SHUT_WR);
	guest.is_silent = true;
}

static void do_silence(struct stream *st, uint32_t call)
{
	guest.is_silent = true;
}

static void do_deaf(struct stream *st, uint32_t call)
{
	guest.is_deaf = true;
}

static void do_nothing(struct stream *st, uint32_t call)
{
	/* This one call is never answered. */
}

/* On the channel itself. */

static void do_garbage(struct stream *st, uint32_t call)
{
	struct buffer b = noise(64 * 1024);

	emit(b.data, b.len);
	free(b.data);
}

static void do_zeros(struct stream *st, uint32_t call)
{
	struct buffer b = repeat("\0", 1, YAMUX_HEADER * 100000);

	emit(b.data, b.len); /* data frames of no stream */
	free(b.data);
}

static void do_version(struct stream *st, uint32_t call)
{
	frame(7, DATA, 0, 1, 0, NULL, 0);
}

static void do_type(struct stream *st, uint32_t call)
{
	frame(0, 99, 0, 1, 0, NULL, 0);
}

static void do_go_away(struct stream *st, uint32_t call)
{
	control(GO_AWAY, 0, 0, 0);
}

static void do_go_away_error(struct stream *st, uint32_t call)
{
	control(GO_AWAY, 0, 0, 0x7fffffff);
}

static void do_open(struct stream *st, uint32_t call)
{
	for (uint32_t id = 2; id < 20000; id += 2)
		control(WINDOW_UPDATE, SYN, id, 0);
}

static void do_open_ours(struct stream *st, uint32_t call)
{
	control(WINDOW_UPDATE, SYN, st ? st->id : 1, 0);
}

static void do_open_zero(struct stream *st, uint32_t call)
{
	control(WINDOW_UPDATE, SYN, 0, 0);
}

static void do_pings(struct stream *st, uint32_t call)
{
	/* Without reading the answers. */
	for (int i = 0; i < 400000; i++)
		control(PING, SYN, 0, (uint32_t)i);
}

static void do_acknowledge(struct stream *st, uint32_t call)
{
	for (int i = 0; i < 20000; i++) {
		control(PING, ACK, 0, (uint32_t)i);
		control(WINDOW_UPDATE, ACK, st ? st->id : 1, 0);
	}
}

static void do_stranger(struct stream *st, uint32_t call)
{
	struct buffer b = noise(1 << 20);

	/* To a stream that never was, and far more is announced than comes. */
	frame(0, DATA, 0, 0x7fffffff, UINT32_MAX, b.data, b.len);
	free(b.data);
}

static void do_widen(struct stream *st, uint32_t call)
{
	for (int i = 0; i < 2; i++)
		control(WINDOW_UPDATE, 0, st ? st->id : 1, UINT32_MAX);
}

static void do_exceed(struct stream *st, uint32_t call)
{
	struct buffer b = noise(PIECE);

	for (size_t i = 0; i < 64; i++)
		frame(0, DATA, 0, st ? st->id : 1, PIECE, b.data, b.len);
	free(b.data);
}

static void do_exceed_at_once(struct stream *st, uint32_t call)
{
	frame(0, DATA, 0, st ? st->id : 1, WINDOW + 1, "", 1);
}

static void do_reset(struct stream *st, uint32_t call)
{
	control(WINDOW_UPDATE, RST, st ? st->id : 1, 0);
}

static void do_reset_all(struct stream *st, uint32_t call)
{
	for (uint32_t id = 1; id < 64; id += 2)
		control(DATA, RST, id, 0);
}

static void do_finish_all(struct stream *st, uint32_t call)
{
	for (uint32_t id = 1; id < 64; id += 2)
		control(DATA, FIN, id, 0);
}

static void do_finish_and_send(struct stream *st, uint32_t call)
{
	uint32_t id = st ? st->id : 1;

	control(DATA, FIN, id, 0);
	frame(0, DATA, 0, id, 5, "hello", 5);
}

/* In place of the line that answers CONNECT. */

static void do_line_garbage(struct stream *st, uint32_t call)
{
	struct buffer b = noise(4096);

	send_data(st, b.data, b.len);
	free(b.data);
}

static void do_line_long(struct stream *st, uint32_t call)
{
	struct buffer b = repeat("OK ", 3, 1 << 20);

	send_data(st, b.data, b.len);
	free(b.data);
}

static void do_line(struct stream *st, const char *text)
{
	send_data(st, text, strlen(text));
}

static void do_line_large(struct stream *st, uint32_t call)
{
	do_line(st, "OK 99999999999999999999\n");
}

static void do_line_negative(struct stream *st, uint32_t call)
{
	do_line(st, "OK -1\n");
}

static void do_line_zero(struct stream *st, uint32_t call)
{
	send_data(st, "OK 1\0 2\n", 8);
}

static void do_line_evil(struct stream *st, uint32_t call)
{
	do_line(st, evil);
}

static void do_line_more(struct stream *st, uint32_t call)
{
	/* A frame of no known type behind it. */
	do_line(st, "OK 1\n");
	send_data(st, "\0\0\0\1\0\0\0\1\7\0x", 11);
}

/* In place of an answer. */

static void do_error(struct stream *st, uint32_t call)
{
	struct buffer text = repeat(evil, sizeof(evil) - 1, 1 << 20);

	respond(st, call, 2, 13, text.data, text.len, NULL);
	free(text.data);
}

static void do_error_code(struct stream *st, uint32_t call)
{
	respond(st, call, 2, INT64_MIN, "", 0, NULL);
}

static void do_twice(struct stream *st, uint32_t call)
{
	answer(st, call, NULL);
	answer(st, call, NULL);
}

static void do_other_call(struct stream *st, uint32_t call)
{
	answer(st, call + 2, NULL);
}

static void do_even_call(struct stream *st, uint32_t call)
{
	answer(st, call + 1, NULL);
}

static void do_request(struct stream *st, uint32_t call)
{
	respond(st, call, 1, 0, "", 0, NULL);
}

static void do_data(struct stream *st, uint32_t call)
{
	respond(st, call, 3, 0, "", 0, NULL);
}

static void do_odd_type(struct stream *st, uint32_t call)
{
	respond(st, call, 255, 0, "", 0, NULL);
}

static void do_bad_envelope(struct stream *st, uint32_t call)
{
	struct buffer b = noise(100);

	send_message(st, (uint32_t)b.len, call, 2, &b);
	free(b.data);
}

static void do_bad_message(struct stream *st, uint32_t call)
{
	struct buffer b = noise(100);

	answer(st, call, &b);
	free(b.data);
}

static void do_empty(struct stream *st, uint32_t call)
{
	send_message(st, 0, call, 2, &(struct buffer){ (uint8_t *)"", 0 });
}

static void do_too_long(struct stream *st, uint32_t call)
{
	struct buffer b = noise(MESSAGE_MAX + 1);

	send_message(st, (uint32_t)b.len, call, 2, &b);
	free(b.data);
}

static void do_longest(struct stream *st, uint32_t call)
{
	struct buffer b = noise(MESSAGE_MAX);

	send_message(st, (uint32_t)b.len, call, 2, &b);
	free(b.data);
}

/* An answer of 4 GiB, of which as much is sent as is taken. */
static void do_endless_answer(struct stream *st, uint32_t call)
{
	send_message(st, UINT32_MAX, call, 2, &(struct buffer){ (uint8_t *)"", 0 });
	guest.flooded = st;
}

/* Answers to a call that was answered before, without end. */
static void do_endless_answers(struct stream *st, uint32_t call)
{
	for (;;)
		respond(st, 1, 2, 0, "", 0, NULL);
}

/* As many entries as fit, each of two bytes: network_stats of StatsContainerResponse. */
static void do_counts(struct stream *st, uint32_t call)
{
	struct buffer b = repeat("\x12\0", 2, MESSAGE_MAX - 64);

	answer(st, call, &b);
	free(b.data);
}

/* io_service_bytes_recursive, in cgroup_stats. */
static void do_deep_counts(struct stream *st, uint32_t call)
{
	struct buffer entries = repeat("\x0a\0", 2, MESSAGE_MAX - 128), blkio = { 0 },
		      stats = { 0 };

	put_text(&blkio, 4, entries.data, entries.len);
	put_text(&stats, 1, blkio.data, blkio.len);
	answer(st, call, &stats);
	free(entries.data);
	free(blkio.data);
	free(stats.data);
}

static void do_status_large(struct stream *st, uint32_t call)
{
	answer_number(st, call, UINT64_MAX - 1);
}

/* A list of processes that is no list. */
static void do_list_evil(struct stream *st, uint32_t call)
{
	struct buffer b = { 0 };

	put_text(&b, 1, evil, sizeof(evil) - 1);
	answer(st, call, &b);
	free(b.data);
}

static void do_list_deep(struct stream *st, uint32_t call)
{
	struct buffer text = repeat("[", 1, MESSAGE_MAX - 64), b = { 0 };

	put_text(&b, 1, text.data, text.len);
	answer(st, call, &b);
	free(text.data);
	free(b.data);
}

static void do_list_long(struct stream *st, uint32_t call)
{
	struct buffer text = repeat("1,", 2, MESSAGE_MAX - 64), b = { 0 };

	text.data[0] = '[';
	text.data[1] = ' ';
	memcpy(text.data + text.len - 2, "1]", 2);
	put_text(&b, 1, text.data, text.len);
	answer(st, call, &b);
	free(text.data);
	free(b.data);
}

/* A process's output without end, whatever else happens. */

static struct stream *find_number(uint32_t number)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (guest.streams[i].id && guest.streams[i].use == STDIO &&
		    guest.streams[i].number == number)
			return &guest.streams[i];
	return NULL;
}

static void do_flood_stdin(struct stream *st, uint32_t call)
{
	guest.flooded = find_number(guest.stdio[0]);
}

static void do_flood_stdout(struct stream *st, uint32_t call)
{
	guest.flooded = find_number(guest.stdio[1]);
}

static void do_flood_stderr(struct stream *st, uint32_t call)
{
	guest.flooded = find_number(guest.stdio[2]);
}

static void do_flood_console(struct stream *st, uint32_t call)
{
	guest.flooded_fd = guest.console;
}

static void do_flood_log(struct stream *st, uint32_t call)
{
	guest.flooded_fd = STDERR_FILENO;
}

static void do_flood_qmp(struct stream *st, uint32_t call)
{
	guest.flooded_fd = guest.qmp;
}

/* Last words on the console, then the end. */
static void do_last_words(struct stream *st, uint32_t call)
{
	struct buffer b = repeat(evil, sizeof(evil) - 1, 100000);

	write_whole(guest.console, b.data, b.len);
	write_whole(STDERR_FILENO, b.data, b.len);
	free(b.data);
	(void)poll(NULL, 0, 20); /* for moat to read them */
	exit(4);
}

/* Its process has ended, and yet its output goes on. */
static void do_flood_after_end(struct stream *st, uint32_t call)
{
	guest.flooded = find_number(guest.stdio[1]);
	answer_number(st, call, 5);
}

/* clang-format off */
static const struct deed {
	const char *name;
	void (*run)(struct stream *st, uint32_t call);
	bool goes_on; /* what is right is done after it, as far as it is still possible */
} deeds[] = {
	{ "exit", do_exit },
	{ "kill", do_kill },
	{ "hang-up", do_hang_up },
	{ "half-close", do_half_close },
	{ "silence", do_silence },
	{ "deaf", do_deaf },
	{ "nothing", do_nothing },
	{ "garbage", do_garbage, true },
	{ "zeros", do_zeros, true },
	{ "version", do_version, true },
	{ "type", do_type, true },
	{ "go-away", do_go_away, true },
	{ "go-away-error", do_go_away_error, true },
	{ "open", do_open, true },
	{ "open-ours", do_open_ours, true },
	{ "open-zero", do_open_zero, true },
	{ "pings", do_pings, true },
	{ "acknowledge", do_acknowledge, true },
	{ "stranger", do_stranger, true },
	{ "widen", do_widen, true },
	{ "exceed", do_exceed, true },
	{ "exceed-at-once", do_exceed_at_once, true },
	{ "reset", do_reset, true },
	{ "reset-all", do_reset_all, true },
	{ "finish-all", do_finish_all, true },
	{ "finish-and-send", do_finish_and_send, true },
	{ "line-garbage", do_line_garbage },
	{ "line-long", do_line_long },
	{ "line-large", do_line_large },
	{ "line-negative", do_line_negative },
	{ "line-zero", do_line_zero },
	{ "line-evil", do_line_evil },
	{ "line-more", do_line_more },
	{ "error", do_error },
	{ "error-code", do_error_code },
	{ "twice", do_twice },
	{ "other-call", do_other_call },
	{ "even-call", do_even_call },
	{ "request", do_request },
	{ "data", do_data },
	{ "odd-type", do_odd_type },
	{ "bad-envelope", do_bad_envelope },
	{ "bad-message", do_bad_message },
	{ "empty", do_empty },
	{ "too-long", do_too_long },
	{ "longest", do_longest },
	{ "endless-answer", do_endless_answer },
	{ "endless-answers", do_endless_answers },
	{ "counts", do_counts },
	{ "deep-counts", do_deep_counts },
	{ "status-large", do_status_large },
	{ "list-evil", do_list_evil },
	{ "list-deep", do_list_deep },
	{ "list-long", do_list_long },
	{ "flood-stdin", do_flood_stdin, true },
	{ "flood-stdout", do_flood_stdout, true },
	{ "flood-stderr", do_flood_stderr, true },
	{ "flood-console", do_flood_console, true },
	{ "flood-log", do_flood_log, true },
	{ "flood-qmp", do_flood_qmp, true },
	{ "last-words", do_last_words },
	{ "flood-after-end", do_flood_after_end },
};
/* clang-format on */

static const struct deed *find_deed(const char *name)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].name, name) == 0)
			return &deeds[i];
	(void)fprintf(stderr, "fake-vmm: no such deed: '%s'\n", name);
	exit(2);
}

/* True: what is right is to be done all the same. */
static bool do_deed(const char *name, struct stream *st, uint32_t call)
{
	const struct deed *deed = find_deed(name);

	deed->run(st, call);
	report_memory();
	return deed->goes_on;
}

/* True: the deed was done instead of what is right. */
static bool is_the_moment(const char *moment, struct stream *st, uint32_t call)
{
	char *deed = guest.deed;

	if (!deed || strcmp(guest.moment, moment) != 0)
		return false;
	guest.deed = NULL;
	return !do_deed(deed, st, call);
}

/* --- the agent ------------------------------------------------------------------------------ */

static void finish_stream(uint32_t number)
{
	struct stream *st = find_number(number);

	if (st && number)
		control(DATA, FIN, st->id, 0);
}

static void say(uint32_t number, const char *text)
{
	struct stream *st = find_number(number);

	if (st && number)
		send_data(st, text, strlen(text));
}

static void end_container(int status)
{
	guest.has_ended = true;
	guest.status = status;
	finish_stream(guest.stdio[1]);
	finish_stream(guest.stdio[2]);
	for (size_t i = 0; i < guest.init_waiters_count; i++)
		answer_number(guest.init_waiters[i].stream, guest.init_waiters[i].call,
			      (uint64_t)status);
	guest.init_waiters_count = 0;
}

static void create_container(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer none;

	for (unsigned int i = 0; i < 3; i++)
		guest.stdio[i] = (uint32_t)find_field(message, len, 9 + i, &none);
	answer(st, call, NULL);
}

static void start_container(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	const char *text = getenv("FAKE_EXIT");
	int status;

	answer(st, call, NULL);
	say(guest.stdio[1], "hello\n");
	if (text && sscanf(text, "%d", &status) == 1)
		end_container(status);
}

static void exec_process(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer none;
	uint32_t ports[2];

	for (unsigned int i = 0; i < 2; i++)
		ports[i] = (uint32_t)find_field(message, len, 6 + i, &none);
	answer(st, call, NULL);
	say(ports[0], "exec\n");
	finish_stream(ports[0]);
	finish_stream(ports[1]);
}

/* An exec's process has always ended already. */
static void wait_process(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer container, process;

	(void)find_field(message, len, 1, &container);
	(void)find_field(message, len, 2, &process);
	if (container.len != process.len ||
	    memcmp(container.data, process.data, container.len) != 0)
		answer_number(st, call, 0);
	else if (guest.has_ended)
		answer_number(st, call, (uint64_t)guest.status);
	else if (guest.init_waiters_count < 64)
		guest.init_waiters[guest.init_waiters_count++] = (struct waiter){ st, call };
}

static void signal_process(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer none;
	int sig = (int)find_field(message, len, 3, &none);

	answer(st, call, NULL);
	if (sig == SIGKILL || sig == SIGTERM)
		end_container(128 + sig);
}

static void list_processes(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer b = { 0 };

	put_text(&b, 1, "[1]", 3);
	answer(st, call, &b);
	free(b.data);
}

static void never(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	/* GetOOMEvent waits for one. */
}

static const struct method {
	const char *name;
	void (*run)(struct stream *st, uint32_t call, const uint8_t *message, size_t len);
} methods[] = {
	{ "CreateContainer", create_container },
	{ "StartContainer", start_container },
	{ "ExecProcess", exec_process },
	{ "WaitProcess", wait_process },
	{ "SignalProcess", signal_process },
	{ "ListProcesses", list_processes },
	{ "GetOOMEvent", never },
};

static void on_request(struct stream *st, uint32_t call, const uint8_t *payload, size_t len)
{
	struct buffer method, message;
	char name[64], after[66];

	(void)find_field(payload, len, 2, &method);
	(void)find_field(payload, len, 3, &message);
	(void)snprintf(name, sizeof(name), "%.*s", (int)method.len, (const char *)method.data);
	(void)snprintf(after, sizeof(after), "+%s", name);
	if (is_the_moment(name, st, call))
		return;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, name) != 0)
			continue;
		methods[i].run(st, call, message.data, message.len);
		(void)is_the_moment(after, st, 0);
		return;
	}
	answer(st, call, NULL);
	(void)is_the_moment(after, st, 0);
}

static void on_line(struct stream *st)
{
	char reply[32];
	bool is_stdio = strstr((const char *)st->in.data, "1027") != NULL;

	st->use = is_stdio ? STDIO : RPC;
	st->number = ++guest.last_number;
	if (is_the_moment(is_stdio ? "stdio" : "connect", st, 0))
		return;
	(void)snprintf(reply, sizeof(reply), "OK %u\n", st->number);
	send_data(st, reply, strlen(reply));
}

static void on_stream_data(struct stream *st)
{
	uint8_t *end;

	if (st->use == STDIO)
		st->in.len = 0;
	if (st->use == HANDSHAKE && !guest.is_talking) {
		append(&st->in, "", 0);
		st->in.data[st->in.len] = '\0';
		end = memchr(st->in.data, '\n', st->in.len);
		if (!end)
			return;
		on_line(st);
		drop(&st->in, (size_t)(end - st->in.data) + 1);
	}
	while (st->id && st->use == RPC && st->in.len >= TTRPC_HEADER && !guest.is_talking) {
		struct buffer in = st->in;
		uint32_t length, call;

		memcpy(&length, in.data, 4);
		memcpy(&call, in.data + 4, 4);
		length = be32toh(length);
		if (in.len < TTRPC_HEADER + (size_t)length)
			return;
		/* Before the call is served, since that may read more. */
		st->in = (struct buffer){ 0 };
		append(&st->in, in.data + TTRPC_HEADER + length, in.len - TTRPC_HEADER - length);
		on_request(st, be32toh(call), in.data + TTRPC_HEADER, length);
		free(in.data);
	}
}

/* --- yamux ---------------------------------------------------------------------------------- */

static struct stream *find_stream(uint32_t id)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (guest.streams[i].id == id)
			return &guest.streams[i];
	return NULL;
}

static void forget_stream(struct stream *st)
{
	if (guest.flooded == st)
		guest.flooded = NULL;
	free(st->in.data);
	*st = (struct stream){ 0 };
}

static void open_stream(uint32_t id)
{
	struct stream *st = find_stream(0);

	if (!st) {
		control(WINDOW_UPDATE, RST, id, 0);
		return;
	}
	*st = (struct stream){ .id = id, .window = WINDOW };
	control(WINDOW_UPDATE, ACK, id, 0);
}

static void on_frame(uint8_t type, uint16_t flags, uint32_t id, uint32_t length,
		     const uint8_t *data)
{
	struct stream *st;

	if (type == PING && flags & SYN)
		control(PING, ACK, 0, length);
	if (type > WINDOW_UPDATE)
		return;
	if (flags & SYN)
		open_stream(id);
	st = id ? find_stream(id) : NULL;
	if (!st)
		return;
	if (type == WINDOW_UPDATE)
		st->window += length;
	if (type == DATA && length) {
		append(&st->in, data, length);
		control(WINDOW_UPDATE, 0, id, length);
		on_stream_data(st);
	}
	if (flags & (FIN | RST) && st->id == id) {
		if (flags & FIN && st->use != STDIO)
			control(DATA, FIN, id, 0);
		if (flags & RST || st->use != STDIO)
			forget_stream(st);
	}
}

/* Each frame is taken out before it is served, since serving it may come back here. */
static bool take_frame(void)
{
	const uint8_t *at = guest.in.data;
	uint32_t id, length, payload;
	uint16_t flags;
	uint8_t type, *data;

	if (guest.in.len < YAMUX_HEADER)
		return false;
	type = at[1];
	memcpy(&flags, at + 2, 2);
	memcpy(&id, at + 4, 4);
	memcpy(&length, at + 8, 4);
	length = be32toh(length);
	payload = type == DATA ? length : 0;
	if (guest.in.len < YAMUX_HEADER + (size_t)payload)
		return false;
	data = grow(NULL, payload + 1);
	memcpy(data, at + YAMUX_HEADER, payload);
	drop(&guest.in, YAMUX_HEADER + payload);
	on_frame(type, be16toh(flags), be32toh(id), length, data);
	free(data);
	return true;
}

static void read_channel(void)
{
	uint8_t buf[64 * 1024];
	ssize_t n = read(guest.channel, buf, sizeof(buf));

	if (n <= 0)
		exit(0);
	append(&guest.in, buf, (size_t)n);
	while (take_frame())
		;
}

/* --- the machine ---------------------------------------------------------------------------- */

/* What came while it was talking. */
static void serve_the_rest(void)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (guest.streams[i].id && guest.streams[i].in.len)
			on_stream_data(&guest.streams[i]);
}

static void flood_some(void)
{
	static char text[PIECE];
	static size_t flooded;

	memset(text, 'f', sizeof(text));
	for (size_t i = 79; i < sizeof(text); i += 80)
		text[i] = '\n';
	if (guest.flooded && guest.flooded->window >= sizeof(text) && flooded < FLOOD) {
		send_data(guest.flooded, text, sizeof(text));
		flooded += sizeof(text);
	}
	/* As QEMU would: without waiting for who does not read. */
	if (guest.flooded_fd >= 0 && send(guest.flooded_fd, text, sizeof(text), MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN)
		guest.flooded_fd = -1;
}

/* QEMU's control protocol: yes to everything. */
static void read_qmp(void)
{
	static const char yes[] = "{\"return\": {}}\r\n";
	char buf[4096];
	ssize_t n = read(guest.qmp, buf, sizeof(buf));

	if (n <= 0) {
		guest.qmp = -1;
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\n')
			(void)!write(guest.qmp, yes, sizeof(yes) - 1);
}

static void pump(int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = guest.is_deaf ? -1 : guest.channel, .events = POLLIN },
		{ .fd = guest.qmp, .events = POLLIN },
	};

	(void)poll(fds, 2, timeout_ms);
	if (fds[0].revents)
		read_channel();
	if (fds[1].revents)
		read_qmp();
	report_memory();
}

static void find_chardevs(char **argv)
{
	for (char **arg = argv; *arg; arg++) {
		(void)sscanf(*arg, "socket,id=agent,fd=%d", &guest.channel);
		(void)sscanf(*arg, "socket,id=qmp,fd=%d", &guest.qmp);
		(void)sscanf(*arg, "socket,id=console,fd=%d", &guest.console);
	}
}

/* "LEFT:RIGHT" of the environment. */
static char *split(const char *variable, char **ret_right)
{
	char *text = getenv(variable), *colon;

	*ret_right = NULL;
	if (!text || !*text)
		return NULL;
	text = strdup(text);
	colon = text ? strchr(text, ':') : NULL;
	if (!colon) {
		(void)fprintf(stderr, "fake-vmm: %s: no ':' in it\n", variable);
		exit(2);
	}
	*colon = '\0';
	*ret_right = colon + 1;
	(void)find_deed(*ret_right);
	return text;
}

int main(int argc, char **argv)
{
	static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
	char *cut;

	(void)signal(SIGPIPE, SIG_IGN);
	find_chardevs(argv);
	if (guest.channel < 0 || guest.console < 0) {
		(void)fprintf(stderr, "fake-vmm: no chardevs for agent and console\n");
		return 2;
	}
	guest.moment = split("FAKE_GUEST", &guest.deed);
	cut = split("FAKE_CUT", &guest.cut_deed);
	if (cut)
		(void)sscanf(cut, "%lld", &guest.cut);
	if (guest.qmp >= 0)
		write_whole(guest.qmp, greeting, sizeof(greeting) - 1);
	if (!is_the_moment("start", NULL, 0))
		control(PING, SYN, 0, 0);
	(void)is_the_moment("greet", NULL, 0);
	for (;;) {
		pump(guest.flooded || guest.flooded_fd >= 0 ? 0 : 50);
		serve_the_rest();
		flood_some();
	}
}
