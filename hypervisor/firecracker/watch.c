/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/watch.h"

#include <sys/epoll.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* Firecracker tells of no events; but it holds the other end as long as it lives. */
struct hv_watch {
	struct hv_watch_handlers handlers;
	struct loop_source *source;
	int fd;
};

static void on_end(void *ctx, int fd, uint32_t what)
{
	struct hv_watch *watch = ctx;
	struct error err = ERROR_INIT;

	loop_remove(watch->source);
	watch->source = NULL;
	error_set(&err, -EPIPE, "firecracker closed the connection");
	watch->handlers.on_end(watch->handlers.ctx, &err);
}

int fc_watch(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
	     struct hv_watch **ret, struct error *err)
{
	struct hv_watch *watch = xcalloc(1, sizeof(*watch));
	int r;

	*watch = (struct hv_watch){ .handlers = *handlers, .fd = fd };
	r = loop_add_fd(loop, fd, EPOLLIN, on_end, watch, &watch->source);
	if (r < 0) {
		fc_unwatch(watch);
		return error_sys(err, r, "watch the VMM");
	}
	*ret = watch;
	return 0;
}

void fc_unwatch(struct hv_watch *watch)
{
	if (!watch)
		return;
	loop_remove(watch->source);
	close_fdp(&watch->fd);
	free(watch);
}

/* Its end shows as its process's, too. */
void fc_drain(struct hv_watch *watch)
{
	(void)watch;
}

/* launch() has talked with it. */
bool fc_is_heard(const struct hv_watch *watch)
{
	(void)watch;
	return true;
}
