/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/points.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "oci/config.h"

#define CGROUP_REMOVE_MS 2000

struct container *container_find_any(struct agent_server *server, const char *id)
{
	for (struct container *c = server->containers; c; c = c->next)
		if (id && streq(c->id, id))
			return c;
	return NULL;
}

struct container *container_find(struct agent_server *server, const char *id, struct error *err)
{
	struct container *container = container_find_any(server, id);

	if (container && !container->creation)
		return container;
	/* Kata's agent answers INVALID_ARGUMENT, and its clients know that. */
	(void)error_set(err, container ? -EBUSY : -EINVAL, "container '%.100s' %s", id ? id : "",
			container ? "is being created" : "does not exist");
	return NULL;
}

void container_hold_mounts(struct container *container, pid_t init)
{
	container->mounts_fd = sandbox_open_namespace(init, "mnt");
}

/* What takes the kernel its time: not where the whole guest ends. */
static void release_kernel_objects(struct container *container)
{
	struct error err = ERROR_INIT;

	close_fdp(&container->mounts_fd);
	if (container->cgroup && cgroup_remove(container->cgroup, CGROUP_REMOVE_MS, &err) < 0)
		log_warning("container '%s': %s", container->id, err.msg);
}

void container_destroy(struct container *container)
{
	struct agent_server *server = container->server;
	struct container **p;

	while (container->processes)
		process_free(container->processes);
	if (container->start_fd >= 0)
		close(container->start_fd);
	if (!sandbox_ends_guest(server))
		release_kernel_objects(container);
	oom_unwatch(container);
	cgroup_free(container->cgroup);
	storage_remove(server, container->mounts);
	guest_hooks_remove_bundle(container);
	loop_remove(container->remove_timer);
	oci_config_free(container->config);
	for (p = &server->containers; *p && *p != container; p = &(*p)->next)
		;
	if (*p)
		*p = container->next;
	free(container->id);
	free(container);
}

int container_rename(struct container *container, const char *id, struct error *err)
{
	int r;

	if (!id || !*id || streq(id, container->id))
		return 0;
	r = container_check_id(id, err);
	if (r < 0)
		return r;
	if (container_find_any(container->server, id))
		return error_set(err, -EEXIST, "container '%s' exists already", id);
	free(container->id);
	container->id = xstrdup(id);
	return 0;
}

/* StartContainer */

int container_start(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_StartContainerRequest *req = request;
	struct container *container = container_find(call->server, req->container_id, err);
	int r;

	if (!container)
		return err->code;
	if (container->start_fd < 0)
		return error_set(err, -EBUSY, "container '%s' was started before", container->id);
	if (container->init->has_exited)
		return error_set(err, -EBUSY, "container '%s' has stopped", container->id);
	r = write_all(container->start_fd, "", 1);
	close(steal_fd(&container->start_fd));
	agent_point(AGENT_POINT_PROGRAM);
	return r < 0 ? error_sys(err, r, "start container '%s'", container->id)
		     : guest_hooks_after_start(container, call);
}

/* RemoveContainer */

void container_finish_removal(struct container *container)
{
	struct agent_server *server = container->server;
	struct rpc_call *removers;
	const grpc_Empty response = { 0 };

	if (guest_hooks_before_end(container))
		return;
	removers = steal_ptr(&container->removers);
	/* The calls' list moves to the stack, since the container goes first: who is told that it
	 * is gone may make it again. */
	for (struct rpc_call *call = removers; call; call = call->wait_next)
		call->wait_list = &removers;
	container_destroy(container);
	while (removers)
		rpc_reply(removers, &response);
	sandbox_check(server);
}

void container_check(struct container *container)
{
	if (!container->is_removing || container->creation)
		return;
	for (const struct process *p = container->processes; p; p = p->next)
		if (p->execution || (p->pid && !p->has_exited))
			return;
	container_finish_removal(container);
}

static void kill_all(const struct container *container)
{
	struct error err = ERROR_INIT;

	if (container->cgroup && cgroup_signal(container->cgroup, SIGKILL, &err) < 0)
		log_warning("container '%s': %s", container->id, err.msg);
	/* Whoever is not in there, for whatever reason. */
	for (const struct process *p = container->processes; p; p = p->next)
		if (p->pid && !p->has_exited)
			(void)kill(p->pid, SIGKILL); /* not reaped yet, so still ours */
}

void container_begin_removal(struct container *container)
{
	container->is_removing = true;
	if (container->creation) {
		worker_cancel(container->server, container->creation);
		return;
	}
	kill_all(container);
	/* Nobody waits any longer for a host that does not read. */
	for (struct process *p = container->processes; p; p = p->next)
		if (p->execution)
			execution_cancel(p);
		else if (p->has_exited)
			stdio_cut(&p->io);
	container_check(container);
}

static void on_remove_timeout(void *ctx)
{
	struct container *container = ctx;

	container->remove_timer = NULL;
	rpc_refuse_all(&container->removers, -ETIME, "its processes have not ended in time");
}

int container_remove(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_RemoveContainerRequest *req = request;
	struct container *container = container_find_any(call->server, req->container_id);

	if (!container) {
		(void)container_find(call->server, req->container_id, err); /* says why */
		return err->code;
	}
	(void)rpc_wait(call, &container->removers);
	if (req->timeout && req->timeout < INT32_MAX / 1000 && !container->remove_timer)
		container->remove_timer = loop_add_timer(
			call->server->loop, (int)req->timeout * 1000, on_remove_timeout, container);
	container_begin_removal(container);
	return RPC_LATER;
}

void containers_destroy(struct agent_server *server)
{
	while (server->containers) {
		struct container *container = server->containers;

		kill_all(container);
		for (struct process *p = container->processes; p; p = p->next)
			if (p->pid && !p->has_exited && waitpid(p->pid, NULL, 0) == p->pid)
				p->has_exited = true;
		container_destroy(container);
	}
}
