/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/timing.h"
#include "lib/container/creation.h"
#include "lib/container/foreground.h"
#include "lib/container/notify.h"

/* It may be gone already: somebody else may delete what has ended. */
static void delete_ended(const struct container_create_request *request)
{
	struct error err = ERROR_INIT;

	if (container_delete(request->root, request->id, true, &err) < 0)
		log_warning("delete '%s': %s", request->id, err.msg);
}

/* One with a terminal was only created: see decide_start() in create.c. */
static int start_relayed(struct creation *creation, struct error *err)
{
	int r;

	if (creation->request.runs_at_once)
		return 0;
	r = creation->backend->start(creation->c, err);
	return r == 0 ? container_run_poststart(creation->c, err) : r;
}

static int watch_ready(struct creation *creation, struct foreground *foreground, struct error *err)
{
	int r = notify_watch(creation->notify, foreground_loop(foreground));

	return r < 0 ? error_sys(err, r, "wait for the program to be ready") : 0;
}

static int attend(struct creation *creation, int *ret_status, struct error *err)
{
	cleanup_foreground struct foreground *foreground = NULL;
	int r = foreground_new(creation->pid, &creation->console, &foreground, err);

	if (r == 0)
		r = watch_ready(creation, foreground, err);
	if (r == 0)
		r = start_relayed(creation, err);
	if (r < 0)
		return r;
	/* Others may change it while we wait. */
	container_close(steal_ptr(&creation->c));
	r = foreground_wait(foreground, ret_status, err);
	timing_point("end of the program seen");
	return r;
}

static int run_in_foreground(struct creation *creation, bool keep, int *ret_status,
			     struct error *err)
{
	int r = foreground_begin(!creation->request.no_subreaper, err);

	if (r == 0)
		r = creation_run(creation, err);
	if (r < 0)
		return r;
	r = attend(creation, ret_status, err);
	container_close(steal_ptr(&creation->c));
	if (keep && r == 0)
		return 0;
	delete_ended(&creation->request);
	timing_point("container deleted");
	return r;
}

static int run_detached(struct creation *creation, struct error *err)
{
	cleanup_fd int pidfd = -1;
	int r = creation_run(creation, err);

	if (r < 0 || !creation->notify)
		return r;
	pidfd = record_pidfd(&creation->c->record);
	/* Others may change it while we wait. */
	container_close(steal_ptr(&creation->c));
	if (pidfd >= 0)
		notify_wait(creation->notify, creation->pid, pidfd);
	return 0;
}

int container_run(const struct container_create_request *request, bool detach, bool keep,
		  int *ret_status, struct error *err)
{
	cleanup_creation struct creation creation = {
		.request = *request,
		.is_detached = detach,
		.console = CONSOLE_INIT,
	};

	creation.request.runs_at_once = true;
	*ret_status = 0;
	return detach ? run_detached(&creation, err)
		      : run_in_foreground(&creation, keep, ret_status, err);
}
