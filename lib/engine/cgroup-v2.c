/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

/* With these a cgroup has all that most limits ask for; others are enabled when one is missed.
 * Who is frugal leaves out the first: with the first cpuset the kernel rewrites its own code in a
 * hundred places. */
static const char *const wanted[] = { "cpuset", "cpu", "io", "memory", "pids" };

static char **list_wanted(bool is_frugal)
{
	char **list = NULL;

	for (size_t i = is_frugal ? 1 : 0; i < ARRAY_SIZE(wanted); i++)
		strv_push(&list, xstrdup(wanted[i]));
	return list;
}

static bool has_all(char *const *controllers, char *const *names)
{
	strv_each(name, names)
		if (!strv_has(controllers, name))
			return false;
	return true;
}

static char **read_controllers(int root_fd, const char *path)
{
	cleanup_free char *text = NULL;

	if (cgroupfs_read(root_fd, path, "cgroup.controllers", &text) < 0)
		return NULL;
	return strv_split(text, ' ');
}

void cgroup_v2_read_controllers(struct cgroup_hierarchy *h, const char *path)
{
	strv_free(h->controllers);
	h->controllers = read_controllers(h->root_fd, path);
}

/* All at once, or, where the kernel refuses one of them (cpu beside real-time processes), one by
 * one; what cannot be enabled is missed only by those who ask for it. Not so with EBUSY, a parent
 * that has processes itself: there the threaded controllers alone could be enabled, which makes
 * its children invalid as domains (cgroup-v2.rst, "Threads"), so that nobody could join them. */
static void enable_for_children(int root_fd, const char *path, const char *all,
				char *const *controllers)
{
	int r = cgroupfs_write(root_fd, path, "cgroup.subtree_control", all);

	if (r == 0 || r == -EBUSY)
		return;
	strv_each(name, controllers) {
		cleanup_free char *one = xasprintf("+%s", name);

		(void)cgroupfs_write(root_fd, path, "cgroup.subtree_control", one); /* as above */
	}
}

/* In every cgroup from the root down to our parent. */
static void enable_along(int root_fd, const char *path, char *const *controllers)
{
	cleanup_free char *list = strv_join(controllers, " +");
	cleanup_free char *all = xasprintf("+%s", list);
	cleanup_free char *prefix = xstrdup(path);

	if (!*list)
		return;
	enable_for_children(root_fd, "", all, controllers);
	for (char *p = strchr(prefix, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		enable_for_children(root_fd, prefix, all, controllers);
		*p = '/';
	}
}

void cgroup_v2_share(const struct cgroup_hierarchy *h, const char *from, const char *path)
{
	cleanup_strv char **controllers = read_controllers(h->root_fd, from);

	enable_along(h->root_fd, path, controllers);
}

/* Below a threaded cgroup, or one with processes whose threaded controllers are enabled for its
 * children, a new one can have no process before it is threaded too. Then it has only controllers
 * for threads; who needs others is told by their absence. */
static int make_valid(int root_fd, const char *path)
{
	cleanup_free char *type = NULL;

	if (cgroupfs_read(root_fd, path, "cgroup.type", &type) < 0 ||
	    !streq(type, "domain invalid"))
		return 0;
	return cgroupfs_write(root_fd, path, "cgroup.type", "threaded");
}

void cgroup_v2_enable(struct cgroup_hierarchy *h, const char *path, const char *controller)
{
	cleanup_strv char **controllers = NULL;

	strv_push(&controllers, xstrdup(controller));
	enable_along(h->root_fd, path, controllers);
	cgroup_v2_read_controllers(h, path);
}

int cgroup_v2_make(struct cgroup_hierarchy *h, const struct cgroup *cg)
{
	const char *path = cgroup_relative(cg);
	cleanup_strv char **needed = list_wanted(cg->is_frugal);
	cleanup_strv char **available = NULL;
	int r = cgroup_make_path(h->root_fd, path);

	if (r < 0)
		return r;
	h->is_made = r;
	if (cg->layout != CGROUP_LAYOUT_V2)
		return 0;
	/* Its parent, which is the scope then, can have no process any more. */
	r = h->is_made && cg->holder ? cgroupfs_join(h->root_fd, path, cg->holder) : 0;
	if (r < 0)
		return r;
	cgroup_v2_read_controllers(h, path);
	if (has_all(h->controllers, needed))
		return 0;
	if (!cg->is_frugal)
		available = read_controllers(h->root_fd, "");
	enable_along(h->root_fd, path, cg->is_frugal ? needed : available);
	r = make_valid(h->root_fd, path);
	cgroup_v2_read_controllers(h, path);
	return r;
}

int cgroup_v2_set_frozen(const struct cgroup_hierarchy *h, const char *path, bool frozen)
{
	return cgroupfs_write(h->root_fd, path, "cgroup.freeze", frozen ? "1" : "0");
}

bool cgroup_v2_is_frozen(const struct cgroup_hierarchy *h, const char *path)
{
	return cgroupfs_has_event(h->root_fd, path, "cgroup.events", "frozen");
}

int cgroup_v2_freeze(const struct cgroup_hierarchy *h, const char *path, bool frozen,
		     long long deadline_ms)
{
	int r = cgroup_v2_set_frozen(h, path, frozen);

	if (r < 0)
		return r;
	return cgroupfs_wait_event(h->root_fd, path, "cgroup.events", "frozen", frozen,
				   deadline_ms);
}
