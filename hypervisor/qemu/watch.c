/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu/watch.h"

#include <errno.h>

#include "hypervisor/qemu/qmp.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/* The first with all that the command line uses: vhost-user-fs on every bus, -action, memfd. */
#define OLDEST_MAJOR 5

struct hv_watch {
	struct hv_watch_handlers handlers;
	struct qmp *qmp;
	bool has_ended;
};

/* Events and their reasons (QEMU's ShutdownCause); of more than one that fits, the first. */
/* clang-format off */
static const struct {
	const char *event;
	const char *reason; /* NULL: any */
	const char *text;
} reasons[] = {
	{ "SHUTDOWN", "guest-reset", "the guest reset itself" },
	{ "SHUTDOWN", "guest-shutdown", "the guest powered off" },
	{ "SHUTDOWN", "guest-panic", "the guest's kernel panicked" },
	{ "SHUTDOWN", "host-signal", "the VMM was told to end by a signal" },
	{ "SHUTDOWN", "host-qmp-quit", "the VMM was told to end over its control socket" },
	{ "SHUTDOWN", "host-error", "the VMM met an error of the host's" },
	{ "SHUTDOWN", "subsystem-reset", "the guest reset itself" },
	{ "SHUTDOWN", NULL, "the virtual machine shut down" },
	{ "GUEST_PANICKED", NULL, "the guest's kernel panicked" },
	{ "GUEST_CRASHLOADED", NULL, "the guest's kernel panicked" },
	{ "WATCHDOG", NULL, "the guest's watchdog expired" },
	{ "MEMORY_FAILURE", NULL, "the host's memory failed" },
};
/* clang-format on */

static const char *find_reason(const char *event, const char *reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (streq(reasons[i].event, event) &&
		    (!reasons[i].reason || streq_null(reasons[i].reason, reason)))
			return reasons[i].text;
	return NULL;
}

static void on_event(void *ctx, const char *event, const char *reason, const char *device)
{
	struct hv_watch *watch = ctx;
	const char *text = find_reason(event, reason);

	(void)device;
	if (text)
		watch->handlers.on_reason(watch->handlers.ctx, text);
}

static void end(struct hv_watch *watch, const struct error *err)
{
	if (watch->has_ended)
		return;
	watch->has_ended = true;
	watch->handlers.on_end(watch->handlers.ctx, err);
}

static void on_greeting(void *ctx, const struct qmp_version *version)
{
	struct error err = ERROR_INIT;

	if (version->major >= OLDEST_MAJOR)
		return;
	error_set(&err, -ENOTSUP, "qemu %u.%u is too old: %d.0 or newer is needed", version->major,
		  version->minor, OLDEST_MAJOR);
	end(ctx, &err);
}

static void on_end(void *ctx, const struct error *err)
{
	end(ctx, err);
}

int qemu_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	       struct hv_watch **ret, struct error *err)
{
	struct hv_watch *watch = xcalloc(1, sizeof(*watch));
	const struct qmp_handlers qmp_handlers = {
		.on_greeting = on_greeting,
		.on_event = on_event,
		.on_end = on_end,
		.ctx = watch,
	};
	int r;

	watch->handlers = *handlers;
	r = qmp_new(loop, fd, &qmp_handlers, &watch->qmp);
	if (r < 0) {
		qemu_unwatch(watch);
		return error_sys(err, r, "watch the VMM");
	}
	(void)qmp_listen(watch->qmp, NULL); /* it has ended already, which its owner sees */
	*ret = watch;
	return 0;
}

void qemu_unwatch(struct hv_watch *watch)
{
	if (!watch)
		return;
	qmp_free(watch->qmp);
	free(watch);
}

void qemu_drain(struct hv_watch *watch)
{
	qmp_drain(watch->qmp);
}

bool qemu_is_heard(const struct hv_watch *watch)
{
	return qmp_is_greeted(watch->qmp);
}
