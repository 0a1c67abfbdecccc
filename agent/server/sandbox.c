/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/* How long the client that asked for the end may take to read the answer and hang up. */
#define GOODBYE_MS 300

static int set_hostname(const struct agent_server *server, const char *hostname, struct error *err)
{
	if (!server->options.is_guest || !hostname || !*hostname)
		return 0;
	return sethostname(hostname, strlen(hostname)) < 0
		       ? error_sys(err, errno, "set host name '%.100s'", hostname)
		       : 0;
}

int sandbox_create(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_CreateSandboxRequest *req = request;
	struct agent_server *server = call->server;
	int r;

	if (server->sandbox_id)
		return error_set(err, -EEXIST, "sandbox '%s' exists already", server->sandbox_id);
	if (req->sandbox_pidns || req->kernel_modules_count)
		return error_set(err, -EOPNOTSUPP, "%s are not supported",
				 req->sandbox_pidns ? "shared pid namespaces" : "kernel modules");
	r = set_hostname(server, req->hostname, err);
	if (r == 0)
		r = storage_add(server, req->storages, req->storages_count, &server->sandbox_mounts,
				err);
	if (r == 0)
		server->sandbox_id = xstrdup(req->sandbox_id ? req->sandbox_id : "");
	return r;
}

static void on_goodbye(void *ctx)
{
	struct agent_server *server = ctx;

	loop_quit(server->loop, 0);
}

static void begin_goodbye(struct agent_server *server)
{
	storage_remove(server, steal_ptr(&server->sandbox_mounts));
	if (!server->goodbye)
		server->goodbye = loop_add_timer(server->loop, GOODBYE_MS, on_goodbye, server);
}

int sandbox_destroy(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	struct agent_server *server = call->server;
	struct container *next;

	server->is_ending = true;
	for (struct container *c = server->containers; c; c = next) {
		next = c->next;
		container_begin_removal(c);
	}
	if (!server->containers) {
		begin_goodbye(server);
		return 0;
	}
	(void)rpc_wait(call, &server->destroyers);
	return RPC_LATER;
}

void sandbox_check(struct agent_server *server)
{
	const grpc_Empty response = { 0 };

	if (!server->is_ending || server->containers)
		return;
	while (server->destroyers)
		rpc_reply(server->destroyers, &response);
	if (server->conns)
		begin_goodbye(server);
	else
		loop_quit(server->loop, 0);
}
