/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

#define FREEZE_TIMEOUT_MS 10000
/* Processes that are looked at in one go, with a descriptor each. */
#define BATCH 64
/* Times that the processes of a cgroup are listed to find those that were forked since. */
#define ROUNDS_MAX 1000
/* How long to wait for what nothing tells about: a process that is listed, but cannot be named
 * here (0, of another pid namespace), or an exit that is nearly over. */
#define PAUSE_MAX_MS 20

int cgroup_pids(const struct cgroup *cg, pid_t **ret, size_t *ret_count, struct error *err)
{
	CLEANUP(cgroupfs_pids_done) struct cgroupfs_pids pids = { 0 };
	const struct cgroup_hierarchy *h = cgroup_main(cg);
	size_t kept = 0;
	int r = h ? cgroupfs_add_pids(h->root_fd, cgroup_relative(cg), &pids) : 0;

	if (r < 0)
		return error_sys(err, r, "cgroup: list the processes of '%s'", cg->path);
	for (size_t i = 0; i < pids.count; i++)
		if (pids.pids[i])
			pids.pids[kept++] = pids.pids[i];
	*ret = steal_ptr(&pids.pids);
	*ret_count = kept;
	return 0;
}

/* Processes of a list, held by descriptors so that their pids cannot become others'. */
struct batch {
	pid_t pids[BATCH];
	struct pollfd fds[BATCH];
	size_t count;
};

static void batch_done(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		close_fdp(&b->fds[i].fd);
	b->count = 0;
}

static bool has_pid(const struct cgroupfs_pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->count; i++)
		if (pids->pids[i] == pid)
			return true;
	return false;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static bool has_sorted_pid(const struct cgroupfs_pids *pids, pid_t pid)
{
	return pids->count && bsearch(&pid, pids->pids, pids->count, sizeof(pid), compare_pids);
}

/* The first ones of @h's processes that are not in @but (sorted; NULL: none). They are listed
 * again once their descriptors are open: one that is still there was the cgroup's when it was
 * opened. */
