/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-plan.h"

/* The file written last stays open: devices.allow takes a dozen lines, one a write. */
struct writer {
	const struct cgroup *cg;
	const char *file;
	int fd;
};

static void writer_done(struct writer *w)
{
	close_fdp(&w->fd);
}

static int open_knob(struct writer *w, const struct cgroup_hierarchy *h, const char *file)
{
	cleanup_free char *path = NULL;

	if (w->file && streq(w->file, file))
		return 0;
	close_fdp(&w->fd);
	w->file = NULL;
	path = xasprintf("%s/%s", cgroup_relative(w->cg), file);
	w->fd = openat(h->root_fd, path, O_WRONLY | O_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	w->file = file;
	return 0;
}

/* The nearest ancestor of ours in which v2's @controller does exist, as a prefix of our path; NULL:
 * not even in the root. */
static char *last_with_controller(const struct cgroup *cg, const struct cgroup_hierarchy *h,
				  const char *controller)
{
	cleanup_free char *prefix = xstrdup(cgroup_relative(cg));

	for (;;) {
		char *slash = strrchr(prefix, '/');
		cleanup_free char *text = NULL;
		cleanup_strv char **controllers = NULL;

		*(slash ? slash : prefix) = '\0';
		if (cgroupfs_read(h->root_fd, prefix, "cgroup.controllers", &text) == 0)
			controllers = strv_split(text, ' ');
		if (strv_has(controllers, controller))
			return steal_ptr(&prefix);
		if (!*prefix)
			return NULL;
	}
}

static bool has_processes(const struct cgroup_hierarchy *h, const char *path)
{
	cleanup_free char *procs = NULL;

	return cgroupfs_read(h->root_fd, path, "cgroup.procs", &procs) == 0 && *procs;
}

/* A hierarchy in which a lenient caller may make nothing is no place for a limit. */
static const struct cgroup_hierarchy *find_refusal(const struct cgroup *cg, const char *controller)
{
	cgroup_each(h, cg)
	{
		if (h->refusal && (h->mount.is_v2 ? cg->layout == CGROUP_LAYOUT_V2
						  : strv_has(h->mount.options, controller)))
			return h;
	}
	return NULL;
}

static int no_controller(const struct cgroup *cg, const struct cgroup_knob *knob, struct error *err)
{
	const struct cgroup_hierarchy *refusal = find_refusal(cg, knob->controller);
	const struct cgroup_hierarchy *h = cgroup_v2(cg);
	cleanup_free char *ancestor = NULL;

	if (refusal)
		return error_sys(err, refusal->refusal,
				 "cgroup: no rights to make '%s' in '%s' (%s)", cg->path,
				 refusal->mount.mount_point, knob->config);
	if (h && cg->layout == CGROUP_LAYOUT_V2)
		ancestor = last_with_controller(cg, h, knob->controller);
	if (!ancestor)
		return error_set(err, -EOPNOTSUPP,
				 "cgroup: controller '%s' is not available on this host: %s",
				 knob->controller, knob->config);
	/* cgroup-v2.rst, "No Internal Process Constraint" */
	return error_set(err, -EOPNOTSUPP,
			 "cgroup: controller '%s' cannot be enabled for what is in '/%s'%s: %s",
			 knob->controller, ancestor,
			 has_processes(h, ancestor) ? ", which has processes itself" : "",
			 knob->config);
}

static char *parents_value(const struct cgroup *cg, const struct cgroup_hierarchy *h,
			   const char *file)
{
	cleanup_free char *effective = xasprintf("%s.effective", file);
	const char *path = cgroup_relative(cg);
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	char *value = NULL;

	(void)cgroupfs_read(h->root_fd, parent, h->mount.is_v2 ? effective : file, &value);
	return value;
}

static int refused_cpuset(const struct cgroup *cg, const struct cgroup_hierarchy *h,
			  const struct cgroup_knob *knob, int r, struct error *err)
{
	cleanup_free char *parents = parents_value(cg, h, knob->file);

	return error_set(err, r, "cgroup: write '%s' to '%s' (%s): %s: its parent has '%s'",
			 knob->value, knob->file, knob->config, strerror(-r),
			 parents ? parents : "");
}

static int refused_memory(const struct cgroup *cg, const struct cgroup_hierarchy *h,
			  const struct cgroup_knob *knob, int r, struct error *err)
{
	cleanup_free char *usage = NULL;
	cleanup_free char *peak = NULL;

	(void)cgroupfs_read(h->root_fd, cgroup_relative(cg), "memory.usage_in_bytes", &usage);
	(void)cgroupfs_read(h->root_fd, cgroup_relative(cg), "memory.max_usage_in_bytes", &peak);
	return error_set(
		err, r,
		"cgroup: unable to set memory limit to %s (current usage: %s, peak usage: %s): %s",
		knob->value, usage ? usage : "unknown", peak ? peak : "unknown", knob->config);
}

/* What the kernel's number does not tell. */
static const struct cure {
	const char *file;
	int code;
	const char *text;
} cures[] = {
	{ "cpu.cfs_period_us", -EINVAL, "microseconds from 1000 to 1000000" },
	{ "cpu.cfs_quota_us", -EINVAL, "microseconds, at least 1000, and no more than its parent" },
	{ "cpu.cfs_burst_us", -EINVAL, "at most the quota" },
	{ "cpu.max", -EINVAL, "microseconds: a quota of at least 1000, a period to 1000000" },
	{ "cpu.max.burst", -EINVAL, "at most the quota" },
	{ "cpu.rt_runtime_us", -EINVAL, "its parent has no such real-time runtime to give" },
	{ "memory.limit_in_bytes", -EINVAL, "memory.memsw.limit_in_bytes would be less" },
	{ "memory.memsw.limit_in_bytes", -EINVAL, "memory.limit_in_bytes would be more" },
	{ "blkio.leaf_weight", -EOPNOTSUPP, "this host's I/O scheduler has no weights" },
	{ "io.max", -ENODEV, "no such block device" },
};

static const char *find_cure(const char *file, int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(cures); i++)
		if (code == cures[i].code && streq(file, cures[i].file))
			return cures[i].text;
	if (code == -ENODEV && str_after(file, "blkio.throttle."))
		return "no such block device";
	return NULL;
}

