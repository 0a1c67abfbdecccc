/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/engine.h"
#include "oci/config.h"

#define ID_MAX 1024
#define CGROUP_REMOVE_MS 2000

struct container *container_find(struct agent_server *server, const char *id, struct error *err)
{
	if (!id)
		id = "";
	for (struct container *c = server->containers; c; c = c->next)
		if (streq(c->id, id))
			return c;
	/* Kata's agent answers INVALID_ARGUMENT, and its clients know that. */
	(void)error_set(err, -EINVAL, "container '%.100s' does not exist", id);
	return NULL;
}

/* Everything that was made for it, at whatever stage it is. Its processes have exited, or are to
 * be killed. */
static void destroy(struct container *container)
{
	struct agent_server *server = container->server;
	struct error err = ERROR_INIT;
	struct container **p;

	while (container->processes)
		process_free(container->processes);
	if (container->start_fd >= 0)
		close(container->start_fd);
	if (container->cgroup && cgroup_remove(container->cgroup, CGROUP_REMOVE_MS, &err) < 0)
		log_warning("container '%s': %s", container->id, err.msg);
	oom_unwatch(container);
	cgroup_free(container->cgroup);
	storage_remove(server, container->mounts);
	loop_remove(container->remove_timer);
	oci_config_free(container->config);
	for (p = &server->containers; *p && *p != container; p = &(*p)->next)
		;
	if (*p)
		*p = container->next;
	free(container->id);
	free(container);
}

/* CreateContainer */

struct creation {
	struct container *container;
	const grpc_CreateContainerRequest *request;
};

static int parse_config(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_CreateContainerRequest *req = c->request;

	if (!req->oci_json.size)
		return error_set(err, -EINVAL, "oci_json is missing");
	if (req->devices_count || req->shared_mounts_count)
		return error_set(err, -EOPNOTSUPP, "devices and shared mounts are not supported");
	return oci_config_parse("config.json", (const char *)req->oci_json.data, req->oci_json.size,
				&c->container->config, err);
}

static int add_storages(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return storage_add(c->container->server, c->request->storages, c->request->storages_count,
			   &c->container->mounts, err);
}

static int make_cgroup(void *ctx, struct error *err)
{
	struct container *container = ((struct creation *)ctx)->container;
	const struct oci_linux *linux_ = &container->config->linux_;
	cleanup_free char *path = cgroup_plan_path(linux_->cgroups_path, container->id);
	struct cgroup *cg;
	int r = cgroup_open(path, &cg, err);

	if (r < 0)
		return r;
	r = cgroup_create(cg, err);
	if (r < 0) { /* it may be somebody else's: not ours to remove */
		cgroup_free(cg);
		return r;
	}
	container->cgroup = cg;
	return cgroup_apply(cg, &linux_->resources, err);
}

static int prepare_stdio(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_CreateContainerRequest *req = c->request;
	const uint32_t ports[STDIO_COUNT] = { req->stdin_port, req->stdout_port, req->stderr_port };
	const struct oci_process *spec = c->container->config->process;
	struct process *init = process_new(c->container, req->exec_id, true);

	if (!spec)
		return error_set(err, -EINVAL, "config.json: process is missing");
	return stdio_prepare(&init->io, c->container->server, spec->terminal, ports, err);
}

static int accept_pid(void *ctx, pid_t pid, struct error *err)
{
	return 0; /* nothing of ours is on disk */
}

static int launch(void *ctx, struct error *err)
{
	struct container *container = ((struct creation *)ctx)->container;
	struct stdio *io = &container->init->io;
	cleanup_fd int gate = -1;
	struct engine_container engine = {
		.id = container->id,
		.config = container->config,
		.bundle = "/",
		.cgroup = container->cgroup,
		.console_socket = io->console[1],
		.is_guest = container->server->options.is_guest,
		.on_pid = accept_pid,
	};
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make start pipe");
	gate = ends[0];
	container->start_fd = ends[1];
	engine.start_fd = gate;
	memcpy(engine.stdio, io->child, sizeof(engine.stdio));
	r = engine_create(&engine, &pid, err);
	return r < 0 ? r : process_attach(container->init, pid, err);
}

/* clang-format off */
static const struct step create_steps[] = {
	{ .run = parse_config },
	{ "storages", add_storages },
	{ "cgroup", make_cgroup },
	{ "stdio", prepare_stdio },
	{ .run = launch },
};
/* clang-format on */

static int check_id(const char *id, struct error *err)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-";

	if (!id || !*id || strlen(id) > ID_MAX || strspn(id, allowed) != strlen(id) ||
	    streq(id, ".") || streq(id, ".."))
		return error_set(err, -EINVAL, "invalid container ID format: '%.100s'",
				 id ? id : "");
	return 0;
}

int container_create(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_CreateContainerRequest *req = request;
	struct agent_server *server = call->server;
	struct creation creation = { .request = req };
	struct container *container;
	int r = check_id(req->container_id, err);

	if (r < 0)
		return r;
	if (server->is_ending)
		return error_set(err, -EBUSY, "the sandbox is being destroyed");
	if (container_find(server, req->container_id, NULL))
		return error_set(err, -EEXIST, "container '%s' exists already", req->container_id);

	container = xcalloc(1, sizeof(*container));
	container->server = server;
	container->id = xstrdup(req->container_id);
	container->start_fd = -1;
	creation.container = container;
	r = steps_run(create_steps, ARRAY_SIZE(create_steps), &creation, err);
	if (r < 0) {
		destroy(container);
		return r;
	}
	container->next = server->containers;
	server->containers = container;
	oom_watch(container);
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
	return r < 0 ? error_sys(err, r, "start container '%s'", container->id) : 0;
}

/* RemoveContainer */

static void finish_removal(struct container *container)
{
	struct agent_server *server = container->server;
	struct rpc_call *removers = steal_ptr(&container->removers);
	const grpc_Empty response = { 0 };

	/* The calls' list moves to the stack, since the container goes first: who is told that it
	 * is gone may make it again. */
	for (struct rpc_call *call = removers; call; call = call->wait_next)
		call->wait_list = &removers;
	destroy(container);
	while (removers)
		rpc_reply(removers, &response);
	sandbox_check(server);
}

void container_check(struct container *container)
{
	if (!container->is_removing)
		return;
	for (const struct process *p = container->processes; p; p = p->next)
		if (p->pid && !p->has_exited)
			return;
	finish_removal(container);
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
	kill_all(container);
	/* Nobody waits any longer for a host that does not read. */
	for (struct process *p = container->processes; p; p = p->next)
		if (p->has_exited)
			stdio_cut(&p->io);
	container_check(container);
}

static void on_remove_timeout(void *ctx)
{
	struct container *container = ctx;
	const struct error late = { -ETIME, "its processes have not ended in time" };

	container->remove_timer = NULL;
	rpc_fail_all(&container->removers, &late);
}

int container_remove(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_RemoveContainerRequest *req = request;
	struct container *container = container_find(call->server, req->container_id, err);

	if (!container)
		return err->code;
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
		destroy(container);
	}
}
