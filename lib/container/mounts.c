/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/container/handle.h"
#include "lib/linux/selfexe.h"
#include "oci/config.h"

int container_change_mounts(const struct container_mounts_request *request, struct error *err)
{
	cleanup_container struct container *c = NULL;
	cleanup_oci_config struct oci_config *document = NULL;
	const struct container_backend *backend;
	int r = container_open_running(request->root, request->id, &c, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, &backend, err);
	if (r < 0)
		return r;
	if (!backend->change_mounts)
		return error_set(err, -EOPNOTSUPP,
				 "a virtual machine has the files that it was started with");
	/* From here on this program is in the container's reach. */
	r = selfexe_protect(request->argv, err);
	if (r == 0)
		r = request->read(request->ctx, &document, err);
	return r < 0 ? r : backend->change_mounts(c, document, request->is_removal, err);
}