static int open_batch(const struct cgroup *cg, const struct cgroup_hierarchy *h,
		      const struct cgroupfs_pids *but, struct batch *b)
{
	CLEANUP(cgroupfs_pids_done) struct cgroupfs_pids pids = { 0 };
	CLEANUP(cgroupfs_pids_done) struct cgroupfs_pids still = { 0 };
	size_t kept = 0;
	int r = cgroupfs_add_pids(h->root_fd, cgroup_relative(cg), &pids);

	b->count = 0;
	for (size_t i = 0; r == 0 && i < pids.count && b->count < BATCH; i++) {
		int fd;

		if (!pids.pids[i] || (but && has_sorted_pid(but, pids.pids[i])))
			continue;
		fd = pidfd_open(pids.pids[i], 0);
		if (fd < 0)
			continue; /* ended */
		b->pids[b->count] = pids.pids[i];
		b->fds[b->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	if (r == 0 && b->count)
		r = cgroupfs_add_pids(h->root_fd, cgroup_relative(cg), &still);
	for (size_t i = 0; i < b->count; i++) {
		if (r < 0 || !has_pid(&still, b->pids[i])) {
			close_fdp(&b->fds[i].fd);
			continue;
		}
		b->pids[kept] = b->pids[i];
		b->fds[kept++] = b->fds[i];
	}
	b->count = kept;
	return r;
}

static int signal_batch(const struct batch *b, int sig, struct cgroupfs_pids *done)
{
	done->pids = xrealloc(done->pids, done->count + b->count, sizeof(*done->pids));
	for (size_t i = 0; i < b->count; i++) {
		if (pidfd_send_signal(b->fds[i].fd, sig, NULL, 0) < 0 && errno != ESRCH)
			return -errno;
		done->pids[done->count++] = b->pids[i];
	}
	qsort(done->pids, done->count, sizeof(*done->pids), compare_pids);
	return 0;
}

/* Until a listing shows none that has not got it. */
static int signal_listed(const struct cgroup *cg, const struct cgroup_hierarchy *h, int sig)
{
	CLEANUP(cgroupfs_pids_done) struct cgroupfs_pids done = { 0 };

	for (int round = 0; round < ROUNDS_MAX; round++) {
		CLEANUP(batch_done) struct batch b = { .count = 0 };
		int r = open_batch(cg, h, &done, &b);

		if (r < 0 || !b.count)
			return r;
		r = signal_batch(&b, sig, &done);
		if (r < 0)
			return r;
	}
	return -EAGAIN;
}

static int set_frozen(const struct cgroup *cg, const struct cgroup_hierarchy *h, bool frozen)
{
	if (h->mount.is_v2)
		return cgroup_v2_set_frozen(h, cgroup_relative(cg), frozen);
	return cgroup_v1_set_frozen(h, cgroup_relative(cg), frozen);
}

/* Frozen processes cannot fork, so few rounds find them all. On v1 they do not die frozen. */
static int kill_listed(const struct cgroup *cg, const struct cgroup_hierarchy *h)
{
	const struct cgroup_hierarchy *freezer = h->mount.is_v2 ? h : cgroup_v1(cg, "freezer");
	int r;

	if (freezer)
		(void)set_frozen(cg, freezer, true); /* without it takes more rounds */
	r = signal_listed(cg, h, SIGKILL);
	if (freezer)
		(void)set_frozen(cg, freezer, false); /* gone already: fine */
	return r;
}

static int kill_hierarchy(const struct cgroup *cg, const struct cgroup_hierarchy *h)
{
	int r = -ENOENT;

	/* Since Linux 5.14; reaches what forks meanwhile, too. */
	if (h->mount.is_v2)
		r = cgroupfs_write(h->root_fd, cgroup_relative(cg), "cgroup.kill", "1");
	return r == 0 ? 0 : kill_listed(cg, h);
}

static int thaw_child(void *ctx, int parent_fd, const char *name)
{
	(void)cgroupfs_write(parent_fd, name, "freezer.state", "THAWED"); /* gone already: fine */
	return 0;
}

static void thaw_v1(const struct cgroup *cg)
{
	const struct cgroup_hierarchy *freezer = cgroup_v1(cg, "freezer");

	if (freezer && cgroup_v1_is_frozen(freezer, cgroup_relative(cg)))
		(void)set_frozen(cg, freezer, false); /* gone already: fine */
}

/* What is frozen on v1 does not even die of SIGKILL, and a container may have frozen cgroups of its
 * own below, which thawing their parent leaves as they are. */
static void let_die(const struct cgroup *cg)
{
	const struct cgroup_hierarchy *freezer = cgroup_v1(cg, "freezer");

	thaw_v1(cg);
	if (freezer)
		(void)cgroupfs_walk(freezer->root_fd, cgroup_relative(cg), thaw_child,
				    NULL); /* as above */
}

int cgroup_signal(const struct cgroup *cg, int sig, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_main(cg);
	int r;

	if (!h)
		return 0;
	r = sig == SIGKILL ? kill_hierarchy(cg, h) : signal_listed(cg, h, sig);
	if (sig == SIGKILL)
		let_die(cg);
	if (r < 0)
		return error_sys(err, r, "cgroup: send signal %d to the processes of '%s'", sig,
				 cg->path);
	return 0;
}

int cgroup_freeze(const struct cgroup *cg, bool frozen, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_main(cg);
	long long deadline_ms = now_ms() + FREEZE_TIMEOUT_MS;
	int r;

	if (!h || (!h->mount.is_v2 && h != cgroup_v1(cg, "freezer")))
		return error_set(err, -EOPNOTSUPP,
				 "cgroup: controller 'freezer' is not available on this host");
	if (h->mount.is_v2)
		r = cgroup_v2_freeze(h, cgroup_relative(cg), frozen, deadline_ms);
	else
		r = cgroup_v1_freeze(h, cgroup_relative(cg), frozen, deadline_ms);
	/* On a hybrid host somebody else may have used the freezer's own hierarchy. */
	if (!frozen)
		thaw_v1(cg);
	if (r == 0)
		return 0;
	if (frozen)
		(void)set_frozen(cg, h, false); /* as it was; the error is the first one's */
	return error_sys(err, r, "cgroup: %s '%s'", frozen ? "freeze" : "thaw", cg->path);
}

bool cgroup_is_frozen(const struct cgroup *cg)
{
	const struct cgroup_hierarchy *v2 = cgroup_v2(cg);
	const struct cgroup_hierarchy *freezer;

	if (v2 && cgroup_v2_is_frozen(v2, cgroup_relative(cg)))
		return true;
	freezer = cgroup_v1(cg, "freezer");
	return freezer && cgroup_v1_is_frozen(freezer, cgroup_relative(cg));
}

/* Waits until fewer processes are in @h than now; or *pause_ms, when nothing tells of that. */
static void wait_for_exits(const struct cgroup *cg, const struct cgroup_hierarchy *h, int *pause_ms,
			   long long deadline_ms)
{
	CLEANUP(batch_done) struct batch b = { .count = 0 };
	long long left = deadline_ms - now_ms();

	if (left <= 0)
		return;
	if (h->mount.is_v2 &&
	    cgroupfs_has_event(h->root_fd, cgroup_relative(cg), "cgroup.events", "populated")) {
		(void)cgroupfs_wait_event(h->root_fd, cgroup_relative(cg), "cgroup.events",
					  "populated", false, deadline_ms); /* looked at again */
		return;
	}
	if (!h->mount.is_v2 && open_batch(cg, h, NULL, &b) == 0 && b.count &&
	    poll(b.fds, b.count, 0) == 0) {
		(void)poll(b.fds, b.count, (int)left); /* looked at again */
		return;
	}
	(void)poll(NULL, 0, left < *pause_ms ? (int)left : *pause_ms);
	*pause_ms = *pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : *pause_ms * 2;
}

/* Where all should be, and where something is left (half-joined, or moved by the container). */
static int kill_everywhere(const struct cgroup *cg, const struct cgroup_hierarchy *h)
{
	int r = cgroup_signal(cg, SIGKILL, NULL);

	return h == cgroup_main(cg) ? r : kill_listed(cg, h);
}

/* Removes it from one hierarchy, with all that lives in it. */
static int empty_and_remove(const struct cgroup *cg, const struct cgroup_hierarchy *h,
			    long long deadline_ms)
{
	int pause_ms = 1;

	for (;;) {
		int r = cgroupfs_remove(h->root_fd, cgroup_relative(cg));

		if (r != -EBUSY)
			return r;
		if (now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		r = kill_everywhere(cg, h);
		if (r < 0 && r != -EAGAIN)
			return r;
		wait_for_exits(cg, h, &pause_ms, deadline_ms);
	}
}

int cgroup_remove(const struct cgroup *cg, int timeout_ms, struct error *err)
{
	long long deadline_ms = now_ms() + timeout_ms;
	const struct cgroup_hierarchy *failed = NULL;
	int result = 0;

	cgroup_each(h, cg)
	{
		int r = cgroup_hierarchy_open(h) ? empty_and_remove(cg, h, deadline_ms) : 0;

		if (r < 0 && result == 0) {
			result = r;
			failed = h;
		}
	}
	return failed ? error_sys(err, result, "cgroup: remove '%s' from '%s'", cg->path,
				  failed->mount.mount_point)
		      : 0;
}
