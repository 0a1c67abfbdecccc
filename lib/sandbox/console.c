/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define TAIL_BYTES 4096
/* Registers and stacks that follow fill the tail, so what a crash begins with is kept apart. */
#define CRASH_LINES 3
#define CRASH_LINE_BYTES 120

struct console_input {
	struct console *console;
	struct loop_source *source;
	int fd; /* -1: free or ended */
	enum journal_source kind;
	char line[JOURNAL_LINE_BYTES + 1]; /* that has no end yet */
	size_t line_len;
};

struct console {
	struct loop *loop;
	struct console_input inputs[2];
	struct journal *journals[JOURNAL_SOURCE_COUNT];
	char tail[TAIL_BYTES];
	size_t tail_len;
	struct strbuf crash;
	unsigned int crash_lines;
};

/* Lines of the agent's log, ours and Kata's: the guest has one console for all it says. */
struct agent_line {
	int level;
	char *msg;
};

static const char *const agent_level_words[] = {
	[LOG_LEVEL_ERROR] = "ERRO",
	[LOG_LEVEL_WARNING] = "WARN",
	[LOG_LEVEL_INFO] = "INFO",
	[LOG_LEVEL_DEBUG] = "DEBG",
};
static const struct names agent_levels = NAMES(agent_level_words);
static const struct field agent_fields[] = {
	FIELD_ENUM(struct agent_line, "level", level, &agent_levels),
	FIELD(struct agent_line, "msg", STRING, msg),
};
static const struct fields agent_object = FIELDS(struct agent_line, agent_fields);

static bool parse_agent_json(const char *line, size_t len, struct agent_line *ret)
{
	static const struct json_limits limits = { JOURNAL_LINE_BYTES, 4, 64, false };

	return *line == '{' &&
	       fields_parse(&agent_object, "console", line, len, &limits, ret, NULL) == 0 &&
	       ret->level >= 0 && ret->msg;
}

/* "moat-agent: LEVEL: …", or without a level what made it give up. */
static bool parse_agent_text(const char *line, struct agent_line *ret)
{
	const char *text = str_after(line, "moat-agent: ");

	if (!text)
		return false;
	ret->level = LOG_LEVEL_ERROR;
	for (size_t i = 0; i < log_level_names.count; i++) {
		const char *rest = str_after(text, log_level_names.names[i]);

		rest = rest ? str_after(rest, ": ") : NULL;
		if (!rest)
			continue;
		text = rest;
		ret->level = (int)i;
		break;
	}
	ret->msg = xstrdup(text);
	return true;
}

static bool write_agent_line(struct console *c, const char *line, size_t len)
{
	struct agent_line read = { .level = -1 };
	bool is_agents = parse_agent_json(line, len, &read);

	if (!is_agents) {
		fields_release(&agent_object, &read);
		is_agents = parse_agent_text(line, &read);
	}
	if (is_agents)
		journal_write(c->journals[JOURNAL_AGENT], (enum log_level)read.level, read.msg);
	fields_release(&agent_object, &read);
	return is_agents;
}

/* As Linux begins them, behind its time. */
static bool is_crash(const char *line)
{
	static const char *const words[] = { "BUG: ", "[#1]", "RIP: ", "pc : ", "Kernel panic - " };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

static void note_crash(struct console *c, const char *line)
{
	const char *text = *line == '[' ? strstr(line, "] ") : NULL;

	if (c->crash_lines >= CRASH_LINES || !is_crash(line))
		return;
	text = text ? text + strlen("] ") : line;
	if (c->crash_lines++)
		strbuf_addch(&c->crash, '\n');
	strbuf_addf(&c->crash, "%.*s", CRASH_LINE_BYTES, text);
}

static void end_line(struct console_input *in)
{
	struct console *c = in->console;
	size_t len = in->line_len;

	in->line_len = 0;
	in->line[len] = '\0';
	if (!len || (in->kind == JOURNAL_CONSOLE && write_agent_line(c, in->line, len)))
		return;
	if (in->kind == JOURNAL_CONSOLE)
		note_crash(c, in->line);
	journal_write(c->journals[in->kind], LOG_LEVEL_INFO, in->line);
}

static bool is_break(char ch)
{
	return ch == '\n' || ch == '\r';
}

static void write_log(struct console_input *in, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (is_break(data[i]) || in->line_len == JOURNAL_LINE_BYTES)
			end_line(in);
		if (!is_break(data[i]))
			in->line[in->line_len++] = data[i] ? data[i] : '?';
	}
}

