/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/server/points.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"
#include "lib/linux/netdev.h"

/* How long the client that asked for the end may take to read the answer and hang up. */
#define GOODBYE_MS 300
#define RESOLV_CONF "/etc/resolv.conf"

void sandbox_init(struct agent_server *server)
{
	for (size_t i = 0; i < OCI_NS_COUNT; i++)
		server->sandbox.namespaces[i] = -1;
}

/* CreateSandbox, in the worker */

static int set_hostname(const struct agent_server *server, const char *hostname, struct error *err)
{
	if (!server->options.is_guest || !hostname || !*hostname)
		return 0;
	return sethostname(hostname, strlen(hostname)) < 0
		       ? error_sys(err, errno, "set host name '%.100s'", hostname)
		       : 0;
}

/* Where the host finds it for its containers; and for whoever runs in the guest beside them, if
 * the image has such a file. */
static int write_dns(const struct agent_server_options *options,
		     const grpc_CreateSandboxRequest *req, struct error *err)
{
	cleanup_free char *dir = xasprintf("%s/sandbox", server_run_dir(options));
	cleanup_free char *path = xasprintf("%s/resolv.conf", dir);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_fd int fd = -1;
	int r;

	if (!req->dns_count)
		return 0;
	for (size_t i = 0; i < req->dns_count; i++)
		strbuf_addf(&text, "%s\n", req->dns[i]);
	r = mkdir_parents(dir, 0755);
	if (r == 0) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : write_atomic_at(fd, "resolv.conf", text.buf, text.len, 0644);
	}
	if (r < 0)
		return error_sys(err, r, "write '%s'", path);
	if (!options->is_guest || access(RESOLV_CONF, F_OK) < 0)
		return 0;
	return mount(path, RESOLV_CONF, NULL, MS_BIND, NULL) < 0
		       ? error_sys(err, errno, "bind '%s'", RESOLV_CONF)
		       : 0;
}

int sandbox_bring_up_loopback(const struct agent_server *server, struct error *err)
{
	int r = server->options.is_guest ? netdev_up("lo") : 0;

	return r < 0 ? error_sys(err, r, "bring up 'lo'") : 0;
}

static int run(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct agent_server *server = ctx;
	const grpc_CreateSandboxRequest *req = server->sandbox.request;
	int r = set_hostname(server, req->hostname, &result->err);

	if (r == 0)
		r = sandbox_bring_up_loopback(server, &result->err);
	if (r == 0)
		r = kernel_modules_load(&server->options, req->kernel_modules,
					req->kernel_modules_count, &result->err);
	if (r == 0)
		r = write_dns(&server->options, req, &result->err);
	return r < 0 ? r
		     : storage_mount(&server->sandbox.storages, &progress->storages_count,
				     &result->err);
}

/* CreateSandbox, in the agent */

static int begin(void *ctx, struct error *err)
{
	struct agent_server *server = ctx;
	struct sandbox *sandbox = &server->sandbox;

	return storage_reserve(server, sandbox->request->storages, sandbox->request->storages_count,
			       "", &sandbox->storages, &sandbox->mounts, err);
}

static void forget_request(struct agent_server *server, const struct worker_result *result)
{
	struct sandbox *sandbox = &server->sandbox;

	storage_settle(server, &sandbox->storages, result->progress.storages_count);
	storage_set_done(&sandbox->storages);
	rpc_free_request(AGENT_CREATE_SANDBOX, steal_ptr(&sandbox->request));
}

static void on_done(void *ctx, const struct worker_result *result)
{
	struct agent_server *server = ctx;
	struct sandbox *sandbox = &server->sandbox;

	forget_request(server, result);
	if (result->err.code) {
		storage_remove(server, steal_ptr(&sandbox->mounts));
		free(steal_ptr(&sandbox->id));
	}
	agent_point(AGENT_POINT_SANDBOX);
	rpc_finish_all(&sandbox->creators, &result->err);
}

static void on_drop(void *ctx, const struct worker_result *result)
{
	forget_request(ctx, result);
}

static const struct worker_task task = { "create sandbox", begin, run, on_done, on_drop };

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = text && *text ? xstrdup(text) : NULL;
}

/* A guest that was just booted has nothing else to do, and a child costs it more than its work. */
static bool is_quick(const struct agent_server *server, const grpc_CreateSandboxRequest *req)
{
	if (!server->options.is_guest || server->containers || server->worker.jobs ||
	    req->kernel_modules_count)
		return false;
	for (size_t i = 0; i < req->storages_count; i++)
		if (!storage_is_share(&req->storages[i]))
			return false;
	return true;
}

int sandbox_create(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_CreateSandboxRequest *req = request;
	struct agent_server *server = call->server;
	struct sandbox *sandbox = &server->sandbox;

	if (sandbox->id)
		return error_set(err, -EEXIST, "sandbox '%s' exists already", sandbox->id);
	sandbox->id = xstrdup(req->sandbox_id ? req->sandbox_id : "");
	set_text(&sandbox->hostname, req->hostname);
	set_text(&sandbox->hook_path, req->guest_hook_path);
	sandbox->has_shared_pids = req->sandbox_pidns;
	sandbox->request = rpc_take_request(call);
	(void)rpc_wait(call, &sandbox->creators);
	if (is_quick(server, sandbox->request))
		worker_do(&task, server);
	else
		worker_add(server, &task, server);
	return RPC_LATER;
}

/* what containers share */

