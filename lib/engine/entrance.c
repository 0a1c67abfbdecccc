/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/entrance.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/plan.h"
#include "lib/engine/sync.h"
#include "lib/linux/ids.h"

struct entrance {
	const struct namespace_plan *plan;
	struct sync *sync;
	char *offsets;	/* of the time namespace, or NULL */
	int offsets_fd; /* where they go, opened while there is the host's /proc, or -1 */
};

int entrance_hide(struct error *err)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_sys(err, errno, "make undumpable");
	return 0;
}

int entrance_keep_parent(struct error *err)
{
	int r = ids_die_with_parent();

	return r < 0 ? error_sys(err, r, "set parent-death signal") : 0;
}

int entrance_outlive_parent(struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
		return error_sys(err, errno, "clear parent-death signal");
	return 0;
}

int entrance_become_root(bool keeps_groups, struct error *err)
{
	int r = ids_become_root(keeps_groups);

	if (r < 0)
		return error_sys(err, r, "become root of the user namespace");
	return entrance_keep_parent(err);
}

static int open_offsets(void *ctx, struct error *err)
{
	struct entrance *e = ctx;

	if (!e->offsets)
		return 0;
	e->offsets_fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (e->offsets_fd < 0 && errno == ENOENT)
		return namespaces_explain(CLONE_NEWTIME, EINVAL, "set linux.timeOffsets", err);
	return e->offsets_fd < 0 ? error_sys(err, errno, "open '/proc/self/timens_offsets'") : 0;
}

static int join_from_outside(void *ctx, struct error *err)
{
	const struct entrance *e = ctx;

	return namespaces_join(e->plan, e->plan->outer_flags, err);
}

static int make_user_namespace(struct entrance *e, struct error *err)
{
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return namespaces_explain(CLONE_NEWUSER, errno, "make user namespace", err);
	r = sync_send(e->sync, SYNC_IDS_DUE, err);
	return r < 0 ? r : sync_wait(e->sync, SYNC_IDS_MAPPED, err);
}

static int enter_user_namespace(void *ctx, struct error *err)
{
	struct entrance *e = ctx;
	int r = 0;

	if (e->plan->unshares_user)
		r = make_user_namespace(e, err);
	if (r == 0)
		r = entrance_hide(err);
	if (r == 0)
		r = namespaces_join(e->plan, CLONE_NEWUSER, err);
	return r == 0 ? entrance_keep_parent(err) : r;
}

static int make_time_namespace(void *ctx, struct error *err)
{
	struct entrance *e = ctx;

	if (!e->plan->unshares_time)
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return namespaces_explain(CLONE_NEWTIME, errno, "make time namespace", err);
	if (e->offsets && write(e->offsets_fd, e->offsets, strlen(e->offsets)) < 0)
		return error_sys(err, errno, "set linux.timeOffsets");
	return 0;
}

static int join_pid_namespace(void *ctx, struct error *err)
{
	const struct entrance *e = ctx;

	return namespaces_join(e->plan, CLONE_NEWPID & ~e->plan->outer_flags, err);
}

/* clang-format off */
static const struct step steps[] = {
	{ NULL, open_offsets, NULL },
	{ NULL, join_from_outside, NULL },
	{ NULL, enter_user_namespace, NULL },
	{ NULL, make_time_namespace, NULL },
	{ NULL, join_pid_namespace, NULL },
};
/* clang-format on */

int entrance_pass(const struct container_plan *plan, struct sync *sync, struct error *err)
{
	struct entrance e = {
		.plan = &plan->namespaces,
		.sync = sync,
		.offsets = namespaces_time_text(plan->namespaces.time_offsets),
		.offsets_fd = -1,
	};
	int r = steps_run(steps, ARRAY_SIZE(steps), &e, err);

	close_fdp(&e.offsets_fd);
	free(e.offsets);
	return r;
}
