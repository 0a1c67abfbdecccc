/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/container/handle.h"

/* What is asked of a container that lives: pause, resume, ps. Engines know the refusals of pause
 * and resume from runc. */

static int open_with_status(const char *root, const char *id, struct container **ret,
			    const struct container_backend **ret_backend,
			    enum oci_status *ret_status, struct error *err)
{
	cleanup_container struct container *c = NULL;
	int r = container_look_up_locked(root, id, &c, ret_status, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, ret_backend, err);
	if (r == 0)
		*ret = steal_ptr(&c);
	return r;
}

int container_pause(const char *root, const char *id, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = open_with_status(root, id, &c, &backend, &status, err);

	if (r < 0)
		return r;
	if (status != OCI_STATUS_RUNNING && status != OCI_STATUS_CREATED)
		return error_set(err, -ESRCH, "container not running");
	r = backend->freeze(c, true, err);
	if (r == 0)
		log_info("paused");
	return r;
}

int container_resume(const char *root, const char *id, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = open_with_status(root, id, &c, &backend, &status, err);

	if (r < 0)
		return r;
	if (status != OCI_STATUS_PAUSED)
		return error_set(err, -EINVAL, "container not paused");
	r = backend->freeze(c, false, err);
	if (r == 0)
		log_info("resumed");
	return r;
}

/* Not locked: they change at any moment anyway. */
int container_pids(const char *root, const char *id, pid_t **ret, size_t *ret_count,
		   struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	int r = container_open_record(root, id, &c, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, &backend, err);
	return r < 0 ? r : backend->pids(c, ret, ret_count, err);
}

int container_ps(const char *root, const char *id, char *const *args, char **ret, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	int r = container_open_record(root, id, &c, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, &backend, err);
	return r < 0 ? r : backend->ps(c, args, ret, err);
}
