/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

#define PROC_CGROUP_MAX_BYTES (1u << 20)

static const char *joined_path(const struct cgroup *cg, const struct cgroup_hierarchy *h)
{
	return h->joined ? h->joined : cgroup_relative(cg);
}

static int join(const struct cgroup *cg, const struct cgroup_hierarchy *h, pid_t pid)
{
	if (pid == 0 && !h->mount.is_v2)
		return cgroupfs_write(h->root_fd, joined_path(cg, h), "tasks", "0");
	return cgroupfs_join(h->root_fd, joined_path(cg, h), pid);
}

int cgroup_attach(const struct cgroup *cg, pid_t pid, bool is_in_v2, struct error *err)
{
	bool is_in_any = is_in_v2;

	cgroup_each(h, cg)
	{
		int r;

		if ((h->mount.is_v2 && is_in_v2) || !cgroup_hierarchy_open(h))
			continue;
		r = join(cg, h, pid);
		/* A hierarchy that was mounted after the container was made. */
		if (r == -ENOENT && !cg->is_new && !h->joined)
			continue;
		if (cgroup_is_about_rights(r) && cg->is_lenient && !cg->is_limited)
			continue;
		if (r < 0)
			return error_sys(err, r, "cgroup: join '/%s' in '%s'", joined_path(cg, h),
					 h->mount.mount_point);
		is_in_any = true;
	}
	if (is_in_any || cg->is_lenient)
		return 0;
	return error_set(err, -ENOENT, "cgroup: '%s' does not exist", cg->path);
}

static const struct cgroupfs_mount *find_mount(const struct cgroupfs_mount *mounts, size_t count,
					       dev_t dev)
{
	for (size_t i = 0; i < count; i++)
		if (mounts[i].dev == dev)
			return &mounts[i];
	return NULL;
}

/* What of the hierarchy is mounted where we look: "/" but inside of another container. */
static char *mounted_root(const struct cgroup_hierarchy *h)
{
	const struct cgroupfs_mount *mount = &h->mount;
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 0;
	char *root;

	if (!mount->root && cgroupfs_read_mounts(&mounts, &count) == 0)
		mount = find_mount(mounts, count, h->mount.dev);
	root = xstrdup(mount && mount->root ? mount->root : "/");
	cgroupfs_free_mounts(mounts, count);
	return root;
}

char *cgroup_find_v2_path(const char *proc_cgroup, const char *root)
{
	cleanup_strv char **lines = strv_split(proc_cgroup, '\n');
	const char *path = NULL;

	strv_each(line, lines)
		if (!path)
			path = str_after(line, "0::");
	if (path && !streq(root, "/")) {
		path = str_after(path, root);
		if (path && *path && *path != '/')
			path = NULL;
	}
	/* "/..": above what this cgroup namespace shows (cgroup_namespaces(7)). */
	return path && !str_after(path, "/..") ? path_clean(path) : NULL;
}

static int read_v2_path(const struct cgroup_hierarchy *h, const char *file, char **ret)
{
	cleanup_free char *text = NULL;
	cleanup_free char *root = NULL;
	int r = read_file_at(AT_FDCWD, file, PROC_CGROUP_MAX_BYTES, &text, NULL);

	if (r < 0)
		return r;
	root = mounted_root(h);
	*ret = cgroup_find_v2_path(text, root);
	return 0;
}

char *cgroup_own_v2_path(const struct cgroup_hierarchy *h)
{
	char *path = NULL;

	return read_v2_path(h, "/proc/self/cgroup", &path) < 0 ? NULL : path;
}

static bool is_within(const char *path, const char *parent)
{
	const char *rest = str_after(path, parent);

	return rest && (!*rest || *rest == '/');
}

