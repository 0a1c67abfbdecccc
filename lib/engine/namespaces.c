/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* clang-format off */
static const struct {
	int flag;
	const char *file;
} kinds[OCI_NS_COUNT] = {
	[OCI_NS_PID]     = { CLONE_NEWPID,    "pid" },
	[OCI_NS_NETWORK] = { CLONE_NEWNET,    "net" },
	[OCI_NS_MOUNT]   = { CLONE_NEWNS,     "mnt" },
	[OCI_NS_IPC]     = { CLONE_NEWIPC,    "ipc" },
	[OCI_NS_UTS]     = { CLONE_NEWUTS,    "uts" },
	[OCI_NS_USER]    = { CLONE_NEWUSER,   "user" },
	[OCI_NS_CGROUP]  = { CLONE_NEWCGROUP, "cgroup" },
	[OCI_NS_TIME]    = { CLONE_NEWTIME,   "time" },
};
/* clang-format on */

/* The mount namespace comes after all whose paths are looked up by others, the cgroup namespace
 * last, because the process has to be in its cgroup by then. */
static const int join_order[] = {
	OCI_NS_USER,	OCI_NS_PID,   OCI_NS_IPC,  OCI_NS_UTS,
	OCI_NS_NETWORK, OCI_NS_MOUNT, OCI_NS_TIME, OCI_NS_CGROUP,
};

int namespace_flag(int type)
{
	return kinds[type].flag;
}

const char *namespace_file(int type)
{
	return kinds[type].file;
}

static int check(const struct oci_config *config, struct error *err)
{
	const struct oci_linux *l = &config->linux_;
	bool seen[OCI_NS_COUNT] = { false };

	for (size_t i = 0; i < l->namespaces_count; i++) {
		int type = l->namespaces[i].type;

		if (type < 0 || type >= OCI_NS_COUNT)
			return error_set(err, -EINVAL, "linux.namespaces[%zu]: no type", i);
		if (seen[type])
			return error_set(err, -EINVAL, "linux.namespaces[%zu]: '%s' is given twice",
					 i, kinds[type].file);
		seen[type] = true;
	}
	return 0;
}

bool namespaces_have_user(const struct namespace_plan *plan)
{
	return plan->private_flags & CLONE_NEWUSER;
}

static void plan_join(struct namespace_plan *plan, int type, const char *path)
{
	plan->joins[plan->joins_count++] = (struct namespace_join){
		.type = type,
		.flag = kinds[type].flag,
		.path = path,
		.fd = -1,
	};
	/* A time namespace that is joined takes in the process itself (time_namespaces(7)). */
	if (type == OCI_NS_PID || type == OCI_NS_USER)
		plan->needs_helper = true;
}

static void plan_new(struct namespace_plan *plan, int type)
{
	switch (type) {
	case OCI_NS_CGROUP:
		plan->unshares_cgroup = true;
		break;
	case OCI_NS_USER:
		plan->unshares_user = plan->needs_helper = true;
		break;
	case OCI_NS_TIME:
		plan->unshares_time = plan->needs_helper = true;
		break;
	default:
		plan->clone_flags |= kinds[type].flag;
		break;
	}
}

static const struct namespace_join *find_join(const struct namespace_plan *plan, int type)
{
	for (size_t i = 0; i < plan->joins_count; i++)
		if (plan->joins[i].type == type)
			return &plan->joins[i];
	return NULL;
}

int namespaces_plan(const struct oci_config *config, struct namespace_plan *ret, struct error *err)
{
	struct namespace_plan plan = { .time_offsets = config->linux_.time_offsets };
	int r = check(config, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(join_order); i++) {
		int type = join_order[i];
		const struct oci_namespace *ns =
			oci_namespace_find(config, (enum oci_namespace_type)type);

		if (!ns)
			continue;
		plan.private_flags |= kinds[type].flag;
		if (ns->path && *ns->path)
			plan_join(&plan, type, ns->path);
		else
			plan_new(&plan, type);
	}
	if (plan.unshares_user || find_join(&plan, OCI_NS_USER)) {
		plan.late_flags = plan.clone_flags & CLONE_NEWIPC;
		plan.clone_flags &= ~CLONE_NEWIPC;
	}
	if (plan.time_offsets && !plan.unshares_time)
		return error_set(
			err, -EINVAL,
			"linux.timeOffsets: there is no new time namespace to set them in");
	*ret = plan;
	return 0;
}

