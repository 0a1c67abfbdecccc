/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/container/creation.h"
#include "lib/container/foreground.h"

/* It may be gone already: somebody else may delete what has ended. */
static void delete_ended(const struct container_create_request *request)
{
	struct error err = ERROR_INIT;

	if (container_delete(request->root, request->id, true, &err) < 0)
		log_warning("delete '%s': %s", request->id, err.msg);
}

static int run_in_foreground(struct creation *creation, bool keep, int *ret_status,
			     struct error *err)
{
	const struct container_create_request *request = creation->request;
	int r = foreground_begin(!request->no_subreaper, err);

	if (r == 0)
		r = creation_run(creation, err);
	if (r < 0)
		return r;
	/* Others may change it while we wait. */
	container_close(steal_ptr(&creation->c));
	r = foreground_wait(creation->pid, &creation->console, ret_status, err);
	if (!keep || r < 0)
		delete_ended(request);
	return r;
}

int container_run(const struct container_create_request *request, bool detach, bool keep,
		  int *ret_status, struct error *err)
{
	struct container_create_request at_once = *request;
	cleanup_creation struct creation creation = {
		.request = &at_once,
		.is_detached = detach,
		.console = CONSOLE_INIT,
	};

	at_once.runs_at_once = true;
	*ret_status = 0;
	return detach ? creation_run(&creation, err)
		      : run_in_foreground(&creation, keep, ret_status, err);
}
