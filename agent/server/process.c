/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/points.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/linux/signals.h"

/*
 * A process's end is told once it has exited and its output has been passed on. Its children may
 * hold the output open for ever, so after the exit an output that moved nothing for LINGER_MS is
 * given up. One that waits for the host to read it is not: those bytes are the process's own.
 */
#define LINGER_MS 250
#define PROCESSES_MAX 1024 /* of a container */

static int pidfd_open_(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */

	return fd < 0 ? -errno : fd;
}

static int pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

struct process *process_new(struct container *container, const char *exec_id, bool is_init)
{
	struct process *process = xcalloc(1, sizeof(*process));

	process->container = container;
	process->exec_id = xstrdup(exec_id ? exec_id : "");
	process->is_init = is_init;
	process->pidfd = -1;
	stdio_init(&process->io);
	process->next = container->processes;
	container->processes = process;
	if (is_init)
		container->init = process;
	return process;
}

static void answer_waiters(struct process *process)
{
	const grpc_WaitProcessResponse response = { .status = process->status };

	while (process->waiters) {
		process->is_waited = true;
		rpc_reply(process->waiters, &response);
	}
}

void process_free(struct process *process)
{
	struct process **p;

	if (!process)
		return;
	for (p = &process->container->processes; *p != process; p = &(*p)->next)
		;
	*p = process->next;
	if (process->is_init)
		process->container->init = NULL;
	if (process->has_exited)
		answer_waiters(process);
	rpc_refuse_all(&process->waiters, -ENOENT, "the process is gone");
	loop_remove(process->linger);
	stdio_done(&process->io);
	if (process->pid && !process->has_exited && process->pidfd >= 0)
		(void)pidfd_signal(process->pidfd, SIGKILL); /* reaped like an orphan */
	if (process->pidfd >= 0)
		close(process->pidfd);
	free(process->exec_id);
	free(process);
}

int process_attach(struct process *process, pid_t pid, struct error *err)
{
	process->pid = pid;
	process->pidfd = pidfd_open_(pid);
	if (process->pidfd < 0)
		return error_sys(err, process->pidfd, "open process %d", (int)pid);
	return stdio_attach(&process->io, process, err);
}

void processes_end_execs(struct container *container)
{
	struct process *next;

	for (struct process *p = container->processes; p; p = next) {
		next = p->next;
		if (p->execution)
			execution_kill(p);
		else if (!p->is_init)
			process_free(p);
	}
}

static struct process *find_by_exec_id(struct container *container, const char *exec_id)
{
	for (struct process *p = container->processes; p; p = p->next)
		if (streq(p->exec_id, exec_id))
			return p;
	return NULL;
}

struct process *process_find(struct agent_server *server, const char *container_id,
			     const char *exec_id, struct error *err)
{
	struct container *container = container_find(server, container_id, err);
	struct process *process;

	if (!container)
		return NULL;
	/* Clients differ in how they name the init: not at all, as they did at its creation, or
	 * like its container. */
	process = exec_id && *exec_id ? find_by_exec_id(container, exec_id) : container->init;
	if (!process && exec_id && streq(exec_id, container->id))
		process = container->init;
	if (!process)
		(void)error_set(err, -ENOENT, "container '%s' has no process '%s'", container_id,
				exec_id ? exec_id : "");
	else if (process->execution)
		(void)error_set(err, -EBUSY, "process '%s' is being made", exec_id);
	return process && !process->execution ? process : NULL;
}

/* An exec'd process that was waited for is forgotten, as Kata's agent does, but not before a
 * client that reads by calls has seen the end of its output. */
static bool is_forgettable(const struct process *process)
{
	return !process->is_init && process->is_waited &&
	       (process->io.is_streamed ||
		(process->io.is_ended[STDIO_OUT] && process->io.is_ended[STDIO_ERR]));
}

void process_check(struct process *process)
{
	struct container *container = process->container;

	if (!process->has_exited || !stdio_is_drained(&process->io))
		return;
	loop_remove(steal_ptr(&process->linger));
	if (process->io.is_streamed)
		stdio_cut(&process->io); /* its stdin, too, is of no use to anybody now */
	answer_waiters(process);
	if (is_forgettable(process))
		process_free(process);
	container_check(container);
}

static void on_linger(void *ctx)
{
	struct process *process = ctx;

	process->linger = NULL;
	if (stdio_is_active(&process->io)) {
		process_linger(process);
		return;
	}
	stdio_cut(&process->io);
	process_check(process);
}

void process_linger(struct process *process)
{
	if (process->has_exited && !process->linger)
		process->linger = loop_add_timer(process->container->server->loop, LINGER_MS,
						 on_linger, process);
}

