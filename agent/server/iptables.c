/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/system-program.h"
#include "lib/linux/clone.h"
#include "lib/linux/signals.h"

/*
 * GetIPTables, SetIPTables: the image's own iptables programs, in a worker. What they read and
 * write is in memory files, which both the worker and the agent have.
 */
#define TABLES_MAX (3u << 20) /* has to fit into an answer */
#define MESSAGE_MAX 512
#define LOCK_WAIT_S "5"

struct tables {
	char *program;
	bool is_restore;
	int input; /* -1: none */
	int output;
	int messages;
	struct rpc_call *calls;
};

static void tables_free(struct tables *t)
{
	const int fds[] = { t->input, t->output, t->messages };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(t->program);
	free(t);
}

/* in the worker */

static _Noreturn void become(const struct tables *t)
{
	char *const args[] = { t->program, t->is_restore ? (char *)"--wait" : NULL,
			       (char *)LOCK_WAIT_S, NULL };
	char *const env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int none = -1;

	signals_reset();
	if ((t->input < 0 || dup2(t->input, 0) == 0) && dup2(t->output, 1) == 1 &&
	    dup2(t->messages, 2) == 2 && close_all_but(3, &none, 0) == 0)
		(void)execve(t->program, args, env);
	dprintf(2, "%s", strerror(errno));
	_exit(127);
}

static int judge(const struct tables *t, int status, struct error *err)
{
	char text[MESSAGE_MAX + 1];
	ssize_t n;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	n = pread(t->messages, text, MESSAGE_MAX, 0);
	text[n > 0 ? n : 0] = '\0';
	(void)error_set(err, -EIO, "%s: status %d: %s", t->program, exit_code_of(status), text);
	error_sanitize(err);
	return -EIO;
}

static int run(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	const struct tables *t = ctx;
	struct clone_request clone = { .cgroup_fd = -1 };
	pid_t pid = clone_process(&clone);
	int status = 0;

	if (pid == 0)
		become(t);
	if (pid < 0)
		return error_sys(&result->err, (int)pid, "start '%s'", t->program);
	if (waitpid(pid, &status, 0) != pid)
		return error_sys(&result->err, errno, "wait for '%s'", t->program);
	return judge(t, status, &result->err);
}

/* in the agent */

static void reply(struct rpc_call *call, char *text, size_t len)
{
	struct agent_bytes data = { (uint8_t *)text, len };
	const grpc_GetIPTablesResponse got = { .data = data };
	const grpc_SetIPTablesResponse set = { .data = data };

	rpc_reply(call,
		  call->method == AGENT_GET_IP_TABLES ? (const void *)&got : (const void *)&set);
}

static void on_done(void *ctx, const struct worker_result *result)
{
	struct tables *t = ctx;
	struct error err = result->err;
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = err.code;

	if (r == 0 && lseek(t->output, 0, SEEK_SET) < 0)
		r = error_sys(&err, errno, "rewind output");
	if (r == 0) {
		r = read_whole_fd(t->output, TABLES_MAX, &text, &len);
		if (r < 0)
			(void)error_sys(&err, r, "read what '%s' wrote", t->program);
	}
	if (r < 0)
		rpc_fail_all(&t->calls, &err);
	while (t->calls)
		reply(t->calls, text, len);
	tables_free(t);
}

static void on_drop(void *ctx, const struct worker_result *result)
{
	tables_free(ctx);
}

static const struct worker_task task = { "iptables", NULL, run, on_done, on_drop };

static int make_input(const struct agent_bytes *data, struct error *err)
{
	cleanup_fd int fd = memfd_create("tables", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : write_all(fd, data->data, data->size);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? error_sys(err, r, "make input") : steal_fd(&fd);
}

static int run_tables(struct rpc_call *call, const char *name, const struct agent_bytes *input,
		      struct error *err)
{
	struct tables *t;
	const char *image = call->server->options.image_dir;
	char *program = system_program_find(image ? image : "", name);

	if (!program)
		return error_set(err, -EOPNOTSUPP, "the guest's image has no '%s'", name);
	t = xcalloc(1, sizeof(*t));
	*t = (struct tables){
		.program = program,
		.is_restore = input != NULL,
		.input = input ? make_input(input, err) : -1,
		.output = memfd_create("output", MFD_CLOEXEC),
		.messages = memfd_create("messages", MFD_CLOEXEC),
	};
	if (t->output < 0 || t->messages < 0)
		(void)error_sys(err, errno, "make output");
	if (t->output < 0 || t->messages < 0 || (input && t->input < 0)) {
		tables_free(t);
		return err->code;
	}
	(void)rpc_wait(call, &t->calls);
	worker_add(call->server, &task, t);
	return RPC_LATER;
}

int iptables_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_GetIPTablesRequest *req = request;

	return run_tables(call, req->is_ipv6 ? "ip6tables-save" : "iptables-save", NULL, err);
}

int iptables_set(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_SetIPTablesRequest *req = request;

	return run_tables(call, req->is_ipv6 ? "ip6tables-restore" : "iptables-restore", &req->data,
			  err);
}
