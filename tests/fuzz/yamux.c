/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/proto/yamux.h"
#include "lib/base/loop.h"

/*
 * A session that has one stream of its own, fed with bytes. Streams that the peer opens are
 * answered, closed at once, or left alone, as the first byte says.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT_MAX 64

struct scene {
	struct loop *loop;
	struct yamux *session;
	uint8_t manner;
	int kept[KEPT_MAX];
	size_t kept_count;
	bool is_ended;
};

static void on_accept(void *ctx, int fd)
{
	struct scene *s = ctx;

	if (s->manner & 1)
		(void)send(fd, "hello", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (s->manner & 2)
		(void)shutdown(fd, SHUT_WR);
	if (s->manner & 4 || s->kept_count == KEPT_MAX)
		close(fd);
	else
		s->kept[s->kept_count++] = fd;
}

static void on_end(void *ctx, const struct error *err)
{
	struct scene *s = ctx;

	s->is_ended = true;
	yamux_free(s->session);
	s->session = NULL;
}

static void feed(struct scene *s, int pipe, const uint8_t *data, size_t size)
{
	char drain[65536];

	while (size && !s->is_ended) {
		ssize_t n = send(pipe, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		if (size)
			(void)loop_run_until(s->loop, &s->is_ended, 1);
		while (size && recv(pipe, drain, sizeof(drain), MSG_DONTWAIT) > 0)
			;
	}
	/* The end of the pipe ends every session. */
	(void)shutdown(pipe, SHUT_WR);
	(void)loop_run_until(s->loop, &s->is_ended, 5000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene s = { 0 };
	const struct yamux_handlers handlers = { on_accept, NULL, on_end, &s };
	int pipe[2], own[2];

	if (!size)
		return 0;
	s.manner = data[0];
	if (loop_new(&s.loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pipe) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, own) < 0 ||
	    yamux_new(s.loop, pipe[0], s.manner & 8, &handlers, &s.session) < 0)
		abort();
	(void)yamux_open(s.session, own[1], NULL);
	feed(&s, pipe[1], data + 1, size - 1);
	if (!s.is_ended)
		abort();
	while (s.kept_count)
		close(s.kept[--s.kept_count]);
	close(own[0]);
	close(pipe[1]);
	loop_free(s.loop);
	return 0;
}