static struct process *find_by_pid(struct agent_server *server, pid_t pid)
{
	for (struct container *c = server->containers; c; c = c->next)
		for (struct process *p = c->processes; p; p = p->next)
			if (p->pid == pid && !p->has_exited)
				return p;
	return NULL;
}

/* A child that has ended and is still to be reaped, or 0. */
static pid_t find_ended(void)
{
	siginfo_t info = { 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? 0 : info.si_pid;
}

void processes_reap(struct agent_server *server)
{
	struct process *process;
	int status;
	pid_t pid;

	while ((pid = find_ended()) > 0) {
		worker_poll(server);
		if (waitpid(pid, &status, WNOHANG) != pid)
			continue;
		process = find_by_pid(server, pid);
		if (!process) /* an orphan that became ours */
			continue;
		process->has_exited = true;
		process->status = exit_code_of(status);
		if (process->container->is_removing)
			stdio_cut(&process->io);
		if (process->is_init) {
			agent_point(AGENT_POINT_EXIT);
			oom_check(process->container); /* who waits is to know why it ended */
		}
		process_linger(process);
		process_check(process);
	}
}

int process_check_new(struct container *container, const char *exec_id, struct error *err)
{
	size_t count = 0;

	if (!exec_id || !*exec_id)
		return error_set(err, -EINVAL, "the process needs an exec_id");
	if (find_by_exec_id(container, exec_id))
		return error_set(err, -EEXIST, "process '%s' exists already", exec_id);
	if (!container->init || container->init->has_exited || container->is_removing)
		return error_set(err, -EBUSY, "cannot exec in a stopped container");
	for (struct process *p = container->processes; p; p = p->next)
		count++;
	return count >= PROCESSES_MAX ? error_set(err, -ENOMEM, "it has %zu processes", count) : 0;
}

/* SignalProcess */

/* Whether the mask "NAME:\t<16 hex digits>" of /proc/PID/status has @sig. */
static bool mask_has(const char *status, const char *name, int sig)
{
	const char *p = strstr(status, name), *digits = "0123456789abcdef", *digit;
	size_t len, index = (size_t)(sig - 1) / 4;

	if (!p)
		return true;
	p += strlen(name);
	p += strspn(p, "\t ");
	len = strspn(p, digits);
	if (index >= len)
		return true;
	digit = strchr(digits, p[len - 1 - index]);
	return (size_t)(digit - digits) >> ((sig - 1) % 4) & 1;
}

/* The first process of a pid namespace gets no signal that it has no handler for, so a SIGTERM
 * that would end any other is lost on it. As Kata's agent does, it is made one that is not. */
static bool is_deaf_init(const struct process *process)
{
	static const char *const masks[] = { "\nSigBlk:", "\nSigIgn:", "\nSigCgt:" };
	cleanup_free char *path = xasprintf("/proc/%d/status", (int)process->pid);
	cleanup_free char *status = NULL;

	if (!process->is_init || read_file_at(AT_FDCWD, path, 64 * 1024, &status, NULL) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		if (mask_has(status, masks[i], SIGTERM))
			return false;
	return true;
}

/* One that is being made dies as soon as it is there. */
static bool kill_unborn(struct agent_server *server, const grpc_SignalProcessRequest *req)
{
	struct container *container = container_find(server, req->container_id, NULL);
	struct process *process =
		container && req->exec_id ? find_by_exec_id(container, req->exec_id) : NULL;

	if (req->signal != SIGKILL || !process || !process->execution)
		return false;
	execution_kill(process);
	return true;
}

int process_signal(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_SignalProcessRequest *req = request;
	struct process *process;
	bool is_for_all = !req->exec_id || !*req->exec_id;
	int sig = (int)req->signal, r;

	if (kill_unborn(call->server, req))
		return 0;
	process = process_find(call->server, req->container_id, req->exec_id, err);
	if (!process)
		return err->code;
	if (req->signal >= (uint32_t)NSIG)
		return error_set(err, -EINVAL, "signal %u does not exist", req->signal);
	if (is_for_all && sig == SIGKILL && process->container->cgroup) {
		r = cgroup_signal(process->container->cgroup, SIGKILL, err);
		if (r < 0)
			return r;
	}
	if (process->has_exited)
		return 0;
	if (sig == SIGTERM && is_deaf_init(process))
		sig = SIGKILL;
	r = pidfd_signal(process->pidfd, sig);
	return r < 0 && r != -ESRCH ? error_sys(err, r, "send signal %d", sig) : 0;
}

/* WaitProcess */

int process_wait(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_WaitProcessRequest *req = request;
	struct process *process = process_find(call->server, req->container_id, req->exec_id, err);

	if (!process)
		return err->code;
	/* Answered from here when it is over already; the order of answering and forgetting stays
	 * in one place. */
	(void)rpc_wait(call, &process->waiters);
	process_check(process);
	return RPC_LATER;
}
