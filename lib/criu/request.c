/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/criu/criu.h"

void criu_add_external(struct criu_request *request, const char *kind, const char *key,
		       const char *name)
{
	strv_pushf(&request->externals, "%s[%s]%s%s", kind, key, name ? ":" : "", name ? name : "");
}

void criu_add_inherited(struct criu_request *request, const char *key, int fd)
{
	request->inherited = xrealloc(request->inherited, request->inherited_count + 1,
				      sizeof(*request->inherited));
	request->inherited[request->inherited_count++] =
		(struct criu_inherited){ .key = xstrdup(key), .fd = fd };
}

void criu_add_cgroup_root(struct criu_request *request, const char *controllers, const char *path)
{
	request->cgroup_roots = xrealloc(request->cgroup_roots, request->cgroup_roots_count + 1,
					 sizeof(*request->cgroup_roots));
	request->cgroup_roots[request->cgroup_roots_count++] = (struct criu_cgroup_root){
		.controllers = xstrdup(controllers),
		.path = xstrdup(path),
	};
}

void criu_request_done(struct criu_request *request)
{
	free(request->freezer);
	strv_free(request->externals);
	for (size_t i = 0; i < request->inherited_count; i++)
		free(request->inherited[i].key);
	free(request->inherited);
	for (size_t i = 0; i < request->cgroup_roots_count; i++) {
		free(request->cgroup_roots[i].controllers);
		free(request->cgroup_roots[i].path);
	}
	free(request->cgroup_roots);
}
