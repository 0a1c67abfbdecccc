/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

/* freezer.state cannot be waited for (no poll), and reading it is what moves it on from FREEZING
 * to FROZEN (freezer-subsystem.txt); so it is read with growing pauses. */
#define FREEZER_PAUSE_MAX_MS 20
#define FREEZER_TRIES 16

static bool is_blank(const char *s)
{
	return s[strspn(s, " \n")] == '\0';
}

/* A cpuset without processors or memory nodes takes no process in, and a new one has none, unless
 * its parent has cgroup.clone_children set. @is_new: whatever it has came from the parent, so it
 * need not be looked at. */
static int inherit(int root_fd, const char *parent, const char *child, const char *file,
		   bool is_new)
{
	cleanup_free char *value = NULL;
	int r;

	if (!is_new) {
		r = cgroupfs_read(root_fd, child, file, &value);
		if (r < 0 || !is_blank(value))
			return r;
		free(steal_ptr(&value));
	}
	r = cgroupfs_read(root_fd, parent, file, &value);
	if (r < 0)
		return r;
	return is_blank(value) ? -ENODATA : cgroupfs_write(root_fd, child, file, value);
}

static int inherit_cpuset(int root_fd, const char *parent, const char *child, bool is_new)
{
	int r = inherit(root_fd, parent, child, "cpuset.cpus", is_new);

	return r < 0 ? r : inherit(root_fd, parent, child, "cpuset.mems", is_new);
}

/* From the root down, each one from its parent. */
static int fill_cpusets(int root_fd, const char *path)
{
	cleanup_free char *parent = xstrdup("");
	size_t len = 0;
	int r = 0;

	while (r == 0 && path[len]) {
		char *child;

		len += strspn(path + len, "/");
		len += strcspn(path + len, "/");
		child = xstrndup(path, len);
		r = inherit_cpuset(root_fd, parent, child, false);
		free(parent);
		parent = child;
	}
	return r;
}

static int fill_new_cpuset(int root_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	int r = inherit_cpuset(root_fd, parent, path, true);

	return r == -ENODATA ? fill_cpusets(root_fd, path) : r;
}

int cgroup_v1_make(struct cgroup_hierarchy *h, const char *path)
{
	int r = cgroup_make_path(h->root_fd, path);

	if (r < 0)
		return r;
	h->is_made = r;
	if (!strv_has(h->mount.options, "cpuset"))
		return 0;
	return h->is_made ? fill_new_cpuset(h->root_fd, path) : fill_cpusets(h->root_fd, path);
}

int cgroup_v1_set_frozen(const struct cgroup_hierarchy *h, const char *path, bool frozen)
{
	return cgroupfs_write(h->root_fd, path, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

bool cgroup_v1_is_frozen(const struct cgroup_hierarchy *h, const char *path)
{
	cleanup_free char *state = NULL;

	/* FREEZING counts: it will not run on until somebody thaws it. */
	return cgroupfs_read(h->root_fd, path, "freezer.state", &state) == 0 &&
	       !streq(state, "THAWED");
}

static bool is_in_state(const struct cgroup_hierarchy *h, const char *path, const char *wanted)
{
	cleanup_free char *state = NULL;

	return cgroupfs_read(h->root_fd, path, "freezer.state", &state) == 0 &&
	       streq(state, wanted);
}

int cgroup_v1_freeze(const struct cgroup_hierarchy *h, const char *path, bool frozen,
		     long long deadline_ms)
{
	int pause = 1;
	int r;

	for (int tries = 1;; tries++) {
		/* One that waits in the kernel for another, which is frozen already (vfork(2)),
		 * keeps the whole at FREEZING. Going on for a moment gets it out of there. */
		if (frozen && tries % FREEZER_TRIES == 0)
			(void)cgroup_v1_set_frozen(h, path, false); /* the next write tells */
		/* Written again each time: it reaches processes that were forked meanwhile. */
		r = cgroup_v1_set_frozen(h, path, frozen);
		if (r < 0 || is_in_state(h, path, frozen ? "FROZEN" : "THAWED"))
			return r;
		if (now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, pause); /* EINTR: read earlier */
		pause = pause * 2 > FREEZER_PAUSE_MAX_MS ? FREEZER_PAUSE_MAX_MS : pause * 2;
	}
}
