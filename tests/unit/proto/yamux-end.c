/* SPDX-License-Identifier: Apache-2.0 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/proto/yamux.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"

/*
 * end echo | end send STREAMS BYTES: one end of a yamux session, which is descriptor 0, for a test
 * with another implementation at the other. "echo" gives every stream its bytes back, until the
 * session ends; "send" opens streams, writes into all of them at once, ends its half, and wants the
 * same bytes back and nothing else. A process a stream, so that each has a pace of its own.
 */
struct end {
	struct loop *loop;
	size_t bytes; /* to be sent in a stream; 0: what comes is sent back */
	int left;     /* streams that have not come back */
};

static void write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			err(1, "write");
		data += n;
		len -= (size_t)n;
	}
}

static void echo(int fd)
{
	char data[60000];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		write_all(fd, data, (size_t)n);
	if (n < 0)
		err(1, "read");
}

/* Each byte tells its place, and no two streams say the same. */
static void fill(char *data, size_t offset, size_t len, size_t seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (char)((offset + i) * 31 + ((offset + i) >> 8) + seed);
}

static void send_all(int fd, size_t bytes, size_t seed)
{
	char data[50000];

	for (size_t done = 0; done < bytes; done += sizeof(data)) {
		size_t n = bytes - done < sizeof(data) ? bytes - done : sizeof(data);

		fill(data, done, n, seed);
		write_all(fd, data, n);
	}
	if (shutdown(fd, SHUT_WR) < 0)
		err(1, "shutdown");
}

static void receive_all(int fd, size_t bytes, size_t seed)
{
	char data[40000], wanted[40000];
	size_t done = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		fill(wanted, done, (size_t)n, seed);
		if (memcmp(data, wanted, (size_t)n) != 0)
			errx(1, "other bytes came back, after %zu", done);
		done += (size_t)n;
	}
	if (n < 0)
		err(1, "read");
	if (done != bytes)
		errx(1, "%zu of %zu bytes came back", done, bytes);
}

static void send_and_receive(int fd, size_t bytes)
{
	const size_t seed = (size_t)getpid();

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		send_all(fd, bytes, seed);
		break;
	default:
		receive_all(fd, bytes, seed);
	}
}

/* A process for the stream @fd, which is closed here. */
static void serve(const struct end *e, int fd)
{
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		/* The streams of others would stay open here. */
		if (dup2(fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
			err(1, "descriptors");
		if (e->bytes > 0)
			send_and_receive(3, e->bytes);
		else
			echo(3);
		_exit(0);
	}
	close(fd);
}

static void on_accept(void *ctx, int fd)
{
	serve(ctx, fd);
}

static void on_end(void *ctx, const struct error *why)
{
	const struct end *e = ctx;

	if (why->code != -EPIPE || e->left > 0)
		errx(1, "the session ended: %s", why->msg);
	loop_quit(e->loop, 0);
}

static void on_child(void *ctx, const struct signalfd_siginfo *info)
{
	struct end *e = ctx;
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0) {
		if (e->bytes == 0)
			continue; /* the peer may give up a stream */
		if (status != 0)
			loop_quit(e->loop, 1);
		else if (--e->left == 0)
			loop_quit(e->loop, 0);
	}
}

static void open_streams(struct end *e, struct yamux *session)
{
	for (int i = 0; i < e->left; i++) {
		struct error why = ERROR_INIT;
		int fds[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			err(1, "socketpair");
		if (yamux_open(session, fds[0], &why) < 0)
			errx(1, "%s", why.msg);
		serve(e, fds[1]);
	}
}

int main(int argc, char **argv)
{
	const bool is_sender = argc == 4 && strcmp(argv[1], "send") == 0;
	struct end e = { 0 };
	const struct yamux_handlers handlers = { on_accept, NULL, on_end, &e };
	struct yamux *session;
	sigset_t signals;

	if (!is_sender && (argc != 2 || strcmp(argv[1], "echo") != 0))
		errx(2, "usage: end echo | end send STREAMS BYTES");
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	if (loop_new(&e.loop) < 0 || loop_add_signals(e.loop, &signals, on_child, &e) < 0 ||
	    yamux_new(e.loop, 0, is_sender, &handlers, &session) < 0)
		errx(1, "no session");
	if (is_sender) {
		e.left = atoi(argv[2]);
		e.bytes = (size_t)atoll(argv[3]);
		open_streams(&e, session);
	}
	return loop_run(e.loop);
}
