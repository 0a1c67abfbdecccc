/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/cloud-hypervisor/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hypervisor/cloud-hypervisor/answers.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * The event monitor: JSON objects, each with an empty line behind it. They are some hundred bytes
 * from a VMM that is well.
 */
#define EVENT_MAX 8192
#define EVENT_END "\n\n"

static const struct json_limits limits = { .max_bytes = EVENT_MAX,
					   .max_depth = 8,
					   .max_values = 200 };

struct hv_watch {
	struct hv_watch_handlers handlers;
	struct loop_source *source;
	int fd;
	bool is_heard;
	bool has_ended;
	size_t len;
	char text[EVENT_MAX];
};

/* A reset begins the guest anew in a machine whose containers nobody knows any more: it ends. */
/* clang-format off */
static const struct {
	const char *source, *event;
	const char *reason;
	bool is_end;
} events[] = {
	{ "vm", "rebooting", "the guest reset itself", true },
	{ "guest", "panic", "the guest's kernel panicked", false },
	{ "vm", "shutdown", "the virtual machine shut down", false },
};
/* clang-format on */

static void end(struct hv_watch *watch, int code, const char *text)
{
	struct error err = ERROR_INIT;

	loop_remove(watch->source);
	watch->source = NULL;
	if (watch->has_ended)
		return;
	watch->has_ended = true;
	error_set(&err, code, "%s", text);
	error_sanitize(&err);
	watch->handlers.on_end(watch->handlers.ctx, &err);
}

static void on_event(struct hv_watch *watch, const struct ch_event *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (!streq_null(e->source, events[i].source) ||
		    !streq_null(e->event, events[i].event))
			continue;
		watch->handlers.on_reason(watch->handlers.ctx, events[i].reason);
		if (events[i].is_end)
			end(watch, -EPIPE, events[i].reason);
		return;
	}
}

static void on_text(struct hv_watch *watch, const char *text, size_t len)
{
	struct error err = ERROR_INIT;
	struct ch_event event = { 0 };

	if (fields_parse(&ch_event_object, "event", text, len, &limits, &event, &err) < 0) {
		end(watch, -EPROTO, err.msg);
	} else {
		watch->is_heard = true;
		on_event(watch, &event);
	}
	fields_release(&ch_event_object, &event);
}

static void take_events(struct hv_watch *watch)
{
	const size_t mark = strlen(EVENT_END);
	char *start = watch->text, *stop;
	size_t left = watch->len;

	while (watch->source && (stop = memmem(start, left, EVENT_END, mark))) {
		on_text(watch, start, (size_t)(stop - start));
		left -= (size_t)(stop - start) + mark;
		start = stop + mark;
	}
	memmove(watch->text, start, left);
	watch->len = left;
	if (watch->source && left == sizeof(watch->text))
		end(watch, -EPROTO, "an event is too long");
}

/* False when there is nothing more to read for now. */
static bool read_some(struct hv_watch *watch)
{
	ssize_t n = read(watch->fd, watch->text + watch->len, sizeof(watch->text) - watch->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		end(watch, -EPIPE, "cloud-hypervisor closed the connection");
		return false;
	}
	watch->len += (size_t)n;
	take_events(watch);
	return watch->source != NULL;
}

static void on_readable(void *ctx, int fd, uint32_t what)
{
	(void)read_some(ctx);
}

int ch_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	     struct hv_watch **ret, struct error *err)
{
	struct hv_watch *watch = xcalloc(1, sizeof(*watch));
	int r = set_nonblock(fd, true);

	watch->handlers = *handlers;
	watch->fd = fd;
	if (r == 0)
		r = loop_add_fd(loop, fd, EPOLLIN, on_readable, watch, &watch->source);
	if (r < 0) {
		ch_unwatch(watch);
		return error_sys(err, r, "watch the VMM");
	}
	*ret = watch;
	return 0;
}

void ch_unwatch(struct hv_watch *watch)
{
	if (!watch)
		return;
	loop_remove(watch->source);
	close_fdp(&watch->fd);
	free(watch);
}

void ch_drain(struct hv_watch *watch)
{
	while (watch->source && read_some(watch))
		;
}

bool ch_is_heard(const struct hv_watch *watch)
{
	return watch->is_heard;
}
