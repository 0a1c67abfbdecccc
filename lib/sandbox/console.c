/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define TAIL_BYTES 4096
#define FILE_BYTES (128u * 1024)
#define LOG_NAME "console.log"
#define OLD_LOG_NAME "console.log.1"

struct console_input {
	struct console *console;
	struct loop_source *source;
	int fd; /* -1: free or ended */
};

struct console {
	struct loop *loop;
	struct console_input inputs[2];
	int dirfd;
	int file; /* -1: could not be written; the tail still works */
	size_t file_len;
	char tail[TAIL_BYTES];
	size_t tail_len;
};

static void open_log(struct console *c)
{
	c->file = openat(c->dirfd, LOG_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			 0600);
	c->file_len = 0;
}

static void rotate_log(struct console *c)
{
	close_fdp(&c->file);
	(void)renameat(c->dirfd, LOG_NAME, c->dirfd, OLD_LOG_NAME); /* else it is overwritten */
	open_log(c);
}

static void write_log(struct console *c, const char *data, size_t len)
{
	if (c->file < 0)
		return;
	if (c->file_len + len > FILE_BYTES)
		rotate_log(c);
	if (c->file < 0 || write_all(c->file, data, len) < 0)
		return; /* a full disk takes the log, not the container */
	c->file_len += len;
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
	write_log(in->console, buf, (size_t)n);
	return true;
}

static void on_input(void *ctx, int fd, uint32_t events)
{
	(void)read_some(ctx);
}

int console_new(struct loop *loop, int dirfd, struct console **ret)
{
	struct console *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->file = -1;
	for (size_t i = 0; i < ARRAY_SIZE(c->inputs); i++)
		c->inputs[i] = (struct console_input){ .console = c, .fd = -1 };
	c->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (c->dirfd < 0) {
		int r = -errno;

		free(c);
		return r;
	}
	open_log(c);
	*ret = c;
	return 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(c->inputs); i++)
		end_input(&c->inputs[i]);
	close_fdp(&c->file);
	close_fdp(&c->dirfd);
	free(c);
}

int console_add(struct console *c, int fd)
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

static bool is_break(char ch)
{
	return ch == '\n' || ch == '\r';
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
