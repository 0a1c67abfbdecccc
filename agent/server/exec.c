/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/server/server-internal.h"
#include "agent/server/spec.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/engine.h"
#include "oci/config.h"

/*
 * ExecProcess. To enter a container takes its time, and in one that is frozen until it is thawed,
 * so a worker does it; one of its own, since nothing of it is of the guest but the container. Until
 * it is done the process has its name and nothing else that others could ask for.
 */
struct execution {
	struct process *process;
	struct oci_process *spec;
	char **cgroups;
	struct rpc_call *calls;
	bool is_unwanted;
};

/* in the worker, whose copy of the container this is */

static int run(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	const struct execution *e = ctx;
	const struct container *container = e->process->container;
	const struct stdio *io = &e->process->io;
	struct engine_exec exec = {
		.id = container->id,
		.init_pid = container->init->pid,
		.init_pidfd = container->init->pidfd,
		.config = container->config,
		.process = e->spec,
		.cgroup = container->cgroup,
		.console_socket = io->console[1],
		.is_guest = container->server->options.is_guest,
	};

	int r = cgroup_aim_exec(container->cgroup, e->cgroups, exec.init_pid, &result->err);

	if (r < 0)
		return r;
	memcpy(exec.stdio, io->child, sizeof(exec.stdio));
	return engine_exec(&exec, &result->pid, &result->err);
}

/* in the agent, after */

static void execution_free(struct execution *e)
{
	e->process->execution = NULL;
	oci_process_free(e->spec);
	strv_free(e->cgroups);
	free(e);
}

static void drop(void *ctx, const struct worker_result *result)
{
	execution_free(ctx); /* the process goes with its container */
}

static void on_done(void *ctx, const struct worker_result *result)
{
	struct execution *e = ctx;
	struct process *process = e->process;
	struct container *container = process->container;
	struct rpc_call *calls = steal_ptr(&e->calls);
	bool is_unwanted = e->is_unwanted || container->is_removing;
	struct error err = result->err;

	/* The call's list moves to the stack, since all else may go. */
	for (struct rpc_call *call = calls; call; call = call->wait_next)
		call->wait_list = &calls;
	execution_free(e);
	if (!err.code)
		(void)process_attach(process, result->pid, &err);
	if (!err.code && is_unwanted)
		(void)kill(process->pid, SIGKILL); /* not reaped yet, so still ours */
	if (err.code)
		process_free(process);
	rpc_finish_all(&calls, &err);
	container_check(container);
}

static const struct worker_task task = { "exec", NULL, run, on_done, drop };

void execution_kill(struct process *process)
{
	process->execution->is_unwanted = true;
}

void execution_cancel(struct process *process)
{
	worker_cancel(process->container->server, process->execution);
}

/* in the agent, before */

static int parse_process(const grpc_ExecProcessRequest *req, struct oci_process **ret,
			 struct error *err)
{
	cleanup_free char *text = NULL;

	if (req->oci_json.size)
		return oci_process_read("process", (const char *)req->oci_json.data,
					req->oci_json.size, ret, err);
	if (!req->process)
		return error_set(err, -EINVAL, "both oci_json and process are missing");
	text = spec_process_text(req->process);
	return oci_process_read("process", text, strlen(text), ret, err);
}

int process_exec(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_ExecProcessRequest *req = request;
	const uint32_t ports[STDIO_COUNT] = { req->stdin_port, req->stdout_port, req->stderr_port };
	struct container *container = container_find(call->server, req->container_id, err);
	cleanup_oci_process struct oci_process *spec = NULL;
	struct process *process;
	int r;

	if (!container)
		return err->code;
	r = process_check_new(container, req->exec_id, err);
	if (r == 0)
		r = parse_process(req, &spec, err);
	if (r < 0)
		return error_wrap(err, r, "exec in '%s'", container->id);

	process = process_new(container, req->exec_id, false);
	r = stdio_prepare(&process->io, call->server, spec->terminal, ports, err);
	if (r < 0) {
		process_free(process);
		return r;
	}
	process->execution = xcalloc(1, sizeof(*process->execution));
	*process->execution = (struct execution){ .process = process, .spec = steal_ptr(&spec) };
	for (size_t i = 0; i < req->cgroups_count; i++)
		strv_push(&process->execution->cgroups, xstrdup(req->cgroups[i]));
	(void)rpc_wait(call, &process->execution->calls);
	worker_add_beside(call->server, &task, process->execution);
	return RPC_LATER;
}