static void aim(struct cgroup *cg, struct cgroup_hierarchy *h, const char *path)
{
	free(h->joined);
	h->joined = xstrdup(path + 1);
	if (!h->mount.is_v2)
		return;
	close_fdp(&cg->v2_fd);
	cg->v2_fd = openat(h->root_fd, h->joined, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A container that made cgroups of its own below, and gave them controllers, has moved its init out
 * of the way first. */
static int follow_init(struct cgroup *cg, pid_t init_pid, struct error *err)
{
	struct cgroup_hierarchy *h = cgroup_v2(cg);
	cleanup_free char *file = xasprintf("/proc/%d/cgroup", (int)init_pid);
	cleanup_free char *enabled = NULL;
	cleanup_free char *path = NULL;
	int r;

	if (!h || cg->layout != CGROUP_LAYOUT_V2 ||
	    cgroupfs_read(h->root_fd, cgroup_relative(cg), "cgroup.subtree_control", &enabled) <
		    0 ||
	    !*enabled)
		return 0;
	r = read_v2_path(h, file, &path);
	if (r < 0)
		return error_sys(err, r, "cgroup: read '%s'", file);
	if (path && is_within(path, cg->path))
		aim(cg, h, path);
	return 0;
}

struct exec_spec {
	char **controllers; /* NULL: all */
	const char *path;
};

static void exec_spec_done(struct exec_spec *spec)
{
	strv_free(spec->controllers);
}

static int parse_spec(const char *text, struct exec_spec *ret, struct error *err)
{
	const char *colon = strchr(text, ':');
	const char *path = colon ? colon + 1 : text;
	cleanup_free char *list = xstrndup(text, colon ? (size_t)(colon - text) : 0);
	cleanup_strv char **parts = strv_split(path, '/');
	cleanup_strv char **controllers = colon ? strv_split(list, ',') : NULL;

	if (strv_has(parts, ".."))
		return error_set(err, -EINVAL, "bad sub cgroup path: %s", path);
	if (strv_has(controllers, ""))
		return error_set(err, -EINVAL,
				 "invalid --cgroup argument: %s (empty <controller> prefix)", text);
	*ret = (struct exec_spec){ steal_ptr(&controllers), path };
	return 0;
}

/* Of v1: one that has a name instead of controllers. */
static bool is_named(const struct cgroup_hierarchy *h)
{
	strv_each(option, h->mount.options)
		if (str_after(option, "name="))
			return true;
	return false;
}

/* Without a path of its own a hierarchy without controllers (v2's on a hybrid host, or one that is
 * only a name) stays where it was. */
static int aim_at(struct cgroup *cg, struct cgroup_hierarchy *h, const struct exec_spec *spec,
		  bool is_needed, struct error *err)
{
	cleanup_free char *joined = xasprintf("%s/%s", cg->path, spec->path);
	cleanup_free char *path = path_clean(joined);

	if (faccessat(h->root_fd, path + 1, F_OK, 0) == 0) {
		aim(cg, h, path);
		return 0;
	}
	return is_needed ? error_sys(err, errno, "cgroup: join '%s' in '%s'", path,
				     h->mount.mount_point)
			 : 0;
}

static int aim_all(struct cgroup *cg, const struct exec_spec *spec, struct error *err)
{
	cgroup_each(h, cg)
	{
		bool is_needed = h->mount.is_v2 ? cg->layout == CGROUP_LAYOUT_V2 : !is_named(h);
		int r = cgroup_hierarchy_open(h) ? aim_at(cg, h, spec, is_needed, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int aim_spec(struct cgroup *cg, const char *text, size_t count, struct error *err)
{
	CLEANUP(exec_spec_done) struct exec_spec spec = { NULL, NULL };
	int r = parse_spec(text, &spec, err);

	if (r < 0)
		return r;
	if (!spec.controllers && count > 1)
		return error_set(err, -EINVAL,
				 "invalid --cgroup argument: %s (missing <controller>: prefix)",
				 text);
	if (!spec.controllers)
		return aim_all(cg, &spec, err);
	if (cg->layout == CGROUP_LAYOUT_V2)
		return error_set(
			err, -EINVAL,
			"invalid --cgroup argument: %s (this host has cgroup v2, whose controllers share one path)",
			text);
	strv_each(controller, spec.controllers) {
		struct cgroup_hierarchy *h = cgroup_v1(cg, controller);

		if (!h)
			return error_set(err, -EINVAL,
					 "invalid --cgroup argument: %s (unknown controller %s)",
					 text, controller);
		if (h->joined)
			return error_set(err, -EINVAL,
					 "invalid --cgroup argument: %s (duplicate controller %s)",
					 text, controller);
		r = aim_at(cg, h, &spec, true, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_aim_exec(struct cgroup *cg, char *const *specs, pid_t init_pid, struct error *err)
{
	size_t count = strv_len(specs);

	if (!count)
		return follow_init(cg, init_pid, err);
	strv_each(spec, specs) {
		int r = aim_spec(cg, spec, count, err);

		if (r < 0)
			return r;
	}
	return 0;
}
