/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/client/client.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* A guest that is still booting refuses vsock connections; it is asked again in these intervals. */
#define RETRY_MIN_MS 10
#define RETRY_MAX_MS 200
#define REPLY_MAX 64

/* One wait for a descriptor or a timer. */
struct wait {
	bool is_done;
};

static void on_fd(void *ctx, int fd, uint32_t events)
{
	struct wait *wait = ctx;

	wait->is_done = true;
}

static void on_timer(void *ctx)
{
	struct wait *wait = ctx;

	wait->is_done = true;
}

/* Runs the loop until @fd is ready. 0, -ETIMEDOUT, or what stopped the loop. */
static int wait_fd(struct loop *loop, int fd, uint32_t events, long long deadline)
{
	struct wait wait = { false };
	struct loop_source *source;
	long long left = deadline - now_ms();
	int r = loop_add_fd(loop, fd, events, on_fd, &wait, &source);

	if (r < 0)
		return r;
	r = loop_run_until(loop, &wait.is_done, left > 0 ? (int)left : 0);
	loop_remove(source);
	return r;
}

static int pause_for(struct loop *loop, int delay_ms)
{
	struct wait wait = { false };
	struct loop_source *timer = loop_add_timer(loop, delay_ms, on_timer, &wait);
	int r = loop_run_until(loop, &wait.is_done, -1);

	if (!wait.is_done)
		loop_remove(timer);
	return r;
}

