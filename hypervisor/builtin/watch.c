/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* What a VMM says whose guest may have taken it over: bounded, made printable, and believed to be
 * the reason for an end that is seen otherwise. */

struct hv_watch {
	struct hv_watch_handlers handlers;
	struct loop_source *source;
	int fd;
	char line[BUILTIN_LINE_MAX];
	size_t len;
	bool is_heard;
	bool has_ended;
};

static void end(struct hv_watch *w, const char *why)
{
	struct error err = ERROR_INIT;

	loop_remove(steal_ptr(&w->source));
	if (w->has_ended)
		return;
	w->has_ended = true;
	error_set(&err, -EPIPE, "%s", why);
	w->handlers.on_end(w->handlers.ctx, &err);
}

static void take_line(struct hv_watch *w)
{
	const char *reason;

	w->is_heard = true;
	str_sanitize(w->line, false);
	reason = str_after(w->line, BUILTIN_END);
	if (reason)
		w->handlers.on_reason(w->handlers.ctx, reason);
}

static void take_byte(struct hv_watch *w, char c)
{
	if (c != '\n') {
		if (w->len < sizeof(w->line) - 1)
			w->line[w->len++] = c;
		return;
	}
	w->line[w->len] = '\0';
	take_line(w);
	w->len = 0;
}

static void read_more(struct hv_watch *w)
{
	char buf[512];
	ssize_t n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(w, "the VMM closed it");
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		take_byte(w, buf[i]);
}

static void on_input(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	read_more(ctx);
}

int builtin_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
		  struct hv_watch **ret, struct error *err)
{
	struct hv_watch *w = xcalloc(1, sizeof(*w));
	int r;

	w->handlers = *handlers;
	w->fd = fd;
	r = loop_add_fd(loop, fd, EPOLLIN, on_input, w, &w->source);
	if (r < 0) {
		builtin_unwatch(w);
		return error_sys(err, r, "watch the VMM");
	}
	*ret = w;
	return 0;
}

void builtin_unwatch(struct hv_watch *w)
{
	if (!w)
		return;
	loop_remove(w->source);
	close_fdp(&w->fd);
	free(w);
}

/* Its socket holds no more than this, whatever it says. */
void builtin_drain(struct hv_watch *w)
{
	for (int i = 0; i < 64 && !w->has_ended; i++)
		read_more(w);
}

bool builtin_is_heard(const struct hv_watch *w)
{
	return w->is_heard;
}
