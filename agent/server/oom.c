/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-oom.h"

/*
 * GetOOMEvent: the call waits until a container runs out of memory, and everybody who waits is
 * told. Who asks again has missed nothing, since what happens meanwhile is kept for a moment; who
 * asks for the first time is not told of old stories.
 */
#define KEEP_MS 2000

static void drop_first(struct oom_events *events)
{
	free(events->items[0].container_id);
	events->count--;
	memmove(events->items, events->items + 1, events->count * sizeof(*events->items));
}

static void tell(struct oom_events *events)
{
	struct rpc_call *waiters = steal_ptr(&events->waiters);
	const grpc_OOMEvent response = { .container_id = events->items[0].container_id };

	for (struct rpc_call *call = waiters; call; call = call->wait_next)
		call->wait_list = &waiters;
	while (waiters)
		rpc_reply(waiters, &response);
	drop_first(events);
}

static void tell_all(struct oom_events *events)
{
	long long oldest = now_ms() - KEEP_MS;

	while (events->count && events->items[0].at_ms < oldest)
		drop_first(events);
	while (events->count && events->waiters)
		tell(events);
}

static void add(struct oom_events *events, const char *container_id)
{
	if (events->count == OOM_EVENTS_MAX)
		drop_first(events);
	events->items[events->count].container_id = xstrdup(container_id);
	events->items[events->count++].at_ms = now_ms();
	tell_all(events);
}

void oom_check(struct container *container)
{
	bool is_gone = false;

	if (!container->oom)
		return;
	for (int count = cgroup_oom_read(container->oom, &is_gone); count > 0; count--)
		add(&container->server->oom, container->id);
	if (is_gone)
		oom_unwatch(container);
}

static void on_oom(void *ctx, int fd, uint32_t events)
{
	struct container *container = ctx;

	if (cgroup_thrash_check(container->cgroup, &container->thrash)) {
		log_warning("container '%s': out of memory: with what is left it only reads its "
			    "programs' pages again and again; killed a process",
			    container->id);
		add(&container->server->oom, container->id);
	}
	oom_check(container);
}

void oom_watch(struct container *container)
{
	struct error err = ERROR_INIT;
	int r = cgroup_oom_open(container->cgroup, &container->oom, &err);

	if (r == 0)
		r = loop_add_fd(container->server->loop, cgroup_oom_fd(container->oom),
				cgroup_oom_events(container->oom), on_oom, container,
				&container->oom_source);
	if (r < 0) {
		log_warning("container '%s': nobody will know if it runs out of memory: %s",
			    container->id, err.msg);
		oom_unwatch(container);
	}
}

void oom_unwatch(struct container *container)
{
	loop_remove(container->oom_source);
	container->oom_source = NULL;
	cgroup_oom_free(steal_ptr(&container->oom));
}

void oom_events_done(struct oom_events *events)
{
	while (events->count)
		drop_first(events);
}

int oom_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	struct oom_events *events = &call->server->oom;

	(void)rpc_wait(call, &events->waiters);
	tell_all(events);
	return RPC_LATER;
}
