/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"
#include "lib/container/handle.h"

int container_destroy(struct container *c, struct error *err)
{
	const struct container_backend *backend;
	int r = container_find_backend(c->record.isolation, &backend, err);

	return r < 0 ? r : backend->destroy(c, err);
}

int container_run_poststart(struct container *c, struct error *err)
{
	return 0;
}