static int refused(const struct cgroup *cg, const struct cgroup_hierarchy *h,
		   const struct cgroup_knob *knob, int r, struct error *err)
{
	const char *cure = find_cure(knob->file, r);

	if (str_after(knob->file, "cpuset.") && (r == -EINVAL || r == -ERANGE || r == -EACCES))
		return refused_cpuset(cg, h, knob, r, err);
	if (streq(knob->file, "memory.limit_in_bytes") && r == -EBUSY)
		return refused_memory(cg, h, knob, r, err);
	return error_set(err, r, "cgroup: write '%s' to '%s' (%s): %s%s%s", knob->value, knob->file,
			 knob->config, strerror(-r), cure ? ": " : "", cure ? cure : "");
}

static int write_file(struct writer *w, const struct cgroup_hierarchy *h, const char *file,
		      const char *value)
{
	int r = open_knob(w, h, file);

	return r < 0 ? r : write_all(w->fd, value, strlen(value));
}

/* systemd enables the controllers that units ask for, and none besides: those that are asked for
 * here may still be missing. */
static const struct cgroup_hierarchy *find_or_enable(const struct cgroup *cg,
						     const struct cgroup_knob *knob)
{
	struct cgroup_hierarchy *h = cgroup_find(cg, knob->controller);

	if (h || knob->is_optional || cg->layout != CGROUP_LAYOUT_V2)
		return h;
	h = cgroup_v2(cg);
	if (!h)
		return NULL;
	cgroup_v2_enable(h, cgroup_relative(cg), knob->controller);
	return cgroup_find(cg, knob->controller);
}

static int write_knob(struct writer *w, const struct cgroup_knob *knob, struct error *err)
{
	const struct cgroup_hierarchy *h = find_or_enable(w->cg, knob);
	int r;

	if (!h)
		return knob->is_optional ? 0 : no_controller(w->cg, knob, err);
	r = write_file(w, h, knob->file, knob->value);
	if (r == -ENOENT && knob->else_file)
		r = write_file(w, h, knob->else_file, knob->else_value);
	if (r == -ENOENT && knob->is_optional)
		return 0;
	if (r == -ENOENT)
		return error_set(err, -EOPNOTSUPP, "cgroup: this kernel has no '%s': %s",
				 knob->file, knob->config);
	return r < 0 ? refused(w->cg, h, knob, r, err) : 0;
}

/* *ret_waits: the kernel does not take it before some other one. */
static int write_or_wait(struct writer *w, const struct cgroup_knob *knob, bool *ret_waits,
			 struct error *err)
{
	struct error reason = ERROR_INIT;
	int r = write_knob(w, knob, &reason);

	*ret_waits = r == -EINVAL && knob->may_wait;
	return r < 0 && !*ret_waits ? error_set(err, r, "%s", reason.msg) : 0;
}

/* Again and again, until nothing moves any more. */
static int write_waiting(struct writer *w, const struct cgroup_knob **waiting, size_t count,
			 struct error *err)
{
	while (count) {
		size_t left = 0;

		for (size_t i = 0; i < count; i++) {
			bool waits;
			int r = write_or_wait(w, waiting[i], &waits, err);

			if (r < 0)
				return r;
			if (waits)
				waiting[left++] = waiting[i];
		}
		if (left == count)
			return write_knob(w, waiting[0], err);
		count = left;
	}
	return 0;
}

int cgroup_write_plan(const struct cgroup *cg, const struct cgroup_plan *plan, struct error *err)
{
	CLEANUP(writer_done) struct writer w = { .cg = cg, .fd = -1 };
	cleanup_free const struct cgroup_knob **waiting = xcalloc(plan->count, sizeof(*waiting));
	size_t waiting_count = 0;

	for (size_t i = 0; i < plan->count; i++) {
		bool waits;
		int r = write_or_wait(&w, &plan->knobs[i], &waits, err);

		if (r < 0)
			return r;
		if (waits)
			waiting[waiting_count++] = &plan->knobs[i];
	}
	return write_waiting(&w, waiting, waiting_count, err);
}
