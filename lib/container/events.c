/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>

#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"
#include "lib/engine/cgroup-stats.h"
#include "lib/engine/intel-rdt.h"

#define NS_PER_MS 1000000
#define ENDING_MS 5000

/* The words of runc's `events`. */
static int open_living(const char *root, const char *id, struct container **ret,
		       const struct container_backend **ret_backend, struct error *err)
{
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = container_look_up(root, id, &c, &status, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, ret_backend, err);
	if (r < 0)
		return r;
	if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
		return error_set(err, -ESRCH, "container with id %s is not running", id);
	*ret = steal_ptr(&c);
	return 0;
}

void container_stats_done(struct container_stats *stats)
{
	if (stats->cgroup)
		cgroup_stats_done(stats->cgroup);
	if (stats->rdt)
		intel_rdt_stats_done(stats->rdt);
	free(steal_ptr(&stats->cgroup));
	free(steal_ptr(&stats->rdt));
}

static int read_rdt(const struct container *c, const struct container_backend *backend,
		    struct container_stats *stats, struct error *err)
{
	struct error reason = ERROR_INIT;
	int r;

	if (!backend->rdt_stats)
		return 0;
	stats->rdt = xcalloc(1, sizeof(*stats->rdt));
	r = backend->rdt_stats(c, stats->rdt, &reason);
	if (r == 0)
		return 0;
	free(steal_ptr(&stats->rdt));
	if (r == -ENODATA)
		return 0;
	if (err)
		*err = reason;
	return r;
}

/* On failure @ret has what is to be released, too. */
static int read_stats(const struct container *c, const struct container_backend *backend,
		      struct container_stats *ret, struct error *err)
{
	int r;

	ret->cgroup = xcalloc(1, sizeof(*ret->cgroup));
	r = backend->stats(c, ret->cgroup, err);
	return r < 0 ? r : read_rdt(c, backend, ret, err);
}

int container_stats(const char *root, const char *id, struct container_stats *ret,
		    struct error *err)
{
	cleanup_container_stats struct container_stats stats = { 0 };
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	int r = open_living(root, id, &c, &backend, err);

	if (r == 0)
		r = read_stats(c, backend, &stats, err);
	if (r < 0)
		return r;
	*ret = stats;
	stats = (struct container_stats){ 0 };
	return 0;
}

struct watcher {
	const struct container_watch *watch;
	const struct container *c;
	const struct container_backend *backend;
	struct loop *loop;
	struct oom_watch oom;
	void *watched;
	struct error *err;
};

static void quit_on_error(struct watcher *w, int r)
{
	if (r < 0)
		loop_quit(w->loop, r);
}

static void on_end(void *ctx, int fd, uint32_t events)
{
	struct watcher *w = ctx;

	loop_quit(w->loop, 0);
}

static void on_oom(void *ctx)
{
	struct watcher *w = ctx;

	quit_on_error(w, w->watch->on_oom(w->watch->ctx, w->err));
}

static void on_interval(void *ctx);

static void wait_interval(struct watcher *w)
{
	int64_t ms = (w->watch->interval_ns + NS_PER_MS - 1) / NS_PER_MS;

	loop_add_timer(w->loop, ms > INT_MAX ? INT_MAX : (int)ms, on_interval, w);
}

static void on_interval(void *ctx)
{
	struct watcher *w = ctx;
	cleanup_container_stats struct container_stats stats = { 0 };
	int r = read_stats(w->c, w->backend, &stats, w->err);

	if (r == 0)
		r = w->watch->on_stats(w->watch->ctx, &stats, w->err);
	quit_on_error(w, r);
	wait_interval(w);
}

/* A guest stops answering a moment before its shim has ended. */
static bool is_ending(const struct container *c)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	return pidfd == -ESRCH || (pidfd >= 0 && poll(&fd, 1, ENDING_MS) > 0);
}

static int run(struct watcher *w, struct error *err)
{
	cleanup_fd int pidfd = record_pidfd(&w->c->record);
	struct loop_source *source;
	int r;

	if (pidfd == -ESRCH)
		return 0; /* it ended since we looked */
	if (pidfd < 0)
		return error_sys(err, pidfd, "open process %u", w->c->record.pid);
	r = loop_add_fd(w->loop, pidfd, EPOLLIN, on_end, w, &source);
	if (r < 0)
		return error_sys(err, r, "wait for process %u", w->c->record.pid);
	w->oom = (struct oom_watch){ w->loop, on_oom, w };
	r = w->backend->watch_oom(w->c, &w->oom, &w->watched, err);
	if (r < 0)
		return is_ending(w->c) ? 0 : r;
	wait_interval(w);
	r = loop_run(w->loop);
	/* That it ended while it was looked at is no error. */
	return r < 0 && is_ending(w->c) ? 0 : r;
}

int container_watch(const struct container_watch *watch, struct error *err)
{
	cleanup_container struct container *c = NULL;
	cleanup_loop struct loop *loop = NULL;
	struct watcher w = { .watch = watch, .err = err };
	int r;

	if (watch->interval_ns <= 0)
		return error_set(err, -EINVAL, "duration interval must be greater than 0");
	r = open_living(watch->root, watch->id, &c, &w.backend, err);
	if (r < 0)
		return r;
	r = loop_new(&loop);
	if (r < 0)
		return error_sys(err, r, "make the event loop");
	w.c = c;
	w.loop = loop;
	r = run(&w, err);
	if (w.watched)
		w.backend->unwatch_oom(w.watched);
	return r;
}
