/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/child.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/listener.h"
#include "lib/engine/namespaces.h"
#include "lib/engine/process-plan.h"
#include "lib/engine/process.h"
#include "lib/linux/clone.h"

void child_done(struct child *child)
{
	sync_close(&child->sync);
	filter_done(&child->filter);
	kill_reap_pid(&child->pid);
}

/* A helper that is killed may leave an init, which holds on to the same end of the sync, so that
 * this does not show as its end. That init ends as soon as ours is closed. */
static int await_helper(const struct child *child, int pidfd, struct error *err)
{
	struct pollfd fds[] = {
		{ .fd = child->sync.fd, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "wait for helper");
	return fds[0].revents ? 0 : error_set(err, -EPIPE, "helper died");
}

static int map_ids(struct child *child, const struct child_start *start, pid_t helper, int pidfd,
		   struct error *err)
{
	int r = await_helper(child, pidfd, err);

	if (r == 0)
		r = sync_wait(&child->sync, SYNC_IDS_DUE, err);
	if (r == 0)
		r = start->map_ids(start->ctx, helper, err);
	return r == 0 ? sync_send(&child->sync, SYNC_IDS_MAPPED, err) : r;
}

/* A helper is done once it has told the pid, or why there is none. */
static int take_over(struct child *child, const struct child_start *start, pid_t pid, int pidfd,
		     struct error *err)
{
	cleanup_pid pid_t helper = pid;
	int r = 0;

	child->sync.peer = "helper";
	if (start->map_ids)
		r = map_ids(child, start, helper, pidfd, err);
	if (r == 0)
		r = await_helper(child, pidfd, err);
	if (r == 0)
		r = sync_wait_number(&child->sync, SYNC_CHILD, &child->pid, err);
	child->sync.peer = "init";
	if (r < 0)
		return r;
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	(void)steal_pid(&helper);
	return 0;
}

/* A process that moves itself does not have to wait for an RCU grace period, as one that is moved
 * does (see cgroup_attach()); and what it clones is in the cgroup from the first moment on. */
__attribute__((noreturn)) static void
be_child(const struct child *child, const struct child_start *start, int sync_fd, bool is_in_v2)
{
	struct sync sync = { .fd = sync_fd, .peer = "caller" };
	struct error err = ERROR_INIT;

	/* Its copy would hide the caller's death, which a parent-death signal does not tell to who
	 * has entered a user namespace since it was asked for. */
	(void)close(child->sync.fd);
	if (scheduling_bind_initial(&child->plan->scheduling, &err) == 0 &&
	    (!child->cgroup || cgroup_attach(child->cgroup, 0, is_in_v2, &err) == 0) &&
	    process_use_rights(child->plan, &err) == 0)
		start->run(start->ctx, sync_fd);
	sync_send_failure(&sync, &err);
	_exit(EXIT_FAILURE);
}

int child_start(struct child *child, const struct child_start *start, struct error *err)
{
	struct clone_request clone = {
		.flags = start->clone_flags,
		.cgroup_fd = -1,
	};
	cleanup_fd int child_fd = -1;
	cleanup_fd int pidfd = -1;
	pid_t pid;
	int r = sync_pair(&child->sync, &child_fd, err);

	if (r < 0)
		return r;
	if (start->is_helped)
		clone.ret_pidfd = &pidfd;
	/* Not born in it when there is something to do before it joins. */
	if (child->cgroup && !child->plan->scheduling.cpus_initial.count)
		clone.cgroup_fd = child->cgroup->v2_fd;
	pid = clone_process(&clone);
	if (pid < 0)
		return namespaces_explain((int)start->clone_flags, (int)pid, "clone", err);
	if (pid == 0)
		be_child(child, start, child_fd, clone.is_in_cgroup);
	/* Its death must be visible as the end of our reading. */
	close(steal_fd(&child_fd));
	if (start->is_helped)
		return take_over(child, start, pid, pidfd, err);
	child->pid = pid;
	return 0;
}

int child_record(struct child *child, struct error *err)
{
	/* Before it can do anything, so that whoever finds the caller dead knows what to kill. */
	int r = child->on_pid ? child->on_pid(child->ctx, child->pid, err) : 0;

	return r < 0 ? r : sync_send_number(&child->sync, SYNC_RECORDED, child->pid, err);
}

void child_find_filter(struct child *child, const char *cache_dir)
{
	child->filter.seccomp = child->plan->seccomp;
	child->filter.cache_dir = cache_dir;
	filter_find(&child->filter);
}

static int forward_sent(struct child *child, const struct listener *listener, struct error *err)
{
	cleanup_fd int fd = -1;
	int r = sync_send_number(&child->sync, SYNC_LISTENER_TAKEN, 0, err);

	if (r == 0)
		r = sync_wait_fd(&child->sync, SYNC_LISTENER_SENT, &fd, err);
	return r < 0 ? r : listener_forward(listener, fd, err);
}

int child_forward_listener(struct child *child, const struct oci_state *state, struct error *err)
{
	const struct listener listener = { child->plan->seccomp, child->pid, state };
	cleanup_fd int fd = -1;
	int number, r;

	if (!child->plan->filter.has_listener)
		return 0;
	r = sync_wait_number(&child->sync, SYNC_LISTENER, &number, err);
	if (r < 0)
		return r;
	r = listener_take(&listener, number, &fd, err);
	if (r < 0)
		return r;
	if (r > 0)
		return forward_sent(child, &listener, err);
	r = listener_forward(&listener, fd, err);
	return r < 0 ? r : sync_send_number(&child->sync, SYNC_LISTENER_TAKEN, 1, err);
}
