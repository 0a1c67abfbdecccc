/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"

struct follower {
	struct loop *loop;
	struct journal_reader *reader;
	const struct container_logs_request *request;
};

/* A pod's member has the machine in common with its sandbox, and moat and a shim of its own. */
static bool is_sandboxes(int source)
{
	return source > JOURNAL_SHIM;
}

static void read_new(struct follower *f)
{
	journal_read(f->reader, f->request->on_entry, f->request->ctx);
}

static void on_change(void *ctx, int fd, uint32_t events)
{
	struct follower *f = ctx;
	char buf[4096];

	(void)!read(fd, buf, sizeof(buf)); /* that there was something is all that counts */
	read_new(f);
}

static void on_end(void *ctx, int fd, uint32_t events)
{
	struct follower *f = ctx;

	read_new(f);
	loop_quit(f->loop, 0);
}

static int watch_directory(int inotify_fd, const struct state_dir *dir, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/" JOURNAL_DIR, state_dir_path(dir));

	if (inotify_add_watch(inotify_fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0 &&
	    errno != ENOENT)
		return error_sys(err, errno, "watch '%s'", path);
	return 0;
}

/* Until the container's process has ended: what its shim writes then is there before that. */
static int follow(const struct container *c, const struct state_dir *sandbox, struct follower *f,
		  struct error *err)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);
	cleanup_fd int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct loop_source *source;
	int r;

	if (inotify_fd < 0)
		return error_sys(err, errno, "watch the log");
	r = watch_directory(inotify_fd, c->dir, err);
	if (r == 0 && sandbox)
		r = watch_directory(inotify_fd, sandbox, err);
	if (r < 0)
		return r;
	read_new(f);
	if (pidfd < 0)
		return 0;
	r = loop_add_fd(f->loop, inotify_fd, EPOLLIN, on_change, f, &source);
	if (r == 0)
		r = loop_add_fd(f->loop, pidfd, EPOLLIN, on_end, f, &source);
	return r < 0 ? error_sys(err, r, "watch the log") : loop_run(f->loop);
}

/* NULL: it is the container's own, or has gone. */
static struct state_dir *open_sandbox(const struct container *c)
{
	struct state_dir *dir = NULL;

	if (c->record.sandbox && !streq(c->record.sandbox, c->id))
		(void)state_dir_open(c->root, c->record.sandbox, &dir, NULL);
	return dir;
}

int container_logs(const struct container_logs_request *request, struct error *err)
{
	cleanup_journal_reader struct journal_reader *reader = journal_reader_new();
	cleanup_state_dir struct state_dir *sandbox = NULL;
	cleanup_container struct container *c = NULL;
	cleanup_loop struct loop *loop = NULL;
	struct follower f = { .reader = reader, .request = request };
	int r = container_open_record(request->root, request->id, &c, err);

	if (r < 0)
		return r;
	sandbox = open_sandbox(c);
	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++) {
		const struct state_dir *dir = sandbox && is_sandboxes(i) ? sandbox : c->dir;

		if (request->source < 0 || request->source == i)
			journal_reader_add(reader, state_dir_fd(dir), (enum journal_source)i);
	}
	if (!request->follows) {
		read_new(&f);
		return 0;
	}
	r = loop_new(&loop);
	f.loop = loop;
	return r < 0 ? error_sys(err, r, "make the event loop") : follow(c, sandbox, &f, err);
}