static void set_namespace(struct oci_config *config, enum oci_namespace_type type, int fd)
{
	struct oci_linux *l = &config->linux_;
	struct oci_namespace *ns = NULL;

	for (size_t i = 0; i < l->namespaces_count; i++)
		if (l->namespaces[i].type == (int)type)
			ns = &l->namespaces[i];
	if (!ns) {
		l->namespaces = xrealloc(l->namespaces, l->namespaces_count + 1, sizeof(*ns));
		ns = &l->namespaces[l->namespaces_count++];
		*ns = (struct oci_namespace){ .type = (int)type };
	}
	free(ns->path);
	/* By way of us, so that it is there as long as we have it. */
	ns->path = fd < 0 ? NULL : xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
}

static void drop_namespace(struct oci_config *config, enum oci_namespace_type type)
{
	struct oci_linux *l = &config->linux_;
	size_t kept = 0;

	for (size_t i = 0; i < l->namespaces_count; i++) {
		if (l->namespaces[i].type == (int)type)
			free(l->namespaces[i].path);
		else
			l->namespaces[kept++] = l->namespaces[i];
	}
	l->namespaces_count = kept;
}

int sandbox_open_namespace(pid_t pid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/ns/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static _Noreturn void hold_namespaces(const char *hostname, int fd)
{
	char c = 0;

	if (hostname && sethostname(hostname, strlen(hostname)) < 0)
		_exit(1);
	(void)write_all(fd, &c, 1);
	(void)read_exact(fd, &c, 1); /* until the agent has them */
	_exit(0);
}

/* Those that Kata's agent gives every container of the sandbox, made when the first one comes. */
static int make_namespaces(struct sandbox *sandbox, struct error *err)
{
	struct clone_request clone = {
		.flags = CLONE_NEWIPC | CLONE_NEWUTS,
		.cgroup_fd = -1,
	};
	cleanup_pid pid_t pid = 0;
	int *fds = sandbox->namespaces;
	int ends[2], r;
	char c;

	if (fds[OCI_NS_UTS] >= 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_sys(err, errno, "make a socket pair");
	pid = clone_process(&clone);
	if (pid == 0)
		hold_namespaces(sandbox->hostname, ends[1]);
	close(ends[1]);
	r = pid < 0 ? steal_pid(&pid) : read_exact(ends[0], &c, 1);
	if (r == 0)
		r = fds[OCI_NS_IPC] = sandbox_open_namespace(pid, "ipc");
	if (r >= 0)
		r = fds[OCI_NS_UTS] = sandbox_open_namespace(pid, "uts");
	close(ends[0]);
	return r < 0 ? error_sys(err, r, "make the sandbox's namespaces") : 0;
}

static int arrange_as_kata(struct agent_server *server, struct oci_config *config,
			   struct error *err)
{
	int r = make_namespaces(&server->sandbox, err);

	if (r < 0)
		return r;
	drop_namespace(config, OCI_NS_NETWORK); /* the VM's is theirs */
	drop_namespace(config, OCI_NS_USER);
	set_namespace(config, OCI_NS_IPC, server->sandbox.namespaces[OCI_NS_IPC]);
	set_namespace(config, OCI_NS_UTS, server->sandbox.namespaces[OCI_NS_UTS]);
	set_namespace(config, OCI_NS_PID, -1);
	free(steal_ptr(&config->hostname)); /* the sandbox has one */
	return 0;
}

int sandbox_arrange(struct agent_server *server, struct oci_config *config, bool is_kata,
		    bool has_shared_pids, struct error *err)
{
	struct sandbox *sandbox = &server->sandbox;
	int pids_fd = sandbox->namespaces[OCI_NS_PID];
	int r = is_kata ? arrange_as_kata(server, config, err) : 0;

	if (r < 0)
		return r;
	if ((has_shared_pids || sandbox->has_shared_pids) && pids_fd >= 0)
		set_namespace(config, OCI_NS_PID, pids_fd);
	return 0;
}

void sandbox_note_init(struct agent_server *server, pid_t pid)
{
	int *fd = &server->sandbox.namespaces[OCI_NS_PID];

	if (*fd < 0)
		*fd = sandbox_open_namespace(pid, "pid");
}

/* DestroySandbox */

static void on_goodbye(void *ctx)
{
	struct agent_server *server = ctx;

	loop_quit(server->loop, 0);
}

bool sandbox_ends_guest(const struct agent_server *server)
{
	return server->is_ending && server->options.is_guest;
}

static void begin_goodbye(struct agent_server *server)
{
	/* Nothing will ever happen again. */
	rpc_refuse_all(&server->oom.waiters, -EIO, "the sandbox is gone");
	storage_remove(server, steal_ptr(&server->sandbox.mounts));
	if (server->options.is_guest)
		sync(); /* what is mounted still; nobody unmounts it any more */
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

static void close_namespaces(struct sandbox *sandbox)
{
	for (size_t i = 0; i < OCI_NS_COUNT; i++)
		if (sandbox->namespaces[i] >= 0)
			close(steal_fd(&sandbox->namespaces[i]));
}

void sandbox_check(struct agent_server *server)
{
	const grpc_Empty response = { 0 };

	/* Those of containers without a sandbox end with the last of them. */
	if (!server->sandbox.id && !server->containers)
		close_namespaces(&server->sandbox);
	if (!server->is_ending || server->containers)
		return;
	while (server->destroyers)
		rpc_reply(server->destroyers, &response);
	if (server->conns)
		begin_goodbye(server);
	else
		loop_quit(server->loop, 0);
}

void sandbox_done(struct agent_server *server)
{
	struct sandbox *sandbox = &server->sandbox;

	storage_remove(server, steal_ptr(&sandbox->mounts));
	close_namespaces(sandbox);
	free(sandbox->id);
	free(sandbox->hostname);
	free(sandbox->hook_path);
}
