/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/helper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/linux/clone.h"

static int help(struct helper *helper, struct error *err)
{
	struct clone_request clone = { helper->clone_flags | CLONE_PARENT, -1, NULL, false };
	pid_t pid;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_sys(err, errno, "set parent-death signal");
	/* It is about to be visible to a container's processes. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_sys(err, errno, "make undumpable");
	r = helper->enter(helper->ctx, err);
	if (r < 0)
		return r;
	pid = clone_process(&clone);
	if (pid < 0)
		return error_sys(err, (int)pid, "clone");
	if (pid == 0)
		helper->run(helper->ctx);
	return sync_send_pid(helper->sync, SYNC_CHILD, pid, err);
}

void helper_main(struct helper *helper)
{
	struct error err = ERROR_INIT;

	if (help(helper, &err) < 0) {
		sync_send_failure(helper->sync, &err);
		_exit(EXIT_FAILURE);
	}
	_exit(EXIT_SUCCESS);
}
