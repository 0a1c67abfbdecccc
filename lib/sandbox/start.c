/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/start.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/sandbox/rendezvous.h"

#define START_TIMEOUT_MS 60000

struct start_gate {
	struct loop *loop;
	struct agent_client *client;
	const char *id;
	int dir_fd;
	const char *name;
	int listen_fd;
	struct loop_source *listening;
	int caller_fd; /* who asks at this moment; others wait in the backlog */
	struct loop_source *caller;
	bool is_asking; /* the agent, which answers or ends: the gate has to be there until then */
	bool is_freed;
};

static void on_connection(void *ctx, int fd, uint32_t events);

static void watch_gate(struct start_gate *gate, bool on)
{
	loop_set_events(gate->listening, on ? EPOLLIN : 0);
}

static void dismiss(struct start_gate *gate)
{
	loop_remove(gate->caller);
	gate->caller = NULL;
	close_fdp(&gate->caller_fd);
	gate->caller_fd = -1;
}

static void destroy(struct start_gate *gate)
{
	dismiss(gate);
	loop_remove(gate->listening);
	close_fdp(&gate->listen_fd);
	free(gate);
}

static void on_started(void *ctx, const void *response, const struct error *err)
{
	struct start_gate *gate = ctx;

	gate->is_asking = false;
	if (gate->is_freed) {
		destroy(gate);
		return;
	}
	if (err) {
		(void)rendezvous_send_failure(gate->caller_fd, err); /* it need not listen */
		dismiss(gate);
		watch_gate(gate, true);
		return;
	}
	(void)unlinkat(gate->dir_fd, gate->name,
		       0); /* missing: the state directory is being removed */
	loop_remove(gate->listening);
	gate->listening = NULL;
	(void)rendezvous_send(gate->caller_fd, RENDEZVOUS_STARTED, NULL); /* as above */
	dismiss(gate);
}

static void on_request(void *ctx, int fd, uint32_t events)
{
	struct start_gate *gate = ctx;
	const grpc_StartContainerRequest request = { .container_id = (char *)gate->id };
	cleanup_free char *text = NULL;
	enum rendezvous_message message;
	struct error err = ERROR_INIT;
	int code, r = rendezvous_receive(fd, &message, &code, &text);

	loop_remove(gate->caller);
	gate->caller = NULL;
	if (r == 0 && message == RENDEZVOUS_START) {
		r = agent_call_async(gate->client, AGENT_START_CONTAINER, &request,
				     START_TIMEOUT_MS, on_started, gate, &err);
		gate->is_asking = r == 0;
		if (r == 0)
			return;
		(void)rendezvous_send_failure(fd, &err);
	}
	dismiss(gate);
	watch_gate(gate, true);
}

static void on_connection(void *ctx, int fd, uint32_t events)
{
	struct start_gate *gate = ctx;

	gate->caller_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (gate->caller_fd < 0)
		return; /* it has gone again */
	if (loop_add_fd(gate->loop, gate->caller_fd, EPOLLIN, on_request, gate, &gate->caller) < 0)
		dismiss(gate);
	else
		watch_gate(gate, false);
}

int start_gate_open(struct loop *loop, struct agent_client *client, const char *id, int listen_fd,
		    int dir_fd, const char *name, struct start_gate **ret, struct error *err)
{
	struct start_gate *gate = xcalloc(1, sizeof(*gate));
	int r;

	*gate = (struct start_gate){
		.loop = loop,
		.client = client,
		.id = id,
		.dir_fd = dir_fd,
		.name = name,
		.listen_fd = listen_fd,
		.caller_fd = -1,
	};
	r = loop_add_fd(loop, listen_fd, EPOLLIN, on_connection, gate, &gate->listening);
	if (r < 0) {
		start_gate_free(gate);
		return error_sys(err, r, "watch '%s'", name);
	}
	*ret = gate;
	return 0;
}

void start_gate_free(struct start_gate *gate)
{
	if (!gate)
		return;
	gate->is_freed = true;
	if (!gate->is_asking)
		destroy(gate);
}

void start_gate_fail(struct start_gate *gate, const struct error *why)
{
	if (!gate || gate->caller_fd < 0)
		return;
	(void)rendezvous_send_failure(gate->caller_fd, why); /* it need not listen */
	dismiss(gate);
}
