/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"

/*
 * What may take long (mounts, devices that are not there yet, the making of a container or of a
 * process in one) is done by a child, so that the loop goes on answering. One at a time, in the
 * order of their arrival: two that want the same mount are then never under way together. What
 * wants nothing that others do has a worker of its own, and waits for nobody.
 *
 * The child shares the agent's namespaces, so its mounts stay; processes that it made and left
 * behind become the agent's own children when it ends.
 */
struct worker_job {
	struct worker_job *next;
	const struct worker_task *task;
	void *ctx;
};

static void forget_child(struct worker *w)
{
	loop_remove(steal_ptr(&w->source));
	if (w->fd > 0)
		close(w->fd);
	w->fd = 0;
}

static void forget_progress(struct worker *w)
{
	if (w->progress)
		(void)munmap(w->progress, sizeof(*w->progress));
	w->progress = NULL;
}

/* One that was there for one job. */
static void release(struct agent_server *server, struct worker *w)
{
	struct worker **p = &server->workers;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	forget_progress(w);
	free(w);
}

static void start_next(struct worker *w);

static void finish(struct worker *w, struct worker_result *result)
{
	struct agent_server *server = w->server;
	struct worker_job *job = w->jobs;

	if (w->progress)
		result->progress = *w->progress;
	forget_child(w);
	w->jobs = job->next;
	w->is_busy = false;
	job->task->on_done(job->ctx, result);
	free(job);
	if (w == &server->worker)
		start_next(w);
	else
		release(server, w);
}

static void on_result(void *ctx, int fd, uint32_t events);

/* Its failure is in the result. */
static void run_task(const struct worker_task *task, void *ctx, struct worker_progress *progress,
		     struct worker_result *result)
{
	if (task->run(ctx, progress, result) < 0 && !result->err.code)
		(void)error_set(&result->err, -EIO, "%s: no reason was given", task->name);
}

static _Noreturn void be_child(const struct worker_job *job, struct worker_progress *progress,
			       int fd)
{
	struct worker_result result = { .err = ERROR_INIT };

	run_task(job->task, job->ctx, progress, &result);
	_exit(write(fd, &result, sizeof(result)) != (ssize_t)sizeof(result));
}

static int clear_progress(struct worker *w, struct error *err)
{
	if (!w->progress) {
		void *page = mmap(NULL, sizeof(*w->progress), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			return error_sys(err, errno, "map a page");
		w->progress = page;
	}
	*w->progress = (struct worker_progress){ 0 };
	return 0;
}

static int start(struct worker *w, struct worker_job *job, struct error *err)
{
	struct clone_request clone = { .cgroup_fd = -1 };
	int ends[2], r = clear_progress(w, err);

	if (r == 0 && job->task->begin)
		r = job->task->begin(job->ctx, err);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "%s: make pipe", job->task->name);
	w->pid = clone_process(&clone);
	if (w->pid == 0)
		be_child(job, w->progress, ends[1]);
	close(ends[1]);
	w->fd = ends[0];
	if (w->pid < 0)
		return error_sys(err, (int)w->pid, "%s: start a process", job->task->name);
	r = set_nonblock(w->fd, true);
	if (r == 0)
		r = loop_add_fd(w->server->loop, w->fd, EPOLLIN, on_result, w, &w->source);
	if (r == 0)
		return 0;
	(void)kill(w->pid, SIGKILL);
	return error_sys(err, r, "%s: wait for it", job->task->name);
}

static void start_next(struct worker *w)
{
	struct worker_result result = { .err = ERROR_INIT };

	if (w->is_busy || !w->jobs)
		return;
	w->is_busy = true;
	if (start(w, w->jobs, &result.err) < 0)
		finish(w, &result);
}

static void take_result(struct worker *w)
{
	struct worker_result result = { .err = ERROR_INIT };
	ssize_t n;

	if (!w->source)
		return;
	n = read(w->fd, &result, sizeof(result)); /* one write, so all of it or nothing */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(result)) {
		result = (struct worker_result){ .err = ERROR_INIT };
		(void)error_set(&result.err, -EIO, "%s: it was killed", w->jobs->task->name);
	}
	finish(w, &result);
}

static void on_result(void *ctx, int fd, uint32_t events)
{
	take_result(ctx);
}

void worker_do(const struct worker_task *task, void *ctx)
{
	struct worker_result result = { .err = ERROR_INIT };

	if (!task->begin || task->begin(ctx, &result.err) == 0)
		run_task(task, ctx, &result.progress, &result);
	task->on_done(ctx, &result);
}

void worker_poll(struct agent_server *server)
{
	struct worker *next;

	take_result(&server->worker);
	for (struct worker *w = server->workers; w; w = next) {
		next = w->next;
		take_result(w);
	}
}

static void add(struct worker *w, const struct worker_task *task, void *ctx)
{
	struct worker_job **p = &w->jobs, *job = xcalloc(1, sizeof(*job));

	*job = (struct worker_job){ .task = task, .ctx = ctx };
	while (*p)
		p = &(*p)->next;
	*p = job;
	start_next(w);
}

void worker_add(struct agent_server *server, const struct worker_task *task, void *ctx)
{
	server->worker.server = server;
	add(&server->worker, task, ctx);
}

void worker_add_beside(struct agent_server *server, const struct worker_task *task, void *ctx)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->server = server;
	w->next = server->workers;
	server->workers = w;
	add(w, task, ctx);
}

static void cancel(const struct worker *w, const void *ctx)
{
	if (w->source && w->jobs->ctx == ctx)
		(void)kill(w->pid, SIGKILL);
}

void worker_cancel(struct agent_server *server, const void *ctx)
{
	/* One that waits for its turn gets it, and is then found to be unwanted. */
	cancel(&server->worker, ctx);
	for (const struct worker *w = server->workers; w; w = w->next)
		cancel(w, ctx);
}

static void stop(struct worker *w)
{
	struct worker_result result = { .err = ERROR_INIT };

	if (w->source) {
		(void)kill(w->pid, SIGKILL);
		(void)waitpid(w->pid, NULL, 0);
		result.progress = *w->progress;
	}
	forget_child(w);
	while (w->jobs) {
		struct worker_job *job = w->jobs;

		w->jobs = job->next;
		job->task->on_drop(job->ctx, &result);
		free(job);
		result.progress = (struct worker_progress){ 0 };
	}
	forget_progress(w);
}

void worker_stop(struct agent_server *server)
{
	while (server->workers) {
		struct worker *w = server->workers;

		stop(w);
		release(server, w);
	}
	stop(&server->worker);
}
