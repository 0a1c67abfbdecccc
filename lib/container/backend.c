/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/backend.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/linux/cgroupfs.h"
#include "lib/systemd/scope.h"
#include "oci/annotations.h"
#include "oci/config.h"

int backend_open_cgroup(const struct container *c, struct cgroup **ret, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r;

	if (!c->record.cgroup)
		return 0;
	r = cgroup_open(c->record.cgroup, &cg, err);
	/* A caller without rights over cgroups may have made it nowhere (see is_lenient). */
	if (r < 0 || (state_is_rootless() && !cgroup_exists(cg)))
		return r;
	*ret = steal_ptr(&cg);
	return 0;
}

static int check_unused(const struct cgroup *cg, struct error *err)
{
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;
	int r = cgroup_pids(cg, &pids, &count, err);

	if (r < 0 || !count)
		return r;
	return error_set(err, -EBUSY, "container's cgroup is not empty: %zu process(es) found",
			 count);
}

/* A container that names none has one where its user may make it. */
static char *plan_path(const struct container *c)
{
	const char *wanted = c->config->linux_.cgroups_path;
	char *path = cgroup_plan_path(wanted, c->id), *delegated = NULL;
	cleanup_cgroup struct cgroup *cg = NULL;

	if (c->is_lenient && !(wanted && *wanted) && cgroup_open(path, &cg, NULL) == 0)
		delegated = cgroup_find_delegated(cg, c->id);
	if (!delegated)
		return path;
	free(path);
	return delegated;
}

static int open_unused(const struct container *c, const char *path, struct cgroup **ret,
		       struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = cgroup_open(path, &cg, err);

	if (r == 0)
		r = check_unused(cg, err);
	if (r < 0)
		return r;
	cg->is_lenient = c->is_lenient;
	*ret = steal_ptr(&cg);
	return 0;
}

static bool host_has_v2_only(void)
{
	struct cgroupfs_mount *mount;

	if (cgroupfs_find_v2_only(&mount) < 0)
		return false;
	cgroupfs_free_mounts(mount, 1);
	return true;
}

/* systemd makes it. It is recorded once it is there: until then it ends with us. */
static int open_scope(struct container *c, const struct oci_resources *resources,
		      struct cgroup **ret, struct error *err)
{
	CLEANUP(scope_done) struct scope scope = SCOPE_INIT;
	cleanup_free char *subgroup = NULL;
	cleanup_free char *path = NULL;
	int r = oci_annotation_cgroup(c->config, "run.oci.systemd.subgroup", &subgroup, err);

	if (r == 0)
		r = scope_start(c->id, c->config, resources, host_has_v2_only(),
				state_is_rootless(), &scope, err);
	if (r < 0)
		return r;
	path = subgroup ? xasprintf("%s/%s", scope.path, subgroup) : steal_ptr(&scope.path);
	r = cgroup_open(path, ret, err);
	if (r < 0)
		return r;
	(*ret)->is_lenient = c->is_lenient;
	(*ret)->holder = scope.holder;
	c->record.cgroup = steal_ptr(&path);
	c->record.unit = steal_ptr(&scope.unit);
	c->holder = steal_pid(&scope.holder);
	return 0;
}

static int open_directory(struct container *c, struct cgroup **ret, struct error *err)
{
	cleanup_free char *path = plan_path(c);
	int r = open_unused(c, path, ret, err);

	if (r == 0)
		c->record.cgroup = steal_ptr(&path);
	return r;
}

int backend_make_cgroup(struct container *c, const struct oci_resources *resources,
			struct cgroup **ret, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = c->uses_systemd ? open_scope(c, resources, &cg, err) : open_directory(c, &cg, err);

	if (r < 0)
		return r;
	r = container_save(c, err);
	if (r == 0)
		r = cgroup_create(cg, err);
	if (r < 0)
		return r;
	r = cgroup_apply(cg, resources, err);
	if (r < 0) {
		(void)backend_remove_cgroup(c, cg, NULL); /* the first error is the one to tell */
		return r;
	}
	*ret = steal_ptr(&cg);
	return 0;
}

int backend_update_cgroup(const struct container *c, struct cgroup *cg,
			  const struct oci_resources *all, const struct oci_resources *changes,
			  struct error *err)
{
	int r = c->record.unit ? scope_update(c->record.unit, all, cg->layout == CGROUP_LAYOUT_V2,
					      state_is_rootless(), err)
			       : 0;

	return r < 0 ? r : cgroup_update(cg, changes, err);
}

int backend_remove_cgroup(struct container *c, const struct cgroup *cg, struct error *err)
{
	struct error reason = ERROR_INIT;
	int r;

	kill_reap_pid(&c->holder);
	r = cg ? cgroup_remove(cg, BACKEND_KILL_TIMEOUT_MS, err) : 0;
	/* A scope without processes ends by itself; we only wait for that, if somebody is there. */
	if (r == 0 && c->record.unit &&
	    scope_stop(c->record.unit, state_is_rootless(), &reason) < 0)
		log_debug("%s", reason.msg);
	return r;
}

static void list_first(const struct container *c, pid_t **ret, size_t *ret_count)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);

	if (pidfd < 0)
		return;
	*ret = xmalloc(sizeof(**ret));
	**ret = (pid_t)c->record.pid;
	*ret_count = 1;
}

int backend_pids(const struct container *c, pid_t **ret, size_t *ret_count, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = backend_open_cgroup(c, &cg, err);

	if (r < 0)
		return r;
	if (cg && cgroup_exists(cg))
		return cgroup_pids(cg, ret, ret_count, err);
	*ret = NULL;
	*ret_count = 0;
	list_first(c, ret, ret_count);
	return 0;
}

int backend_signal_process(const struct container *c, int sig, struct error *err)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);

	if (pidfd == -ESRCH)
		return error_set(err, pidfd, "process %u has ended", c->record.pid);
	if (pidfd < 0)
		return error_sys(err, pidfd, "open process %u", c->record.pid);
	if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0)
		return error_sys(err, errno, "signal process %u", c->record.pid);
	return 0;
}

static int wait_for_end(int pidfd, uint32_t pid, struct error *err)
{
	long long deadline = now_ms() + BACKEND_KILL_TIMEOUT_MS;
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		long long left = deadline - now_ms();
		int r = poll(&fd, 1, left > 0 ? (int)left : 0);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for process %u", pid);
		if (left <= 0)
			return error_set(err, -ETIMEDOUT,
					 "container init still running: process %u", pid);
	}
}

int backend_end_process(const struct container *c, const struct cgroup *cg, struct error *err)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);

	if (pidfd == -ESRCH)
		return 0;
	if (pidfd < 0)
		return error_sys(err, pidfd, "open process %u", c->record.pid);
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_sys(err, errno, "kill process %u", c->record.pid);
	/* On v1 a frozen process dies only once it is thawed. */
	if (cg && cgroup_is_frozen(cg))
		(void)cgroup_freeze(cg, false, NULL); /* the wait meets what is wrong */
	return wait_for_end(pidfd, c->record.pid, err);
}
