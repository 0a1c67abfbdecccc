/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/linux/pty.h"

/*
 * A process's three streams, in one of two forms. Streamed: each is relayed to a connection that
 * the host made beforehand. Otherwise they are pipes (or a terminal) that WriteStdin, ReadStdout
 * and ReadStderr work on, for clients that know nothing else.
 */
#define READ_MAX (64u * 1024) /* of one ReadStdout: what a pipe holds */
#define CONSOLE_WAIT_MS 5000

static const char *const names[STDIO_COUNT] = { "stdin", "stdout", "stderr" };

static void close_at(int *fd)
{
	if (*fd >= 0)
		close(steal_fd(fd));
}

void stdio_init(struct stdio *io)
{
	*io = (struct stdio){
		.claimed = { -1, -1, -1 },
		.child = { -1, -1, -1 },
		.console = { -1, -1 },
		.own = { -1, -1, -1 },
	};
}

static int claim(struct stdio *io, struct agent_server *server, const uint32_t ports[],
		 struct error *err)
{
	for (int i = 0; i < STDIO_COUNT; i++) {
		if (!ports[i])
			continue;
		io->is_streamed = true;
		io->claimed[i] = channel_claim(server, ports[i]);
		if (io->claimed[i] < 0)
			return error_set(err, -EINVAL, "%s: no connection has number %u", names[i],
					 ports[i]);
	}
	return 0;
}

static int make_pipe(struct stdio *io, int i, int size, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "%s: make pipe", names[i]);
	if (size)
		(void)fcntl(ends[0], F_SETPIPE_SZ, size); /* or as large as may be */
	io->child[i] = ends[i == STDIO_IN ? 0 : 1];
	io->own[i] = ends[i == STDIO_IN ? 1 : 0];
	return 0;
}

static int open_null(struct stdio *io, int i, struct error *err)
{
	io->child[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	return io->child[i] < 0 ? error_sys(err, errno, "open '/dev/null'") : 0;
}

int stdio_prepare(struct stdio *io, struct agent_server *server, bool is_terminal,
		  const uint32_t ports[STDIO_COUNT], struct error *err)
{
	int size = server->options.pipe_size, r;

	io->is_terminal = is_terminal;
	r = claim(io, server, ports, err);
	if (r < 0)
		return r;
	if (is_terminal) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io->console) < 0)
			return error_sys(err, errno, "make console socket");
		return 0;
	}
	for (int i = 0; i < STDIO_COUNT && r == 0; i++)
		r = io->is_streamed && !ports[i] ? open_null(io, i, err)
						 : make_pipe(io, i, size, err);
	return r;
}

/* The terminal's master arrives on the console socket before the engine says that it is done, so
 * the time-out is for an engine that broke its word. */
