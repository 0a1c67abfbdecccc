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
	__builtin_trap(); /* the first process of a pid namespace cannot send itself a signal */
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
	guest.is_endless = true;
	answer_number(st, call, 5);
}

/* clang-format off */
static const struct deed deeds[] = {
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

const struct deed *find_deed(const char *name)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].name, name) == 0)
			return &deeds[i];
	(void)fprintf(stderr, "fake-vmm: no such deed: '%s'\n", name);
	exit(2);
}

/* True: what is right is to be done all the same. */
bool do_deed(const char *name, struct stream *st, uint32_t call)
{
	const struct deed *deed = find_deed(name);

	deed->run(st, call);
	report_memory();
	return deed->goes_on;
}
