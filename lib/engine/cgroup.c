/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

const char *cgroup_relative(const struct cgroup *cg)
{
	return cg->path + 1;
}

bool cgroup_hierarchy_open(struct cgroup_hierarchy *h)
{
	if (h->root_fd >= 0)
		return true;
	if (h->is_missing)
		return false;
	h->root_fd = cgroupfs_open_mount(&h->mount);
	h->is_missing = h->root_fd < 0;
	return !h->is_missing;
}

struct cgroup_hierarchy *cgroup_v2(const struct cgroup *cg)
{
	cgroup_each(h, cg) if (h->mount.is_v2 && cgroup_hierarchy_open(h)) return h;
	return NULL;
}

struct cgroup_hierarchy *cgroup_v1(const struct cgroup *cg, const char *controller)
{
	cgroup_each(h, cg) if (!h->mount.is_v2 && strv_has(h->mount.options, controller) &&
			       cgroup_hierarchy_open(h)) return h;
	return NULL;
}

struct cgroup_hierarchy *cgroup_main(const struct cgroup *cg)
{
	struct cgroup_hierarchy *h = cgroup_v2(cg);

	if (!h)
		h = cgroup_v1(cg, "freezer");
	if (h)
		return h;
	cgroup_each(any, cg) if (cgroup_hierarchy_open(any)) return any;
	return NULL;
}

struct cgroup_hierarchy *cgroup_find(const struct cgroup *cg, const char *controller)
{
	struct cgroup_hierarchy *h;

	if (cg->layout != CGROUP_LAYOUT_V2)
		return cgroup_v1(cg, controller);
	h = cgroup_v2(cg);
	if (!h || streq(controller, "cgroup"))
		return h;
	if (!h->controllers)
		cgroup_v2_read_controllers(h, cgroup_relative(cg));
	return strv_has(h->controllers, controller) ? h : NULL;
}

static enum cgroup_layout find_layout(const struct cgroup *cg)
{
	bool has_v2 = cgroup_v2(cg);

	if (has_v2 && cg->hierarchies_count == 1)
		return CGROUP_LAYOUT_V2;
	return has_v2 ? CGROUP_LAYOUT_HYBRID : CGROUP_LAYOUT_V1;
}

