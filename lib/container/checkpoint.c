/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"
#include "lib/criu/criu.h"
#include "oci/config.h"

/* Callers know the sentence from runc. */
static int check_status(enum oci_status status, struct error *err)
{
	if (status == OCI_STATUS_RUNNING || status == OCI_STATUS_PAUSED)
		return 0;
	return error_set(err, -EINVAL, "container cannot be checkpointed in %s state",
			 oci_status_name(status));
}

static int remove_saved(struct container *c, struct error *err)
{
	int r = container_destroy(c, err);

	return r < 0 ? r : state_dir_remove(c->dir, err);
}

/* CRIU freezes by the same cgroup, and cannot end processes in one that stays frozen. */
static int save(struct container *c, const struct container_backend *backend, bool is_paused,
		const struct container_checkpoint_request *request, struct error *err)
{
	int r = is_paused ? backend->freeze(c, false, err) : 0;

	if (r < 0)
		return r;
	r = backend->checkpoint(c, request, err);
	if (r == 0 && !request->is_pre_dump && !request->options->leave_running)
		return remove_saved(c, err);
	if (is_paused)
		(void)backend->freeze(c, true, r < 0 ? NULL : err); /* it runs, which is no loss */
	return r;
}

int container_checkpoint(const struct container_checkpoint_request *request, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = container_look_up_locked(request->root, request->id, &c, &status, err);

	if (r == 0)
		r = check_status(status, err);
	if (r == 0)
		r = container_find_backend(c->record.isolation, &backend, err);
	if (r < 0)
		return r;
	if (!c->config)
		return error_set(err, -EINVAL, "its configuration cannot be read any more");
	return save(c, backend, status == OCI_STATUS_PAUSED, request, err);
}
