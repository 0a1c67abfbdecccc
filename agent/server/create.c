/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/server/points.h"
#include "agent/server/server-internal.h"
#include "agent/server/spec.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/engine.h"
#include "oci/annotations.h"
#include "oci/config.h"

/*
 * CreateContainer. What can be refused at once is refused at once; the rest, from the first mount
 * to the init that waits for its start, is a worker's. Until it is done the container has its name
 * and nothing else that others could ask for.
 */
#define ID_MAX 1024

struct creation {
	struct container *container;
	grpc_CreateContainerRequest *request;
	struct storage_set storages;
	char *cgroup_path;
	struct worker_progress *progress; /* in the worker */
	int gate;			  /* the init's end of the start pipe */
};

/* in the agent, before */

int container_check_id(const char *id, struct error *err)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-";

	if (!id || !*id || strlen(id) > ID_MAX || strspn(id, allowed) != strlen(id) || is_dots(id))
		return error_set(err, -EINVAL, "invalid container ID format: '%.100s'",
				 id ? id : "");
	return 0;
}

static int parse_config(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_CreateContainerRequest *req = c->request;
	struct oci_config **ret = &c->container->config;
	cleanup_free char *text = NULL;
	int r;

	if (req->shared_mounts_count)
		return error_set(err, -EOPNOTSUPP, "shared mounts are not supported");
	if (!req->oci_json.size && !req->oci)
		return error_set(err, -EINVAL, "both oci_json and OCI are missing");
	if (req->oci_json.size) {
		r = oci_config_read("config.json", (const char *)req->oci_json.data,
				    req->oci_json.size, ret, err);
	} else {
		text = spec_config_text(req->oci);
		r = oci_config_read("OCI", text, strlen(text), ret, err);
	}
	return r < 0 ? r : oci_annotations_apply(*ret, NULL, err);
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

static int make_gate(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make start pipe");
	c->gate = ends[0];
	c->container->start_fd = ends[1];
	return 0;
}

/* clang-format off */
static const struct step prepare_steps[] = {
	{ .run = parse_config },
	{ "stdio", prepare_stdio },
	{ "gate", make_gate },
};
/* clang-format on */

/* There is no systemd in here: "slice:prefix:name" is a directory like others, as it is to Kata's
 * agent. */
static char *plan_cgroup(const struct container *container)
{
	const char *wanted = container->config->linux_.cgroups_path;
	cleanup_free char *path = xstrdup(wanted ? wanted : "");

	if (*path != '/')
		for (char *p = path; (p = strchr(p, ':'));)
			*p = '/';
	return cgroup_plan_path(path, container->id);
}

static int begin(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	struct container *container = c->container;
	const grpc_CreateContainerRequest *req = c->request;
	int r;

	if (container->is_removing)
		return error_set(err, -EBUSY, "container '%s' was removed meanwhile",
				 container->id);
	r = sandbox_arrange(container->server, container->config, !req->oci_json.size,
			    req->sandbox_pidns, err);
	if (r == 0)
		r = storage_reserve(container->server, req->storages, req->storages_count,
				    container->id, &c->storages, &container->mounts, err);
	if (r < 0)
		return r;
	guest_hooks_add(container);
	c->cgroup_path = plan_cgroup(container);
	return 0;
}

/* in the worker */

/* A client may do without a sandbox. */
static int add_loopback(void *ctx, struct error *err)
{
	const struct agent_server *server = ((struct creation *)ctx)->container->server;

	return server->sandbox.id ? 0 : sandbox_bring_up_loopback(server, err);
}

static int add_storages(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return storage_mount(&c->storages, &c->progress->storages_count, err);
}

static int patch_devices(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return device_patch(&c->container->server->options, c->request->devices,
			    c->request->devices_count, c->container->config, err);
}

static int make_bundle(void *ctx, struct error *err)
{
	const struct creation *c = ctx;

	return guest_hooks_make_bundle(c->container, err);
}

static int make_cgroup(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	struct cgroup *cg;
	int r = cgroup_open(c->cgroup_path, &cg, err);

	if (r == 0) {
		cg->is_frugal = !cgroup_plan_is_writable(c->container->config);
		r = cgroup_create(cg, err);
	}
	if (r < 0) /* it may be somebody else's: not ours to remove */
		return r;
	c->progress->has_cgroup = true;
	c->container->cgroup = cg;
	r = cgroup_apply(cg, &c->container->config->linux_.resources, err);
	return r < 0 ? r : cgroup_give_to_owner(cg, c->container->config, err);
}

static int accept_pid(void *ctx, pid_t pid, struct error *err)
{
	return 0; /* nothing of ours is on disk */
}

static int launch(struct creation *c, pid_t *ret_pid, struct error *err)
{
	struct container *container = c->container;
	struct stdio *io = &container->init->io;
	struct engine_container engine = {
		.id = container->id,
		.config = container->config,
		.bundle = container->bundle ? container->bundle : "/",
		.cgroup = container->cgroup,
		.console_socket = io->console[1],
		.start_fd = c->gate,
		.is_guest = container->server->options.is_guest,
		.on_pid = accept_pid,
	};

	memcpy(engine.stdio, io->child, sizeof(engine.stdio));
	return engine_create(&engine, ret_pid, err);
}

/* clang-format off */
static const struct step make_steps[] = {
	{ "network", add_loopback },
	{ "storages", add_storages },
	{ "devices", patch_devices },
	{ "bundle", make_bundle },
	{ "cgroup", make_cgroup },
};
/* clang-format on */

static int run(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct creation *c = ctx;
	int r;

	c->progress = progress;
	r = steps_run(make_steps, ARRAY_SIZE(make_steps), c, &result->err);
	return r < 0 ? r : launch(c, &result->pid, &result->err);
}

/* in the agent, after */

static void creation_free(struct creation *c)
{
	storage_set_done(&c->storages);
	rpc_free_request(AGENT_CREATE_CONTAINER, c->request);
	if (c->gate >= 0)
		close(c->gate);
	free(c->cgroup_path);
	free(c);
}

/* The container is no longer being made; it has what the worker made for it. */
static int adopt(struct container *container, const struct worker_result *result, struct error *err)
{
	struct creation *c = steal_ptr(&container->creation);
	int r = 0;

	storage_settle(container->server, &c->storages, result->progress.storages_count);
	if (result->progress.has_cgroup)
		r = cgroup_open(c->cgroup_path, &container->cgroup, err);
	creation_free(c);
	/* A sandbox has few containers, and is gone with them; who has none has many in turn. */
	if (r == 0 && container->cgroup && !container->server->sandbox.id)
		cgroup_keep_filter(container->cgroup, &container->config->linux_.resources);
	if (r == 0 && result->pid)
		r = process_attach(container->init, result->pid, err);
	return r;
}

static void on_done(void *ctx, const struct worker_result *result)
{
	struct container *container = ((struct creation *)ctx)->container;
	struct rpc_call *creators = steal_ptr(&container->creators);
	const grpc_Empty response = { 0 };
	struct error err = result->err, trouble = ERROR_INIT;

	/* The call's list moves to the stack, since the container may go. */
	for (struct rpc_call *call = creators; call; call = call->wait_next)
		call->wait_list = &creators;
	if (adopt(container, result, &trouble) < 0 && !err.code)
		err = trouble;
	if (err.code) {
		log_debug("container '%s': %s", container->id, err.msg);
		container_finish_removal(container);
		rpc_fail_all(&creators, &err);
		return;
	}
	agent_point(AGENT_POINT_CONTAINER);
	sandbox_note_init(container->server, result->pid);
	container_hold_mounts(container, result->pid);
	oom_watch(container);
	while (creators)
		rpc_reply(creators, &response);
	if (container->is_removing)
		container_begin_removal(container);
}

static void on_drop(void *ctx, const struct worker_result *result)
{
	struct container *container = ((struct creation *)ctx)->container;

	(void)adopt(container, result, NULL); /* what cannot be opened cannot be removed */
	container_destroy(container);
}

static const struct worker_task task = { "create", begin, run, on_done, on_drop };

int container_create(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_CreateContainerRequest *req = request;
	struct agent_server *server = call->server;
	struct container *container;
	int r = container_check_id(req->container_id, err);

	if (r < 0)
		return r;
	if (server->is_ending)
		return error_set(err, -EBUSY, "the sandbox is being destroyed");
	if (container_find_any(server, req->container_id))
		return error_set(err, -EEXIST, "container '%s' exists already", req->container_id);

	container = xcalloc(1, sizeof(*container));
	container->server = server;
	container->id = xstrdup(req->container_id);
	container->start_fd = -1;
	container->mounts_fd = -1;
	container->creation = xcalloc(1, sizeof(*container->creation));
	*container->creation = (struct creation){
		.container = container,
		.request = rpc_take_request(call),
		.gate = -1,
	};
	r = steps_run(prepare_steps, ARRAY_SIZE(prepare_steps), container->creation, err);
	if (r < 0) {
		creation_free(steal_ptr(&container->creation));
		container_destroy(container);
		return r;
	}
	container->next = server->containers;
	server->containers = container;
	(void)rpc_wait(call, &container->creators);
	worker_add(server, &task, container->creation);
	return RPC_LATER;
}
