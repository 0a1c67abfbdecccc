/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * Everything that the agent and its children log goes through a pipe and from there to the console
 * and to everybody who reads the log's port, with a little of what was before. Nobody waits for a
 * reader: one that does not keep up is let go, and a log that fills the pipe loses lines.
 */
#define KEPT_MAX (16u * 1024)
#define PIECE_MAX 4096

struct log_reader {
	struct agent_server *server;
	struct log_reader *next;
	int fd;
	struct loop_source *source;
};

static void drop_reader(struct log_reader *reader)
{
	struct log_reader **p = &reader->server->logs.readers;

	while (*p != reader)
		p = &(*p)->next;
	*p = reader->next;
	loop_remove(reader->source);
	close(reader->fd);
	free(reader);
}

static bool give(const struct log_reader *reader, const char *data, size_t size)
{
	return send(reader->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

static void keep(struct strbuf *kept, const char *data, size_t size)
{
	strbuf_add(kept, data, size);
	if (kept->len > KEPT_MAX) {
		/* From the start of a line on. */
		char *from = kept->buf + (kept->len - KEPT_MAX), *line = strchr(from, '\n');

		line = line ? line + 1 : from;
		kept->len -= (size_t)(line - kept->buf);
		memmove(kept->buf, line, kept->len + 1);
	}
}

static void on_log(void *ctx, int fd, uint32_t events)
{
	struct logs *logs = &((struct agent_server *)ctx)->logs;
	struct log_reader *next;
	char data[PIECE_MAX];
	ssize_t n = read(fd, data, sizeof(data));

	if (n <= 0)
		return;
	(void)write_all(STDERR_FILENO, data, (size_t)n); /* there is nowhere left to say so */
	keep(&logs->kept, data, (size_t)n);
	for (struct log_reader *reader = logs->readers; reader; reader = next) {
		next = reader->next;
		if (!give(reader, data, (size_t)n))
			drop_reader(reader);
	}
}

/* Readers have nothing to say: that they have gone is all there is to hear. */
static void on_reader(void *ctx, int fd, uint32_t events)
{
	char data[PIECE_MAX];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop_reader(ctx);
}

int logs_open(struct agent_server *server, struct error *err)
{
	struct logs *logs = &server->logs;
	struct log_options options = { .program = "moat-agent", .format = LOG_FORMAT_KATA };
	int r;

	if (pipe2(logs->fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_sys(err, errno, "make the log's pipe");
	r = loop_add_fd(server->loop, logs->fds[0], EPOLLIN, on_log, server, &logs->source);
	if (r < 0)
		return error_sys(err, r, "wait for the log");
	while (options.level < LOG_LEVEL_DEBUG && log_wants(options.level + 1))
		options.level++;
	options.fd = logs->fds[1];
	log_setup(&options);
	return 0;
}

int logs_add_reader(struct agent_server *server, int fd)
{
	struct logs *logs = &server->logs;
	struct log_reader *reader = xcalloc(1, sizeof(*reader));
	int r;

	*reader = (struct log_reader){ .server = server, .next = logs->readers, .fd = fd };
	logs->readers = reader;
	r = loop_add_fd(server->loop, fd, EPOLLIN, on_reader, reader, &reader->source);
	if (r < 0 || (logs->kept.len && !give(reader, logs->kept.buf, logs->kept.len)))
		drop_reader(reader);
	return r;
}

void logs_close(struct agent_server *server)
{
	struct logs *logs = &server->logs;

	while (logs->readers)
		drop_reader(logs->readers);
	loop_remove(logs->source);
	strbuf_done(&logs->kept);
	if (!logs->fds[1])
		return;
	log_setup(&(struct log_options){
		.program = "moat-agent", .level = LOG_LEVEL_WARNING, .fd = -1 });
	close(logs->fds[0]);
	close(logs->fds[1]);
}
