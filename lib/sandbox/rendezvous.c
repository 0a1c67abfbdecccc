/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/rendezvous.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/progress.h"
#include "lib/base/str.h"

/* All of one size, so that a stream socket carries them without a header. */
struct packet {
	uint32_t message;
	int32_t code; /* FAILED: struct error's */
	char text[RENDEZVOUS_TEXT_MAX];
};

static const char *const message_names[] = {
	[RENDEZVOUS_NAMESPACES] = "namespaces",
	[RENDEZVOUS_HOOKED] = "hooked",
	[RENDEZVOUS_CREATED] = "created",
	[RENDEZVOUS_RECORDED] = "recorded",
	[RENDEZVOUS_START] = "start",
	[RENDEZVOUS_STARTED] = "started",
	[RENDEZVOUS_JOIN] = "join",
	[RENDEZVOUS_FILES] = "files",
	[RENDEZVOUS_ATTEND] = "attend",
	[RENDEZVOUS_LEAVE] = "leave",
	[RENDEZVOUS_HOLD] = "hold",
	[RENDEZVOUS_HELD] = "held",
	[RENDEZVOUS_PROGRESS] = "progress",
	[RENDEZVOUS_FAILED] = "failed",
};

const char *rendezvous_name(enum rendezvous_message message)
{
	return message_names[message];
}

int rendezvous_pair(int *ret_moat, int *ret_shim)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_moat = pair[0];
	*ret_shim = pair[1];
	return 0;
}

static int send_packet(int fd, const struct packet *p)
{
	ssize_t n;

	do
		n = send(fd, p, sizeof(*p), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(*p) ? 0 : -EIO;
}

int rendezvous_send(int fd, enum rendezvous_message message, const char *text)
{
	struct packet p = { .message = (uint32_t)message };

	if (text && strlen(text) >= sizeof(p.text))
		return -ENAMETOOLONG;
	if (text)
		memcpy(p.text, text, strlen(text) + 1);
	return send_packet(fd, &p);
}

int rendezvous_send_failure(int fd, const struct error *failure)
{
	struct packet p = { .message = RENDEZVOUS_FAILED, .code = failure->code };

	_Static_assert(sizeof(p.text) == sizeof(failure->msg), "an error fits into a packet");
	memcpy(p.text, failure->msg, sizeof(p.text));
	p.text[sizeof(p.text) - 1] = '\0';
	return send_packet(fd, &p);
}

void rendezvous_send_progress(void *ctx, const char *what, int percent)
{
	char text[RENDEZVOUS_TEXT_MAX];

	snprintf(text, sizeof(text), "%d %s", percent, what);
	(void)rendezvous_send(*(const int *)ctx, RENDEZVOUS_PROGRESS,
			      text); /* the next may arrive */
}

int rendezvous_receive(int fd, enum rendezvous_message *ret, int *ret_code, char **ret_text)
{
	struct packet p;
	ssize_t n;

	/* A message is sent, and arrives, in one piece. Who sends a part of one, as a shim that its
	 * guest took over may, is not waited for. */
	do
		n = recv(fd, &p, sizeof(p), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	if ((size_t)n != sizeof(p) || p.message >= RENDEZVOUS_COUNT)
		return -EBADMSG;
	p.text[sizeof(p.text) - 1] = '\0';
	str_sanitize(p.text, false);
	*ret = (enum rendezvous_message)p.message;
	*ret_code = p.code;
	*ret_text = xstrdup(p.text);
	return 0;
}

static int wait_readable(int fd, long long deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		long long left = deadline - now_ms();
		int n;

		if (progress_is_wanted() && left > PROGRESS_TICK_MS)
			left = PROGRESS_TICK_MS;
		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && now_ms() >= deadline)
			return -ETIMEDOUT;
		progress_tick();
	}
}

static void show_progress(char *text)
{
	char *what = text;
	const char *number = strsep(&what, " ");
	int64_t percent;

	if (what && parse_i64(number, &percent) == 0 && percent >= PROGRESS_UNKNOWN &&
	    percent <= 100)
		progress_percent(what, (int)percent);
}

/* The next message that is no report of progress. */
static int await_message(int fd, int timeout_ms, enum rendezvous_message *ret, int *ret_code,
			 char **ret_text)
{
	long long deadline = now_ms() + timeout_ms;

	for (;;) {
		cleanup_free char *text = NULL;
		int r = wait_readable(fd, deadline);

		if (r == 0)
			r = rendezvous_receive(fd, ret, ret_code, &text);
		if (r == 0 && *ret == RENDEZVOUS_PROGRESS) {
			show_progress(text);
			continue;
		}
		*ret_text = steal_ptr(&text);
		return r;
	}
}

int rendezvous_wait(int fd, enum rendezvous_message wanted, int timeout_ms, const char *peer,
		    char **ret_text, struct error *err)
{
	cleanup_free char *text = NULL;
	enum rendezvous_message got;
	int code, r = await_message(fd, timeout_ms, &got, &code, &text);

	progress_clear();
	if (r == -EPIPE)
		return error_set(err, r, "%s died before '%s'", peer, message_names[wanted]);
	if (r < 0)
		return error_sys(err, r, "wait for '%s' of %s", message_names[wanted], peer);
	if (got == RENDEZVOUS_FAILED)
		return error_set(err, code < 0 ? code : -EIO, "%s", text);
	if (got != wanted)
		return error_set(err, -EBADMSG, "%s sent '%s' instead of '%s'", peer,
				 message_names[got], message_names[wanted]);
	if (ret_text)
		*ret_text = steal_ptr(&text);
	return 0;
}
