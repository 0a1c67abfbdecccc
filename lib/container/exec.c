/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/console.h"
#include "lib/container/foreground.h"
#include "lib/container/handle.h"
#include "lib/container/preserved.h"
#include "lib/container/report.h"
#include "lib/linux/selfexe.h"
#include "oci/config.h"

/* NULL: a process may be added. */
static const char *const refusals[OCI_STATUS_COUNT] = {
	[OCI_STATUS_CREATING] = "cannot exec in a container that is being created",
	[OCI_STATUS_PAUSED] = "cannot exec in a paused container (use --ignore-paused to override)",
	[OCI_STATUS_STOPPED] = "cannot exec in a stopped container",
};

static int check_status(const struct container *c, bool ignore_paused, struct error *err)
{
	enum oci_status status;
	int r = container_status(c, false, &status, err);

	if (r < 0 || !refusals[status] || (status == OCI_STATUS_PAUSED && ignore_paused))
		return r;
	return error_set(err, -EINVAL, "%s", refusals[status]);
}

static int open_for_exec(const struct container_exec_request *request, struct container **ret,
			 struct error *err)
{
	cleanup_container struct container *c = NULL;
	int r = container_open_record(request->root, request->id, &c, err);

	if (r == 0)
		container_keep_log(c);
	if (r == 0 && c->record.isolation == ISOLATION_NATIVE && request->argv)
		r = selfexe_protect(request->argv, err);
	if (r == 0)
		r = check_status(c, request->ignore_paused, err);
	if (r < 0)
		return r;
	container_load_config(c);
	if (!c->config || !c->config->process)
		return error_set(err, -EINVAL, "its config.json cannot be read");
	*ret = steal_ptr(&c);
	return 0;
}

/* *ret_pid: a process that runs, and of which the caller was told. */
static int start_process(struct container *c, const struct container_exec_request *request,
			 struct console *console, pid_t *ret_pid, struct error *err)
{
	const struct console_request console_request = {
		.has_terminal = request->process->terminal,
		.is_detached = request->detach,
		.socket_path = request->console_socket,
		.socket_fd = -1,
	};
	const struct report report = { request->pid_file, request->pidfd_socket, "setns" };
	const struct container_backend *backend;
	cleanup_pid pid_t pid = 0;
	int r = container_find_backend(c->record.isolation, &backend, err);

	if (r == 0)
		r = console_open(&console_request, console, err);
	if (r == 0 && !request->detach)
		r = foreground_begin(false, err);
	if (r == 0)
		r = backend->exec(c, request, console->container_end, &pid, err);
	if (r == 0)
		r = report_process(&report, pid, err);
	if (r < 0)
		return r;
	log_info("exec: process %d", (int)pid);
	*ret_pid = steal_pid(&pid);
	return 0;
}

static int attend(pid_t pid, struct console *console, int *ret_status, struct error *err)
{
	cleanup_pid pid_t unattended = pid;
	cleanup_foreground struct foreground *foreground = NULL;
	int r = foreground_new(pid, console, &foreground, err);

	if (r == 0)
		r = foreground_wait(foreground, ret_status, err);
	if (r == 0)
		(void)steal_pid(&unattended); /* it has ended */
	return r;
}

/* The program may look at its size before we can set it. */
static void adopt_window(struct oci_process *process)
{
	struct oci_box box;

	if (!process->terminal || !foreground_window(&box.height, &box.width))
		return;
	free(process->console_size);
	process->console_size = xmemdup(&box, sizeof(box));
}

int container_exec(const struct container_exec_request *request, int *ret_status, struct error *err)
{
	struct container_exec_request whole = *request;
	cleanup_container struct container *c = NULL;
	cleanup_oci_process struct oci_process *process = NULL;
	cleanup_console struct console console = CONSOLE_INIT;
	pid_t pid = 0;
	int r = preserved_check(request->preserved_fds, err);

	if (r == 0)
		r = open_for_exec(request, &c, err);
	if (r == 0)
		r = request->make_process(request->ctx, c->config->process, &process, err);
	if (r < 0)
		return r;
	if (!request->detach)
		adopt_window(process);
	whole.process = process;
	r = start_process(c, &whole, &console, &pid, err);
	if (r < 0)
		return r;
	container_close(steal_ptr(&c));
	*ret_status = 0;
	/* Whoever reaps orphans waits for a detached one. */
	return request->detach ? 0 : attend(pid, &console, ret_status, err);
}