static int send_line(struct loop *loop, int fd, const char *line, long long deadline)
{
	size_t len = strlen(line), done = 0;

	while (done < len) {
		ssize_t n = send(fd, line + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_fd(loop, fd, EPOLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Takes one line and not a byte more: what follows belongs to the stream's user. */
static int receive_line(struct loop *loop, int fd, char line[REPLY_MAX], long long deadline)
{
	size_t have = 0;

	while (have < REPLY_MAX) {
		ssize_t n = recv(fd, line + have, 1, MSG_DONTWAIT);
		int r;

		if (n == 0)
			return -EPIPE;
		if (n > 0) {
			if (line[have] == '\n') {
				line[have] = '\0';
				return 0;
			}
			have++;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_fd(loop, fd, EPOLLIN | EPOLLRDHUP, deadline);
		if (r < 0)
			return r;
	}
	return -EBADMSG;
}

static int refuse_port(uint32_t port, struct error *err)
{
	return error_set(err, -EPIPE, "connect to port %u: refused", port);
}

int agent_handshake(struct loop *loop, int fd, uint32_t port, int timeout_ms,
		    uint32_t *ret_local_port, struct error *err)
{
	long long deadline = now_ms() + timeout_ms;
	cleanup_free char *line = xasprintf("CONNECT %u\n", port);
	char reply[REPLY_MAX];
	const char *number;
	uint32_t local_port;
	int r = send_line(loop, fd, line, deadline);

	if (r == 0)
		r = receive_line(loop, fd, reply, deadline);
	if (r == -ETIMEDOUT)
		return error_set(err, r, "connect to port %u: no answer in %d ms", port,
				 timeout_ms);
	if (r == -EPIPE)
		return refuse_port(port, err);
	if (r < 0)
		return error_sys(err, r, "connect to port %u", port);
	number = str_after(reply, "OK ");
	if (!number || parse_u32(number, &local_port) < 0)
		return error_set(err, -EPROTO,
				 "connect to port %u: the answer is not 'OK <number>'", port);
	if (ret_local_port)
		*ret_local_port = local_port;
	return 0;
}

/* What stands before ":PORT", which takes the place of the port of RPCs. */
static char *split_port(const char *rest, uint32_t *port)
{
	const char *colon = strrchr(rest, ':');
	uint32_t own;

	if (!colon || parse_u32(colon + 1, &own) < 0)
		return xstrdup(rest);
	if (*port == AGENT_PORT_RPC)
		*port = own;
	return xstrndup(rest, (size_t)(colon - rest));
}

static int dial_hybrid(struct loop *loop, const char *rest, uint32_t port, long long deadline,
		       int *ret_fd, uint32_t *ret_local_port, struct error *err)
{
	cleanup_free char *path = split_port(rest, &port);
	cleanup_fd int fd = unix_connect(path);
	long long left = deadline - now_ms();
	int r;

	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", path);
	r = agent_handshake(loop, fd, port, left > 0 ? (int)left : 0, ret_local_port, err);
	if (r < 0)
		return error_wrap(err, r, "'%s'", path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int dial_raw(struct loop *loop, const char *path, uint32_t port, long long deadline,
		    int *ret_fd, uint32_t *ret_local_port, struct error *err)
{
	int fd;

	if (port != AGENT_PORT_RPC)
		return error_set(err, -EOPNOTSUPP, "connect to '%s': it has no port %u", path,
				 port);
	fd = unix_connect(path);
	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", path);
	if (ret_local_port)
		*ret_local_port = 0;
	*ret_fd = fd;
	return 0;
}

/* One attempt, with the socket's own outcome as the result. */
static int connect_vsock(struct loop *loop, uint32_t cid, uint32_t port, long long deadline,
			 int *ret_fd)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	cleanup_fd int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int outcome = 0, r;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		r = wait_fd(loop, fd, EPOLLOUT, deadline);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &len) < 0)
			return -errno;
		if (outcome)
			return -outcome;
	}
	r = set_nonblock(fd, false);
	if (r < 0)
		return r;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static bool may_come_up(int r)
{
	return r == -ECONNRESET || r == -ECONNREFUSED || r == -ENODEV || r == -EHOSTUNREACH ||
	       r == -ETIMEDOUT;
}

/* A reset is how a guest says that nobody serves the port; one that is not up yet says so, too. */
static int explain_vsock(int r, uint32_t cid, uint32_t port, struct error *err)
{
	if (r == -ECONNRESET)
		return refuse_port(port, err);
	return error_sys(err, r, "connect to 'vsock://%u' port %u", cid, port);
}

static int dial_vsock(struct loop *loop, const char *rest, uint32_t port, long long deadline,
		      int *ret_fd, uint32_t *ret_local_port, struct error *err)
{
	cleanup_free char *text = split_port(rest, &port);
	int delay_ms = RETRY_MIN_MS, r;
	struct sockaddr_vm own;
	socklen_t len = sizeof(own);
	uint32_t cid;

	if (parse_u32(text, &cid) < 0)
		return error_set(err, -EINVAL, "connect to 'vsock://%s': not a context id", text);
	for (;;) {
		r = connect_vsock(loop, cid, port, deadline, ret_fd);
		if (r == 0)
			break;
		if (!may_come_up(r) || now_ms() + delay_ms >= deadline)
			return explain_vsock(r, cid, port, err);
		r = pause_for(loop, delay_ms);
		if (r < 0)
			return error_sys(err, r, "connect to 'vsock://%u' port %u", cid, port);
		delay_ms = delay_ms * 2 < RETRY_MAX_MS ? delay_ms * 2 : RETRY_MAX_MS;
	}
	if (ret_local_port) {
		if (getsockname(*ret_fd, (struct sockaddr *)&own, &len) < 0) {
			r = -errno;
			close(steal_fd(ret_fd));
			return error_sys(err, r, "read own vsock port");
		}
		*ret_local_port = own.svm_port;
	}
	return 0;
}

/* clang-format off */
static const struct {
	const char *prefix;
	int (*dial)(struct loop *loop, const char *rest, uint32_t port, long long deadline,
		    int *ret_fd, uint32_t *ret_local_port, struct error *err);
} schemes[] = {
	{ "vsock://", dial_vsock },
	{ "hvsock://", dial_hybrid },
	{ "unix://", dial_raw },
};
/* clang-format on */

static int dial(struct loop *loop, const char *address, uint32_t port, long long deadline,
		int *ret_fd, uint32_t *ret_local_port, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *rest = str_after(address, schemes[i].prefix);

		if (rest)
			return schemes[i].dial(loop, rest, port, deadline, ret_fd, ret_local_port,
					       err);
	}
	return error_set(err, -EINVAL, "connect to '%s': not an agent's address", address);
}

/*
 * A VMM that goes on from a saved machine numbers connections from the beginning again, and by
 * some of these numbers its guest still knows old ones: it refuses. The next number is another.
 */
#define REFUSALS_MAX 8

int agent_dial(struct loop *loop, const char *address, uint32_t port, int timeout_ms, int *ret_fd,
	       uint32_t *ret_local_port, struct error *err)
{
	const long long deadline = now_ms() + timeout_ms;
	const int tries = str_after(address, "hvsock://") ? REFUSALS_MAX : 1;
	int r = -EPIPE;

	for (int i = 0; i < tries && r == -EPIPE; i++)
		r = dial(loop, address, port, deadline, ret_fd, ret_local_port, err);
	return r;
}

/* No socket yet; one that is bound and does not listen; nobody in the guest who would. */
static bool is_too_early(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE || r == -ECONNRESET;
}

int agent_await(struct loop *loop, const char *address, uint32_t port, int timeout_ms, int *ret_fd,
		uint32_t *ret_local_port, struct error *err)
{
	const long long deadline = now_ms() + timeout_ms;
	int delay_ms = RETRY_MIN_MS, r;

	for (;;) {
		r = dial(loop, address, port, deadline, ret_fd, ret_local_port, err);
		if (r == 0 || !is_too_early(r) || now_ms() + delay_ms >= deadline)
			return r;
		r = pause_for(loop, delay_ms);
		if (r < 0)
			return error_sys(err, r, "connect to '%s'", address);
		delay_ms = delay_ms * 2 < RETRY_MAX_MS ? delay_ms * 2 : RETRY_MAX_MS;
	}
}