/* A container's directory that is there already; -1 is no error. */
static void open_v2_dir(struct cgroup *cg)
{
	const struct cgroup_hierarchy *h = cgroup_v2(cg);

	close_fdp(&cg->v2_fd);
	cg->v2_fd = -1;
	if (h)
		cg->v2_fd =
			openat(h->root_fd, cgroup_relative(cg), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct cgroup *cgroup_new(const char *path, struct cgroupfs_mount *mounts, size_t count)
{
	struct cgroup *cg = xcalloc(1, sizeof(*cg));

	cg->v2_fd = -1;
	cg->path = path_clean(path);
	cg->hierarchies = xcalloc(count, sizeof(*cg->hierarchies));
	cg->hierarchies_count = count;
	for (size_t i = 0; i < count; i++) {
		cg->hierarchies[i].mount = mounts[i];
		cg->hierarchies[i].root_fd = -1;
	}
	free(mounts);
	cg->layout = find_layout(cg);
	open_v2_dir(cg);
	return cg;
}

/* "SLICE:PREFIX:NAME", as callers write it who have systemd make the cgroup: what they mean is no
 * directory of that name. */
static bool is_for_systemd(const char *path)
{
	const char *first = strchr(path, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;
	cleanup_free char *slice = xstrndup(path + 1, first ? (size_t)(first - path - 1) : 0);

	return second && !strchr(second + 1, ':') && !strchr(path + 1, '/') &&
	       (!*slice || streq(slice, "-") || str_ends_with(slice, ".slice"));
}

int cgroup_open(const char *path, struct cgroup **ret, struct error *err)
{
	cleanup_free char *clean = path_clean(path);
	struct cgroupfs_mount *mounts;
	size_t count;
	int r;

	if (streq(clean, "/"))
		return error_set(err, -EINVAL, "cgroup: '%s' is not a container's", path);
	if (is_for_systemd(clean))
		return error_set(
			err, -EINVAL,
			"cgroup: linux.cgroupsPath: '%s' names a unit of systemd, and --systemd-cgroup is not given",
			clean + 1);
	r = cgroupfs_find_mounts(&mounts, &count);
	if (r == -ENOENT)
		return error_set(err, r, "cgroup: no hierarchy is mounted on this host");
	if (r < 0)
		return error_sys(err, r, "cgroup: read /proc/self/mountinfo");
	*ret = cgroup_new(clean, mounts, count);
	return 0;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	cgroup_each(h, cg)
	{
		cgroupfs_mount_done(&h->mount);
		close_fdp(&h->root_fd);
		strv_free(h->controllers);
		free(h->joined);
	}
	free(cg->hierarchies);
	close_fdp(&cg->v2_fd);
	free(cg->path);
	free(cg);
}

int cgroup_make_path(int root_fd, const char *path)
{
	cleanup_free char *prefix = xstrdup(path);

	/* Parents are mostly there, and so is nothing else to be asked before. */
	if (mkdirat(root_fd, path, 0755) == 0)
		return 1;
	if (errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	for (char *p = strchr(prefix, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(root_fd, prefix, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdirat(root_fd, path, 0755) == 0)
		return 1;
	return errno == EEXIST ? 0 : -errno;
}

bool cgroup_exists(const struct cgroup *cg)
{
	cgroup_each(h, cg)
	{
		if (cgroup_hierarchy_open(h) &&
		    faccessat(h->root_fd, cgroup_relative(cg), F_OK, 0) == 0)
			return true;
	}
	return false;
}

static int make_in(const struct cgroup *cg, struct cgroup_hierarchy *h)
{
	if (h->mount.is_v2)
		return cgroup_v2_make(h, cg);
	return cgroup_v1_make(h, cgroup_relative(cg));
}

bool cgroup_is_about_rights(int code)
{
	return code == -EPERM || code == -EACCES || code == -EROFS;
}

static int make_all(struct cgroup *cg, bool *ret_is_used, struct error *err)
{
	bool is_any = false;

	*ret_is_used = false;
	cgroup_each(h, cg)
	{
		int r;

		if (!cgroup_hierarchy_open(h))
			continue;
		is_any = true;
		r = make_in(cg, h);
		if (cgroup_is_about_rights(r) && cg->is_lenient) {
			log_debug("cgroup: make '%s' in '%s': %s; left out", cg->path,
				  h->mount.mount_point, strerror(-r));
			h->refusal = r;
			h->is_missing = true;
			close_fdp(&h->root_fd);
			h->root_fd = -1;
			continue;
		}
		if (r < 0)
			return error_sys(err, r, "cgroup: %s '%s' in '%s'",
					 cgroup_is_about_rights(r) ? "no rights to make" : "make",
					 cg->path, h->mount.mount_point);
		*ret_is_used |= !h->is_made;
	}
	return is_any ? 0 : error_set(err, -ENOENT, "cgroup: no hierarchy is mounted on this host");
}

static void unmake(struct cgroup *cg)
{
	cgroup_each(h, cg)
	{
		if (h->is_made)
			(void)cgroupfs_remove(h->root_fd, cgroup_relative(cg)); /* undo */
		h->is_made = false;
	}
}

/* A cgroup that was there before is taken over only when nothing lives in it. */
static int refuse_used(const struct cgroup *cg, struct error *err)
{
	CLEANUP(cgroupfs_pids_done) struct cgroupfs_pids pids = { 0 };

	cgroup_each(h, cg)
	{
		int r;

		if (h->is_made || !cgroup_hierarchy_open(h))
			continue;
		r = cgroupfs_add_pids(h->root_fd, cgroup_relative(cg), &pids);
		if (r < 0)
			return error_sys(err, r, "cgroup: list the processes of '%s' in '%s'",
					 cg->path, h->mount.mount_point);
		/* The same processes are in the other hierarchies. */
		if (pids.count)
			return error_set(err, -EBUSY,
					 "container's cgroup is not empty: %zu process(es) found",
					 pids.count);
	}
	if (cgroup_is_frozen(cg))
		return error_set(err, -EBUSY, "container's cgroup unexpectedly frozen");
	return 0;
}

int cgroup_create(struct cgroup *cg, struct error *err)
{
	bool is_used;
	int r = make_all(cg, &is_used, err);

	if (r == 0 && is_used && !cg->holder)
		r = refuse_used(cg, err);
	if (r < 0) {
		unmake(cg);
		return r;
	}
	open_v2_dir(cg);
	cg->is_new = true;
	return 0;
}
