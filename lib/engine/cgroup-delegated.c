/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

/*
 * Where a user may make cgroups on v2: below what it was delegated (cgroup-v2.rst, "Delegation"),
 * which is not named anywhere. What it is in is part of that, or it could not move processes.
 */

/* Processes come from ours, so that the directory above both has to be the user's, too. */
static bool is_given(int root_fd, const char *path)
{
	cleanup_free char *procs = xasprintf("%s/cgroup.procs", path);

	return *path && faccessat(root_fd, path, W_OK | X_OK, AT_EACCESS) == 0 &&
	       faccessat(root_fd, procs, W_OK, AT_EACCESS) == 0;
}

/* Below a cgroup that has processes, ours, there are no limits; beside it there may be. */
char *cgroup_find_delegated(const struct cgroup *cg, const char *id)
{
	const struct cgroup_hierarchy *h = cgroup_v2(cg);
	cleanup_free char *own = h ? cgroup_own_v2_path(h) : NULL;
	cleanup_free char *parent = NULL;

	if (!own || streq(own, "/"))
		return NULL;
	parent = xstrndup(own, (size_t)(strrchr(own, '/') - own));
	if (*parent && is_given(h->root_fd, parent + 1))
		return xasprintf("%s/%s", parent, id);
	return is_given(h->root_fd, own + 1) ? xasprintf("%s/%s", own, id) : NULL;
}
