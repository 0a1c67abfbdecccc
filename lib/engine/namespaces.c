/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

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
	OCI_NS_PID, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_NETWORK, OCI_NS_MOUNT, OCI_NS_CGROUP,
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
		if (type == OCI_NS_USER || type == OCI_NS_TIME)
			return error_set(err, -EOPNOTSUPP,
					 "linux.namespaces[%zu]: '%s' namespaces are not supported",
					 i, kinds[type].file);
		if (seen[type])
			return error_set(err, -EINVAL, "linux.namespaces[%zu]: '%s' is given twice",
					 i, kinds[type].file);
		seen[type] = true;
	}
	return 0;
}

static const struct oci_namespace *find(const struct oci_config *config, int type)
{
	for (size_t i = 0; i < config->linux_.namespaces_count; i++)
		if (config->linux_.namespaces[i].type == type)
			return &config->linux_.namespaces[i];
	return NULL;
}

int namespaces_plan(const struct oci_config *config, struct namespace_plan *ret, struct error *err)
{
	struct namespace_plan plan = { 0 };
	int r = check(config, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(join_order); i++) {
		int type = join_order[i];
		const struct oci_namespace *ns = find(config, type);

		if (!ns)
			continue;
		plan.private_flags |= kinds[type].flag;
		if (ns->path && *ns->path)
			plan.joins[plan.joins_count++] = (struct namespace_join){
				.type = type,
				.flag = kinds[type].flag,
				.path = ns->path,
				.fd = -1,
			};
		else if (type == OCI_NS_CGROUP)
			plan.unshares_cgroup = true;
		else
			plan.clone_flags |= kinds[type].flag;
		if (type == OCI_NS_PID && ns->path && *ns->path)
			plan.needs_helper = true;
	}
	*ret = plan;
	return 0;
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

		if (!(join->flag & flags))
			continue;
		if (setns(join->fd, join->flag) < 0)
			return error_sys(err, errno, "join '%s'", join->path);
	}
	return 0;
}
