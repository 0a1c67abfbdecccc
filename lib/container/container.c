/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/container.h"

#include <errno.h>
#include <signal.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/container/handle.h"
#include "lib/container/notify.h"
#include "oci/config.h"

void container_info_done(struct container_info *info)
{
	record_done(&info->record);
	oci_config_free(steal_ptr(&info->config));
}

int container_info(const char *root, const char *id, struct container_info *ret, struct error *err)
{
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = container_look_up(root, id, &c, &status, err);

	if (r < 0)
		return r;
	*ret = (struct container_info){
		.record = c->record,
		.status = status,
		.config = steal_ptr(&c->config),
	};
	c->record = (struct record){ 0 };
	return 0;
}

/* NULL: it may start. */
static const char *const start_refusals[OCI_STATUS_COUNT] = {
	[OCI_STATUS_CREATING] = "cannot start a container that is being created",
	[OCI_STATUS_RUNNING] = "cannot start an already running container",
	[OCI_STATUS_PAUSED] = "cannot start a paused container",
	[OCI_STATUS_STOPPED] = "cannot start a container that has stopped",
};

/* Closes @c first: others may change it while we wait. */
static void await_ready(struct container *c, struct notify *notify)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);
	pid_t pid = (pid_t)c->record.pid;

	container_close(c);
	if (pidfd >= 0)
		notify_wait(notify, pid, pidfd);
}

int container_start(const char *root, const char *id, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	cleanup_notify struct notify *notify = NULL;
	enum oci_status status;
	int r = container_look_up_locked(root, id, &c, &status, err);

	if (r < 0)
		return r;
	if (start_refusals[status])
		return error_set(err, -EINVAL, "%s", start_refusals[status]);
	r = container_find_backend(c->record.isolation, &backend, err);
	if (r == 0)
		r = notify_open(c, &notify, err);
	if (r == 0)
		r = backend->start(c, err);
	if (r == 0)
		r = container_run_poststart(c, err);
	if (r == 0)
		log_info("started");
	if (r == 0 && notify)
		await_ready(steal_ptr(&c), notify);
	return r;
}

/* Not locked: a signal is how a command that hangs with the lock is ended. */
int container_kill(const char *root, const char *id, int sig, bool all, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = container_look_up(root, id, &c, &status, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, &backend, err);
	if (r < 0)
		return r;
	if (status == OCI_STATUS_CREATING || (status == OCI_STATUS_STOPPED && !all))
		return error_set(err, -ESRCH, "container not running");
	container_keep_log(c);
	r = backend->kill(c, sig, all, err);
	if (r == 0)
		log_info("sent signal %d%s", sig, all ? " to all processes" : "");
	if (r == -ESRCH) /* it ended since we looked */
		return all ? 0 : error_set(err, r, "container not running");
	return r;
}

static int delete_locked(struct container *c, struct error *err)
{
	int r = container_destroy(c, err);

	return r < 0 ? r : state_dir_remove(c->dir, err);
}

static int delete_gently(const char *root, const char *id, struct error *err)
{
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = container_look_up_locked(root, id, &c, &status, err);

	if (r < 0)
		return r;
	if (status != OCI_STATUS_CREATED && status != OCI_STATUS_STOPPED)
		return error_set(err, -EBUSY, "cannot delete container %s that is not stopped: %s",
				 id, oci_status_name(status));
	return delete_locked(c, err);
}

/* Ends whatever command holds the lock because it waits for this process. */
static void kill_unlocked(const char *root, const char *id)
{
	cleanup_container struct container *c = NULL;

	if (container_open_record(root, id, &c, NULL) == 0)
		(void)backend_signal_process(c, SIGKILL, NULL); /* ended: fine */
}

static int open_by_force(const char *root, const char *id, struct container **ret,
			 struct error *err)
{
	int r = container_open_locked(root, id, 0, ret, err);

	if (r != -EBUSY)
		return r;
	kill_unlocked(root, id);
	return container_open_locked(root, id, LOCK_TIMEOUT_MS, ret, err);
}

/* Whose record could not be read: what it names stays unknown, and it is in the way. Not so when a
 * newer moat wrote it, which knows what to release. */
static bool is_unreadable(int r)
{
	return r != -EBUSY && r != -EACCES && r != -EPERM && r != -EPROTONOSUPPORT;
}

static int delete_unreadable(const char *root, const char *id, struct error *err)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	int r = state_dir_open(root, id, &dir, err);

	if (r == 0)
		r = state_dir_lock(dir, LOCK_TIMEOUT_MS, err);
	return r == 0 ? state_dir_remove(dir, err) : r;
}

static int delete_by_force(const char *root, const char *id, struct error *err)
{
	cleanup_container struct container *c = NULL;
	struct error reason = ERROR_INIT;
	int r = open_by_force(root, id, &c, &reason);

	if (r == 0)
		return delete_locked(c, err);
	if (r == -ENOENT)
		return 0;
	if (is_unreadable(r)) {
		log_warning("delete '%s': %s", id, reason.msg);
		return delete_unreadable(root, id, err);
	}
	if (err)
		*err = reason;
	return r;
}

int container_delete(const char *root, const char *id, bool force, struct error *err)
{
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	return force ? delete_by_force(root, id, err) : delete_gently(root, id, err);
}
