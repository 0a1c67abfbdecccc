/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/helper.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/engine/entrance.h"
#include "lib/engine/namespaces.h"
#include "lib/linux/clone.h"

static int help(struct helper *helper, struct error *err)
{
	struct clone_request clone = { helper->clone_flags | CLONE_PARENT, -1, NULL, false };
	pid_t pid;
	int r;

	r = entrance_keep_parent(err);
	if (r == 0)
		r = helper->enter(helper->ctx, err);
	/* What it clones is visible to a container's processes, and a copy of it. */
	if (r == 0)
		r = entrance_hide(err);
	if (r < 0)
		return r;
	pid = clone_process(&clone);
	if (pid < 0)
		return namespaces_explain((int)helper->clone_flags, (int)pid, "clone", err);
	if (pid == 0)
		helper->run(helper->ctx);
	return sync_send_number(helper->sync, SYNC_CHILD, pid, err);
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