static int take_terminal(struct stdio *io, struct error *err)
{
	const struct timeval timeout = { .tv_sec = CONSOLE_WAIT_MS / 1000 };
	size_t count = 1;
	char name[64];
	ssize_t n;

	(void)setsockopt(io->console[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	n = recv_fds(io->console[0], name, sizeof(name), &io->own[STDIO_OUT], &count);
	if (n < 0 || count != 1)
		return error_set(err, n < 0 ? (int)n : -EPROTO, "receive terminal: none was sent");
	close_at(&io->console[0]);
	io->own[STDIO_IN] = fcntl(io->own[STDIO_OUT], F_DUPFD_CLOEXEC, 3);
	return io->own[STDIO_IN] < 0 ? error_sys(err, errno, "duplicate terminal") : 0;
}

static void end_relay(struct process *process, int i)
{
	struct stdio *io = &process->io;

	relay_free(steal_ptr(&io->relays[i]));
	io->is_ended[i] = true;
	process_check(process);
}

static void on_stdin_end(void *ctx)
{
	end_relay(ctx, STDIO_IN);
}

static void on_stdout_end(void *ctx)
{
	end_relay(ctx, STDIO_OUT);
}

static void on_stderr_end(void *ctx)
{
	end_relay(ctx, STDIO_ERR);
}

static const relay_end_fn on_end[STDIO_COUNT] = { on_stdin_end, on_stdout_end, on_stderr_end };

/* A terminal's output has to be read even when nobody wants it. */
static int claim_sink(struct stdio *io, struct error *err)
{
	if (io->claimed[STDIO_OUT] >= 0)
		return 0;
	io->claimed[STDIO_OUT] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return io->claimed[STDIO_OUT] < 0 ? error_sys(err, errno, "open '/dev/null'") : 0;
}

static int start_relay(struct stdio *io, struct process *process, int i, struct error *err)
{
	struct relay_options options = {
		.is_draining = io->is_terminal,
		.on_end = on_end[i],
		.ctx = process,
	};
	int own, r;

	if (io->claimed[i] < 0) {
		io->is_ended[i] = true;
		close_at(&io->claimed[i]);
		return 0;
	}
	/* The terminal itself stays here, to be resized. */
	own = io->is_terminal && i == STDIO_OUT ? fcntl(io->own[i], F_DUPFD_CLOEXEC, 3)
						: steal_fd(&io->own[i]);
	if (own < 0)
		return error_sys(err, errno, "duplicate terminal");
	options.from = i == STDIO_IN ? io->claimed[i] : own;
	options.to = i == STDIO_IN ? own : io->claimed[i];
	io->claimed[i] = -1;
	r = relay_new(process->container->server, &options, &io->relays[i]);
	return r < 0 ? error_sys(err, r, "relay %s", names[i]) : 0;
}

static int set_own_nonblock(struct stdio *io, struct error *err)
{
	for (int i = 0; i < STDIO_COUNT; i++) {
		int r = io->own[i] < 0 ? 0 : set_nonblock(io->own[i], true);

		if (r < 0)
			return error_sys(err, r, "%s: make non-blocking", names[i]);
	}
	return 0;
}

int stdio_attach(struct stdio *io, struct process *process, struct error *err)
{
	int r = 0;

	for (int i = 0; i < STDIO_COUNT; i++)
		close_at(&io->child[i]);
	close_at(&io->console[1]);
	if (io->is_terminal)
		r = take_terminal(io, err);
	if (r < 0)
		return r;
	if (!io->is_streamed) {
		io->is_ended[STDIO_ERR] = io->is_terminal;
		return set_own_nonblock(io, err);
	}
	if (io->is_terminal) {
		close_at(&io->claimed[STDIO_ERR]); /* it has two streams only */
		r = claim_sink(io, err);
	}
	for (int i = 0; i < STDIO_COUNT && r == 0; i++)
		r = start_relay(io, process, i, err);
	return r;
}

static void unwatch(struct stdio *io, int i)
{
	loop_remove(steal_ptr(&io->sources[i]));
}

void stdio_done(struct stdio *io)
{
	for (int i = 0; i < STDIO_COUNT; i++) {
		rpc_refuse_all(&io->calls[i], -ENOENT, "the process is gone");
		unwatch(io, i);
		relay_free(io->relays[i]);
		close_at(&io->claimed[i]);
		close_at(&io->child[i]);
		close_at(&io->own[i]);
	}
	close_at(&io->console[0]);
	close_at(&io->console[1]);
	stdio_init(io);
}

bool stdio_is_drained(const struct stdio *io)
{
	return !io->is_streamed || (io->is_ended[STDIO_OUT] && io->is_ended[STDIO_ERR]);
}

bool stdio_is_active(struct stdio *io)
{
	bool is_active = false;

	for (int i = STDIO_OUT; i < STDIO_COUNT; i++)
		if (io->relays[i] && relay_is_active(io->relays[i]))
			is_active = true;
	return is_active;
}

static void reply_data(struct rpc_call *call, const void *data, size_t size)
{
	const grpc_ReadStreamResponse response = { .data = { data, size } };

	rpc_reply(call, &response);
}

void stdio_cut(struct stdio *io)
{
	relay_free(steal_ptr(&io->relays[STDIO_IN]));
	for (int i = STDIO_OUT; i < STDIO_COUNT; i++) {
		if (io->is_streamed) {
			relay_free(steal_ptr(&io->relays[i]));
			io->is_ended[i] = true;
		}
		/* Who still has the terminal open learns that it is gone. */
		if (io->is_streamed)
			close_at(&io->own[i]);
		/* Who waits here has seen an empty pipe. */
		while (io->calls[i])
			reply_data(io->calls[i], NULL, 0);
		unwatch(io, i);
	}
}

/* the RPC form */

/* More than 0, 0 at the end, or -EAGAIN. */
static ssize_t read_some(struct stdio *io, int i, void *buf, size_t size)
{
	ssize_t n = io->own[i] < 0 ? 0 : read(io->own[i], buf, size);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n > 0)
		return n;
	io->is_ended[i] = true; /* EIO: the last process has left the terminal */
	unwatch(io, i);
	if (!io->is_terminal)
		close_at(&io->own[i]);
	return 0;
}

static void serve_readers(struct process *process, int i)
{
	struct stdio *io = &process->io;
	cleanup_free char *buf = xmalloc(READ_MAX);

	while (io->calls[i]) {
		struct rpc_call *call = io->calls[i];
		ssize_t n = read_some(io, i, buf, call->size);

		if (n == -EAGAIN)
			return;
		reply_data(call, buf, (size_t)n);
	}
	unwatch(io, i);
	process_check(process);
}

static void on_stdout(void *ctx, int fd, uint32_t events)
{
	serve_readers(ctx, STDIO_OUT);
}

static void on_stderr(void *ctx, int fd, uint32_t events)
{
	serve_readers(ctx, STDIO_ERR);
}

static void serve_writers(struct process *process)
{
	struct stdio *io = &process->io;

	while (io->calls[STDIO_IN]) {
		struct rpc_call *call = io->calls[STDIO_IN];
		const grpc_WriteStreamResponse response = { .len = call->size };
		struct error err = ERROR_INIT;
		int r = fifo_flush(&call->data, io->own[STDIO_IN]);

		if (r == 0 && call->data.len)
			return;
		if (r == 0) {
			rpc_reply(call, &response);
			continue;
		}
		(void)error_sys(&err, r, "write stdin");
		rpc_fail(call, &err);
	}
	unwatch(io, STDIO_IN);
}

static void on_stdin(void *ctx, int fd, uint32_t events)
{
	serve_writers(ctx);
}

static int watch(struct process *process, int i, struct error *err)
{
	static const loop_fd_fn on_ready[STDIO_COUNT] = { on_stdin, on_stdout, on_stderr };
	struct stdio *io = &process->io;
	int r = 0;

	if (!io->sources[i])
		r = loop_add_fd(process->container->server->loop, io->own[i],
				i == STDIO_IN ? EPOLLOUT : EPOLLIN, on_ready[i], process,
				&io->sources[i]);
	return r < 0 ? error_sys(err, r, "wait for %s", names[i]) : 0;
}

/* The process, if its streams are served by calls. */
static struct process *find_unstreamed(struct rpc_call *call, const char *container_id,
				       const char *exec_id, int i, struct error *err)
{
	struct process *process = process_find(call->server, container_id, exec_id, err);

	if (process && process->io.is_streamed) {
		(void)error_set(err, -EBUSY, "%s is a stream of its own", names[i]);
		return NULL;
	}
	return process;
}

static int read_stream(struct rpc_call *call, const grpc_ReadStreamRequest *req,
		       grpc_ReadStreamResponse *resp, int i, struct error *err)
{
	struct process *process = find_unstreamed(call, req->container_id, req->exec_id, i, err);
	cleanup_free uint8_t *buf = NULL;
	struct stdio *io;
	ssize_t n = -EAGAIN;
	int r;

	if (!process)
		return err->code;
	io = &process->io;
	if (io->is_terminal)
		i = STDIO_OUT; /* there is one output */
	call->size = req->len && req->len < READ_MAX ? req->len : READ_MAX;
	if (!io->calls[i]) {
		buf = xmalloc(call->size);
		n = read_some(io, i, buf, call->size);
	}
	if (n >= 0) {
		resp->data = (struct agent_bytes){ steal_ptr(&buf), (size_t)n };
		return 0;
	}
	r = watch(process, i, err);
	if (r < 0)
		return r;
	(void)rpc_wait(call, &io->calls[i]);
	process_linger(process);
	return RPC_LATER;
}

int stdio_read_stdout(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	return read_stream(call, request, response, STDIO_OUT, err);
}

int stdio_read_stderr(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	return read_stream(call, request, response, STDIO_ERR, err);
}

static void close_stdin(struct stdio *io)
{
	if (io->is_streamed || io->is_terminal) /* a terminal's end is a character, not a close */
		return;
	rpc_refuse_all(&io->calls[STDIO_IN], -EPIPE, "stdin was closed");
	unwatch(io, STDIO_IN);
	close_at(&io->own[STDIO_IN]);
}

int stdio_write_stdin(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_WriteStreamRequest *req = request;
	struct process *process =
		find_unstreamed(call, req->container_id, req->exec_id, STDIO_IN, err);
	struct stdio *io;
	int r;

	if (!process)
		return err->code;
	io = &process->io;
	if (!req->data.size) {
		close_stdin(io);
		return 0;
	}
	if (io->own[STDIO_IN] < 0)
		return error_set(err, -EPIPE, "write stdin: it was closed");
	r = watch(process, STDIO_IN, err);
	if (r < 0)
		return r;
	fifo_add(&call->data, req->data.data, req->data.size);
	call->size = (uint32_t)req->data.size;
	(void)rpc_wait(call, &io->calls[STDIO_IN]);
	serve_writers(process);
	return RPC_LATER;
}

int stdio_close_stdin(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_CloseStdinRequest *req = request;
	struct process *process = process_find(call->server, req->container_id, req->exec_id, err);

	if (!process)
		return err->code;
	close_stdin(&process->io);
	return 0;
}

void stdio_park(struct stdio *io)
{
	for (int i = 0; i < STDIO_COUNT; i++)
		if (io->relays[i])
			relay_park(io->relays[i], i == STDIO_IN);
}

/* An output that has ended has nobody to take a stream, whose other end learns that. */
static int resume_stream(struct stdio *io, int i, int fd, struct error *err)
{
	int r;

	if (!io->relays[i]) {
		close(fd);
		return 0;
	}
	relay_park(io->relays[i], i == STDIO_IN); /* unless it has noticed */
	r = relay_resume(io->relays[i], fd);
	return r < 0 ? error_sys(err, r, "relay %s", names[i]) : 0;
}

int stdio_attach_anew(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_AttachStdioRequest *req = request;
	const uint32_t ports[STDIO_COUNT] = { req->stdin_port, req->stdout_port, req->stderr_port };
	struct process *process = process_find(call->server, req->container_id, req->exec_id, err);
	int r;

	if (!process)
		return err->code;
	r = container_rename(process->container, req->new_container_id, err);
	if (r < 0)
		return r;
	for (int i = 0; i < STDIO_COUNT; i++) {
		int fd = ports[i] ? channel_claim(call->server, ports[i]) : -1;

		if (!ports[i])
			continue;
		if (fd < 0)
			return error_set(err, -EINVAL, "%s: no connection has number %u", names[i],
					 ports[i]);
		r = resume_stream(&process->io, i, fd, err);
		if (r < 0)
			return r;
	}
	if (process->is_init)
		processes_end_execs(process->container);
	return 0;
}

int stdio_resize(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_TtyWinResizeRequest *req = request;
	struct process *process = process_find(call->server, req->container_id, req->exec_id, err);
	int r;

	if (!process)
		return err->code;
	if (!process->io.is_terminal || process->io.own[STDIO_OUT] < 0)
		return error_set(err, -ENOTTY, "resize: the process has no terminal");
	r = pty_resize(process->io.own[STDIO_OUT], req->row, req->column);
	return r < 0 ? error_sys(err, r, "resize terminal") : 0;
}
