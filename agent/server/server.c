/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define DEVICE_TIMEOUT_MS 3000

int require_guest(const struct rpc_call *call, struct error *err)
{
	if (call->server->options.is_guest)
		return 0;
	return error_set(err, -EPERM, "this agent does not own its machine");
}

const char *server_sys_dir(const struct agent_server_options *options)
{
	return options->sys_dir ? options->sys_dir : "/sys";
}

const char *server_dev_dir(const struct agent_server_options *options)
{
	return options->dev_dir ? options->dev_dir : "/dev";
}

const char *server_run_dir(const struct agent_server_options *options)
{
	return options->run_dir ? options->run_dir : "/run/kata-containers";
}

int server_device_timeout_ms(const struct agent_server_options *options)
{
	return options->device_timeout_ms ? options->device_timeout_ms : DEVICE_TIMEOUT_MS;
}

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
	struct agent_server *server = ctx;

	if (info->ssi_signo == SIGCHLD)
		processes_reap(server);
	else
		loop_quit(server->loop, 0);
}

static int watch_children(struct agent_server *server)
{
	sigset_t signals;

	/* A client or a process that hung up is an error of the write, not our end. The engine
	 * gives what it starts the defaults back. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	if (!server->options.is_guest) {
		(void)sigaddset(&signals, SIGTERM);
		(void)sigaddset(&signals, SIGINT);
	}
	return loop_add_signals(server->loop, &signals, on_signal, server);
}

int agent_server_new(struct loop *loop, const struct agent_server_options *options,
		     struct agent_server **ret, struct error *err)
{
	struct agent_server *server = xcalloc(1, sizeof(*server));
	int r;

	server->loop = loop;
	server->options = *options;
	sandbox_init(server);
	r = watch_children(server);
	if (r < 0) {
		free(server);
		return error_sys(err, r, "watch children");
	}
	if (options->log_port) {
		r = logs_open(server, err);
		if (r < 0) {
			agent_server_free(server);
			return r;
		}
	}
	*ret = server;
	return 0;
}

void agent_server_free(struct agent_server *server)
{
	if (!server)
		return;
	rpc_conns_close(server);
	worker_stop(server);
	containers_destroy(server);
	oom_events_done(&server->oom);
	sandbox_done(server);
	shells_close(server);
	forwards_close(server);
	channel_close(server);
	logs_close(server);
	loop_remove(server->goodbye);
	free(server);
}
