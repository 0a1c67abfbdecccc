/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNALS };

struct loop_source {
	struct loop *loop;
	struct loop_source *next;
	enum source_kind kind;
	bool is_removed; /* freed when no callback can be using it */
	int fd;
	uint32_t events;
	long long due_ms;
	void *ctx;
	union {
		loop_fd_fn on_fd;
		loop_timer_fn on_timer;
		loop_signal_fn on_signal;
	};
};

struct loop {
	int epoll_fd;
	int code;
	bool is_quitting;
	bool has_removed;
	unsigned int nesting; /* of run_once(): a callback may run the loop itself */
	struct loop_source *sources;
};

int loop_new(struct loop **ret)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->epoll_fd = fd;
	return 0;
}

static void free_source(struct loop_source *s)
{
	if (s->kind == SOURCE_SIGNALS && s->fd >= 0)
		close(s->fd);
	free(s);
}

void loop_free(struct loop *loop)
{
	struct loop_source *s, *next;

	if (!loop)
		return;
	for (s = loop->sources; s; s = next) {
		next = s->next;
		free_source(s);
	}
	close(loop->epoll_fd);
	free(loop);
}

static struct loop_source *add_source(struct loop *loop, enum source_kind kind, int fd, void *ctx)
{
	struct loop_source *s = xcalloc(1, sizeof(*s));

	*s = (struct loop_source){
		.loop = loop,
		.next = loop->sources,
		.kind = kind,
		.fd = fd,
		.ctx = ctx,
	};
	loop->sources = s;
	return s;
}

static int watch(struct loop_source *s, int op)
{
	struct epoll_event event = { .events = s->events, .data.ptr = s };

	return epoll_ctl(s->loop->epoll_fd, op, s->fd, &event) < 0 ? -errno : 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
		struct loop_source **ret)
{
	struct loop_source *s = add_source(loop, SOURCE_FD, fd, ctx);
	int r;

	s->events = events;
	s->on_fd = fn;
	r = watch(s, EPOLL_CTL_ADD);
	if (r < 0) {
		s->fd = -1;
		loop_remove(s);
		return r;
	}
	if (ret)
		*ret = s;
	return 0;
}

void loop_set_events(struct loop_source *s, uint32_t events)
{
	int r;

	if (!s || s->events == events)
		return;
	s->events = events;
	r = watch(s, EPOLL_CTL_MOD);
	assert(r == 0);
	(void)r;
}

struct loop_source *loop_add_timer(struct loop *loop, int delay_ms, loop_timer_fn fn, void *ctx)
{
	struct loop_source *s = add_source(loop, SOURCE_TIMER, -1, ctx);

	s->due_ms = now_ms() + delay_ms;
	s->on_timer = fn;
	return s;
}

int loop_add_signals(struct loop *loop, const sigset_t *signals, loop_signal_fn fn, void *ctx)
{
	cleanup_fd int fd = -1;
	struct loop_source *s;
	int r;

	if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
		return -errno;
	fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	s = add_source(loop, SOURCE_SIGNALS, fd, ctx);
	s->events = EPOLLIN;
	s->on_signal = fn;
	r = watch(s, EPOLL_CTL_ADD);
	if (r < 0) {
		s->fd = -1;
		loop_remove(s);
		return r;
	}
	(void)steal_fd(&fd);
	return 0;
}

void loop_remove(struct loop_source *s)
{
	if (!s || s->is_removed)
		return;
	s->is_removed = true;
	s->loop->has_removed = true;
	if (s->fd >= 0)
		(void)epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL); /* may be gone */
}

static void sweep(struct loop *loop)
{
	struct loop_source **p = &loop->sources;

	/* An outer run_once() still holds pointers to sources. */
	if (!loop->has_removed || loop->nesting)
		return;
	loop->has_removed = false;
	while (*p) {
		struct loop_source *s = *p;

		if (s->is_removed) {
			*p = s->next;
			free_source(s);
		} else {
			p = &s->next;
		}
	}
}

/* Milliseconds until the first timer, -1 without one. */
static int next_due(const struct loop *loop, long long deadline)
{
	long long due = deadline, left;

	for (const struct loop_source *s = loop->sources; s; s = s->next)
		if (s->kind == SOURCE_TIMER && !s->is_removed && (due < 0 || s->due_ms < due))
			due = s->due_ms;
	if (due < 0)
		return -1;
	left = due - now_ms();
	return left < 0 ? 0 : (int)left;
}

static void run_timers(struct loop *loop)
{
	long long now = now_ms();

	for (struct loop_source *s = loop->sources; s; s = s->next) {
		if (s->kind != SOURCE_TIMER || s->is_removed || s->due_ms > now)
			continue;
		loop_remove(s);
		s->on_timer(s->ctx);
	}
}

static void dispatch(struct loop_source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	if (s->is_removed)
		return;
	if (s->kind == SOURCE_FD) {
		s->on_fd(s->ctx, s->fd, events);
		return;
	}
	while (!s->is_removed && read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->on_signal(s->ctx, &info);
}

static void run_once(struct loop *loop, long long deadline)
{
	struct epoll_event events[32];
	int n;

	sweep(loop);
	n = epoll_wait(loop->epoll_fd, events, ARRAY_SIZE(events), next_due(loop, deadline));
	loop->nesting++;
	for (int i = 0; i < n; i++)
		dispatch(events[i].data.ptr, events[i].events);
	run_timers(loop);
	loop->nesting--;
}

int loop_run(struct loop *loop)
{
	while (!loop->is_quitting)
		run_once(loop, -1);
	return loop->code;
}

void loop_quit(struct loop *loop, int code)
{
	if (!loop->is_quitting)
		loop->code = code;
	loop->is_quitting = true;
}

int loop_run_until(struct loop *loop, const bool *done, int timeout_ms)
{
	long long deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;

	while (!*done && !loop->is_quitting) {
		if (deadline >= 0 && now_ms() >= deadline)
			return -ETIMEDOUT;
		run_once(loop, deadline);
	}
	return *done ? 0 : -ECANCELED;
}