static void add_offset(struct strbuf *text, const char *clock, const struct oci_time_offset *offset)
{
	if (offset)
		strbuf_addf(text, "%s %" PRId64 " %" PRIu32 "\n", clock, offset->secs,
			    offset->nanosecs);
}

char *namespaces_time_text(const struct oci_time_offsets *offsets)
{
	struct strbuf text = STRBUF_INIT;

	if (!offsets || (!offsets->monotonic && !offsets->boottime))
		return NULL;
	add_offset(&text, "monotonic", offsets->monotonic);
	add_offset(&text, "boottime", offsets->boottime);
	return strbuf_steal(&text);
}

static bool is_own(int type, const struct stat *st)
{
	cleanup_free char *path = xasprintf("/proc/self/ns/%s", kinds[type].file);
	struct stat own;

	return stat(path, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

static int open_one(struct namespace_join *join, struct error *err)
{
	struct stat st;
	int flag;

	join->fd = open(join->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (join->fd < 0)
		return error_sys(err, errno, "open '%s'", join->path);
	flag = ioctl(join->fd, NS_GET_NSTYPE);
	if (flag != join->flag)
		return error_set(err, -EINVAL, "'%s' is not a '%s' namespace", join->path,
				 kinds[join->type].file);
	if (fstat(join->fd, &st) < 0)
		return error_sys(err, errno, "stat '%s'", join->path);
	join->is_own = is_own(join->type, &st);
	return 0;
}

static bool is_owned_by(int fd, const struct namespace_join *user)
{
	cleanup_fd int owner = ioctl(fd, NS_GET_USERNS);
	struct stat a, b;

	return owner >= 0 && fstat(owner, &a) == 0 && fstat(user->fd, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* What the user namespace owns is joined with the rights that one has in it, all else with the
 * caller's: another container's network, say. Nothing is owned by one that is yet to be made. */
static void find_sides(struct namespace_plan *plan)
{
	const struct namespace_join *user = find_join(plan, OCI_NS_USER);

	if (!namespaces_have_user(plan))
		return;
	for (size_t i = 0; i < plan->joins_count; i++) {
		const struct namespace_join *join = &plan->joins[i];

		if (join != user && !(user && is_owned_by(join->fd, user)))
			plan->outer_flags |= join->flag;
	}
}

int namespaces_open(struct namespace_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->joins_count; i++) {
		int r = open_one(&plan->joins[i], err);

		if (r < 0) {
			namespaces_close(plan);
			return r;
		}
		if (plan->joins[i].is_own)
			plan->private_flags &= ~plan->joins[i].flag;
	}
	find_sides(plan);
	return 0;
}

void namespaces_close(struct namespace_plan *plan)
{
	for (size_t i = 0; i < plan->joins_count; i++) {
		close_fdp(&plan->joins[i].fd);
		plan->joins[i].fd = -1;
	}
}

int namespaces_join(const struct namespace_plan *plan, int flags, struct error *err)
{
	for (size_t i = 0; i < plan->joins_count; i++) {
		const struct namespace_join *join = &plan->joins[i];

		if (!(join->flag & flags) || join->is_own)
			continue;
		if (setns(join->fd, join->flag) < 0)
			return error_sys(err, errno, "join '%s'", join->path);
	}
	return 0;
}

int namespaces_explain(int flags, int errnum, const char *operation, struct error *err)
{
	for (int type = 0; type < OCI_NS_COUNT && abs(errnum) == EINVAL; type++) {
		cleanup_free char *path = xasprintf("/proc/self/ns/%s", kinds[type].file);

		if ((flags & kinds[type].flag) && access(path, F_OK) < 0)
			return error_set(err, -EINVAL,
					 "linux.namespaces: this kernel has no '%s' "
					 "namespaces",
					 kinds[type].file);
	}
	if (abs(errnum) == ENOSPC)
		return error_sys(err, errnum, "%s (user.max_*_namespaces)", operation);
	return error_sys(err, errnum, "%s", operation);
}
