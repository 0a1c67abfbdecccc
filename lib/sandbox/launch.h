/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct cgroup;
struct error;

/* Moat's side of starting a shim (shim.h). */
struct shim_launch {
	const char *command; /* "create" or "exec" */
	const char *root;
	const char *id;
	int console_fd; /* or -1 */
	int process_fd; /* or -1 */
	int image_fd;	/* of a saved VM, or -1 */
	bool runs_at_once;
	bool has_own_pids;     /* rights_want_pid_namespace() */
	char *const *oom_dirs; /* of the engine (oom-notice.h), or NULL */
	char *const *more;     /* options of the command alone, or NULL */

	/* So that all the shim will ever do is accounted where it belongs: it is born in @cgroup,
	 * or joins it before it becomes the shim. NULL: in none. */
	const struct cgroup *cgroup;
};

/* The program: $MOAT_SHIM, else beside the running one, else where it is installed. free(3) it. */
char *shim_find(void);

/* Starts one with our standard streams, in a session of its own. *ret_pid is a child of ours,
 * *ret_sync our end of the rendezvous, over which errors arrive from the first moment on. */
int shim_launch(const struct shim_launch *launch, pid_t *ret_pid, int *ret_sync, struct error *err);