static void remember(struct console *c, const char *data, size_t len)
{
	if (len > TAIL_BYTES) {
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
	}
	if (c->tail_len + len > TAIL_BYTES) {
		size_t gone = c->tail_len + len - TAIL_BYTES;

		memmove(c->tail, c->tail + gone, c->tail_len - gone);
		c->tail_len -= gone;
	}
	memcpy(c->tail + c->tail_len, data, len);
	c->tail_len += len;
}

static void end_input(struct console_input *in)
{
	end_line(in);
	loop_remove(in->source);
	in->source = NULL;
	close_fdp(&in->fd);
	in->fd = -1;
}

/* False when there is nothing more to read for now. */
static bool read_some(struct console_input *in)
{
	char buf[4096];
	ssize_t n;

	do
		n = read(in->fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		end_input(in);
		return false;
	}
	remember(in->console, buf, (size_t)n);
	write_log(in, buf, (size_t)n);
	return true;
}

static void on_input(void *ctx, int fd, uint32_t events)
{
	(void)read_some(ctx);
}

struct console *console_new(struct loop *loop, int dirfd)
{
	struct console *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	for (size_t i = 0; i < ARRAY_SIZE(c->inputs); i++)
		c->inputs[i] = (struct console_input){ .console = c, .fd = -1 };
	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++)
		c->journals[i] = journal_new(dirfd, (enum journal_source)i);
	return c;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(c->inputs); i++)
		end_input(&c->inputs[i]);
	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++)
		journal_free(c->journals[i]);
	strbuf_done(&c->crash);
	free(c);
}

int console_add(struct console *c, int fd, enum journal_source kind)
{
	cleanup_fd int owned = fd;

	for (size_t i = 0; i < ARRAY_SIZE(c->inputs); i++) {
		struct console_input *in = &c->inputs[i];
		int r;

		if (in->fd >= 0)
			continue;
		r = set_nonblock(fd, true);
		if (r == 0)
			r = loop_add_fd(c->loop, fd, EPOLLIN, on_input, in, &in->source);
		if (r < 0)
			return r;
		in->kind = kind;
		in->fd = steal_fd(&owned);
		return 0;
	}
	return -ENOSPC;
}

/* Bounded, since a guest that still runs can print for ever. */
void console_drain(struct console *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->inputs); i++)
		for (int n = 0; n < 64 && c->inputs[i].fd >= 0; n++)
			if (!read_some(&c->inputs[i]))
				break;
}

/* Line ends become " | " and everything else that is not printable ASCII "?": the text ends up in
 * a log line and on the caller's terminal. */
static void add_printable(struct strbuf *sb, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_break(text[i]))
			strbuf_addch(sb, text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
		else if (i && !is_break(text[i - 1]))
			strbuf_addstr(sb, " | ");
	}
}

void console_tail(struct console *c, struct strbuf *sb, unsigned int max)
{
	const char *start = c->tail, *end = c->tail + c->tail_len;

	while (end > start && is_break(end[-1]))
		end--;
	/* A line end takes three bytes of the result instead of one. */
	if ((size_t)(end - start) > max / 2)
		start = end - max / 2;
	add_printable(sb, start, (size_t)(end - start));
}

void console_crash(struct console *c, struct strbuf *sb)
{
	add_printable(sb, c->crash.buf, c->crash.len);
}
