/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/sync.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* clang-format off */
static const char *const message_names[] = {
	[SYNC_FAILED]    = "failed",
	[SYNC_IDS_DUE]   = "ids-due",
	[SYNC_IDS_MAPPED] = "ids-mapped",
	[SYNC_CHILD]     = "child",
	[SYNC_RECORDED]  = "recorded",
	[SYNC_CGROUP_DUE] = "cgroup-due",
	[SYNC_CGROUP_LEFT] = "cgroup-left",
	[SYNC_HOOKS_DUE] = "hooks-due",
	[SYNC_HOOKS_RUN] = "hooks-run",
	[SYNC_FILTER]    = "filter",
	[SYNC_LISTENER]  = "listener",
	[SYNC_LISTENER_TAKEN] = "listener-taken",
	[SYNC_LISTENER_SENT] = "listener-sent",
	[SYNC_READY]     = "ready",
};

struct wire {
	int message;        /* enum sync_message */
	int number;         /* SYNC_CHILD, SYNC_RECORDED, SYNC_LISTENER */
	struct error error; /* SYNC_FAILED; not sent otherwise */
};
/* clang-format on */

#define WIRE_SHORT offsetof(struct wire, error)

int sync_pair(struct sync *caller, int *ret_child_fd, struct error *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_sys(err, errno, "make a socket pair");
	*caller = (struct sync){ .fd = fds[0], .peer = "init" };
	*ret_child_fd = fds[1];
	return 0;
}

void sync_close(struct sync *sync)
{
	close_fdp(&sync->fd);
	sync->fd = -1;
}

/* A peer that dies without having read what we sent gives one ECONNRESET, in front of its own
 * last words, which are still there. */
static ssize_t receive(struct sync *sync, struct wire *wire, int *fd)
{
	ssize_t n;

	for (int tries = 0; tries < 2; tries++) {
		size_t count = fd ? 1 : 0;

		if (sync->is_child) {
			n = read(sync->fd, wire, sizeof(*wire));
			return n < 0 ? -errno : n;
		}
		n = recv_fds(sync->fd, wire, sizeof(*wire), fd, &count);
		if (fd && count == 0)
			*fd = -1;
		if (n != -ECONNRESET)
			return n;
	}
	return 0;
}

static int failure(struct wire *wire, size_t size, struct error *err)
{
	struct error *sent = &wire->error;
	size_t head = WIRE_SHORT + offsetof(struct error, msg);
	size_t len = size > head ? size - head : 0;

	if (!len || sent->code >= 0)
		return error_set(err, -EPROTO, "malformed failure message");
	sent->msg[len < sizeof(sent->msg) ? len : sizeof(sent->msg) - 1] = '\0';
	error_sanitize(sent);
	return error_set(err, sent->code, "%s", sent->msg);
}

static int await(struct sync *sync, enum sync_message message, struct wire *wire, int *fd,
		 struct error *err)
{
	ssize_t n = receive(sync, wire, fd);

	if (n < 0)
		return error_sys(err, (int)n, "wait for '%s' of %s", message_names[message],
				 sync->peer);
	if (n == 0)
		return error_set(err, -EPIPE, "%s died before '%s'", sync->peer,
				 message_names[message]);
	if ((size_t)n < WIRE_SHORT)
		return error_set(err, -EPROTO, "short message from %s", sync->peer);
	if (wire->message == SYNC_FAILED)
		return failure(wire, (size_t)n, err);
	if (wire->message < 0 || wire->message >= SYNC_COUNT)
		return error_set(err, -EPROTO, "unknown message from %s", sync->peer);
	if (wire->message != (int)message)
		return error_set(err, -EPROTO, "%s sent '%s' instead of '%s'", sync->peer,
				 message_names[wire->message], message_names[message]);
	return 0;
}

/* A peer that is gone most likely said why before. */
static int explain_broken(struct sync *sync, enum sync_message message, struct error *err)
{
	struct wire wire;
	ssize_t n = receive(sync, &wire, NULL);

	if (n >= (ssize_t)WIRE_SHORT && wire.message == SYNC_FAILED)
		return failure(&wire, (size_t)n, err);
	return error_set(err, -EPIPE, "%s died before '%s' could be sent", sync->peer,
			 message_names[message]);
}

static int transmit(struct sync *sync, const struct wire *wire, size_t size, const int *fd,
		    struct error *err)
{
	ssize_t n;

	if (sync->is_child && !fd) {
		n = write(sync->fd, wire, size);
		n = n < 0 ? -errno : n;
	} else {
		n = send_fds(sync->fd, wire, size, fd, fd ? 1 : 0);
	}
	if (n == -EPIPE || n == -ECONNRESET)
		return explain_broken(sync, (enum sync_message)wire->message, err);
	if (n < 0)
		return error_sys(err, (int)n, "send '%s' to %s", message_names[wire->message],
				 sync->peer);
	return 0;
}

int sync_send(struct sync *sync, enum sync_message message, struct error *err)
{
	struct wire wire = { .message = message };

	return transmit(sync, &wire, WIRE_SHORT, NULL, err);
}

int sync_send_number(struct sync *sync, enum sync_message message, int number, struct error *err)
{
	struct wire wire = { .message = message, .number = number };

	return transmit(sync, &wire, WIRE_SHORT, NULL, err);
}

int sync_send_fd(struct sync *sync, enum sync_message message, int fd, struct error *err)
{
	struct wire wire = { .message = message };

	return transmit(sync, &wire, WIRE_SHORT, &fd, err);
}

void sync_send_failure(struct sync *sync, const struct error *reason)
{
	struct wire wire = { .message = SYNC_FAILED, .error = *reason };
	size_t size = WIRE_SHORT + offsetof(struct error, msg) + strlen(reason->msg) + 1;

	(void)transmit(sync, &wire, size, NULL, NULL); /* see sync.h */
}

int sync_wait(struct sync *sync, enum sync_message message, struct error *err)
{
	struct wire wire;

	return await(sync, message, &wire, NULL, err);
}

int sync_wait_number(struct sync *sync, enum sync_message message, int *ret, struct error *err)
{
	struct wire wire;
	int r = await(sync, message, &wire, NULL, err);

	if (r < 0)
		return r;
	*ret = wire.number;
	return 0;
}

int sync_wait_fd(struct sync *sync, enum sync_message message, int *ret_fd, struct error *err)
{
	struct wire wire;
	int fd = -1;
	int r = await(sync, message, &wire, &fd, err);

	if (r < 0) {
		close_fdp(&fd);
		return r;
	}
	if (fd < 0)
		return error_set(err, -EPROTO, "'%s' came without a descriptor",
				 message_names[message]);
	*ret_fd = fd;
	return 0;
}

int sync_wait_exec(struct sync *sync, struct error *err)
{
	struct wire wire;
	ssize_t n = receive(sync, &wire, NULL);

	if (n == 0)
		return 0;
	if (n < (ssize_t)WIRE_SHORT || wire.message != SYNC_FAILED)
		return error_set(err, -EPROTO, "unexpected message from %s", sync->peer);
	return failure(&wire, (size_t)n, err);
}
