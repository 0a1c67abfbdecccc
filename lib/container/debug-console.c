/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/container/handle.h"
#include "lib/container/relay.h"

DEFINE_CLEANUP(relay_free_p, struct relay *, relay_free)

/* The agent has a shell on a terminal of the guest's for everybody who connects. */
static int attend(struct loop *loop, int fd, struct error *err)
{
	CLEANUP(relay_free_p) struct relay *relay = NULL;
	int r = relay_new(loop, fd, &relay);

	if (r < 0)
		return error_sys(err, r, "use the debug console");
	relay_end_with_it(relay);
	return loop_run(loop);
}

int container_debug_console(const char *root, const char *id, struct error *err)
{
	const struct container_backend *backend;
	cleanup_container struct container *c = NULL;
	cleanup_loop struct loop *loop = NULL;
	cleanup_fd int fd = -1;
	enum oci_status status;
	int r = container_look_up(root, id, &c, &status, err);

	if (r == 0)
		r = container_find_backend(c->record.isolation, &backend, err);
	if (r < 0)
		return r;
	if (!backend->dial_console)
		return error_set(err, -EOPNOTSUPP,
				 "a native container has no guest with a console");
	if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
		return error_set(err, -ESRCH, "container not running");
	r = loop_new(&loop);
	if (r < 0)
		return error_sys(err, r, "make the event loop");
	r = backend->dial_console(c, loop, &fd, err);
	return r < 0 ? r : attend(loop, steal_fd(&fd), err);
}
