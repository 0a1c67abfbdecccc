/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-devices.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-plan.h"
#include "lib/linux/cgroup-bpf.h"
#include "oci/config.h"

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

static int no_controller(const struct cgroup_knob *knob, struct error *err)
{
	return error_set(err, -EOPNOTSUPP,
			 "cgroup: controller '%s' is not available on this host: %s",
			 knob->controller, knob->config);
}

static int write_knob(struct writer *w, const struct cgroup_knob *knob, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_find(w->cg, knob->controller);
	int r;

	if (!h)
		return knob->is_optional ? 0 : no_controller(knob, err);
	r = open_knob(w, h, knob->file);
	if (r == 0)
		r = write_all(w->fd, knob->value, strlen(knob->value));
	if (r == -ENOENT && knob->is_optional)
		return 0;
	if (r == -ENOENT)
		return error_set(err, -EOPNOTSUPP, "cgroup: this kernel has no '%s': %s",
				 knob->file, knob->config);
	if (r < 0)
		return error_sys(err, r, "cgroup: write '%s' to '%s' (%s)", knob->value, knob->file,
				 knob->config);
	return 0;
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

static int write_plan(const struct cgroup *cg, const struct cgroup_plan *plan, struct error *err)
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

/* memory.checkBeforeUpdate: the kernel would kill to get below a lower limit. */
static int check_usage(const struct cgroup *cg, const struct oci_memory *m, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, "memory");
	cleanup_free char *text = NULL;
	uint64_t usage;

	if (!h || !m->check_before_update.is_set || !m->check_before_update.value ||
	    !m->limit.is_set || m->limit.value <= 0)
		return 0;
	if (cgroupfs_read(h->root_fd, cgroup_relative(cg),
			  h->mount.is_v2 ? "memory.current" : "memory.usage_in_bytes", &text) < 0 ||
	    parse_u64(text, &usage) < 0 || usage <= (uint64_t)m->limit.value)
		return 0;
	return error_set(err, -EBUSY,
			 "cgroup: linux.resources.memory.limit: %" PRId64
			 " is less than the %" PRIu64 " in use",
			 m->limit.value, usage);
}

static int apply_limits(const struct cgroup *cg, const struct oci_resources *resources,
			struct error *err)
{
	cleanup_cgroup_plan struct cgroup_plan plan = { NULL, 0 };
	int r = cgroup_plan_resources(cg->layout, resources, &plan, err);

	if (r < 0)
		return r;
	if (!cg->is_new) {
		r = check_usage(cg, &resources->memory, err);
		if (r < 0)
			return r;
	}
	return write_plan(cg, &plan, err);
}

static int filter_lines(const struct cgroup *cg, const struct device_rule *rules, size_t count,
			struct error *err)
{
	cleanup_cgroup_plan struct cgroup_plan plan = { NULL, 0 };
	int r = cgroup_devices_lines(rules, count, &plan, err);

	return r < 0 ? r : write_plan(cg, &plan, err);
}

static int filter_program(const struct cgroup *cg, const struct device_rule *rules, size_t count,
			  struct error *err)
{
	cleanup_free struct bpf_insn *insns = NULL;
	size_t insns_count = cgroup_devices_program(rules, count, &insns);
	cleanup_fd int fd = cgroup_bpf_load(insns, insns_count);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "cgroup: load the device filter (CONFIG_CGROUP_BPF)");
	r = cgroup_bpf_attach(cg->v2_fd, fd, !cgroup_v2(cg)->is_made);
	return r < 0 ? error_sys(err, r, "cgroup: attach the device filter") : 0;
}

static bool is_in_user_namespace(void)
{
	cleanup_free char *map = NULL;

	if (read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL) < 0)
		return false;
	/* The first one has every id, and nobody can give all of them to another. */
	return !str_ends_with(map, " 4294967295\n");
}

/* v1's controller where there is one; the v2 hierarchy of a hybrid host takes programs too. */
static int apply_devices(const struct cgroup *cg, const struct oci_resources *resources,
			 struct error *err)
{
	cleanup_free struct device_rule *rules = NULL;
	size_t count;
	int r = cgroup_devices_rules(resources, &rules, &count, err);

	if (r < 0)
		return r;
	if (cgroup_v1(cg, "devices"))
		r = filter_lines(cg, rules, count, err);
	else if (cg->v2_fd >= 0)
		r = filter_program(cg, rules, count, err);
	else
		r = error_set(
			err, -EOPNOTSUPP,
			"cgroup: controller 'devices' is not available on this host: linux.resources.devices");
	/* The owner of a user namespace may not filter, but neither make device nodes nor use those
	 * that the host's permissions do not give. */
	if ((r == -EPERM || r == -EACCES) && is_in_user_namespace()) {
		log_debug("cgroup: devices are not filtered in a user namespace");
		return 0;
	}
	return r;
}

int cgroup_apply(struct cgroup *cg, const struct oci_resources *resources, struct error *err)
{
	int r = resources ? apply_limits(cg, resources, err) : 0;

	if (r < 0 || !cg->is_new || cg->keeps_devices)
		return r;
	r = apply_devices(cg, resources, err);
	if (r == 0)
		cg->keeps_devices = true;
	return r;
}
