/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-devices.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-plan.h"
#include "lib/linux/cgroup-bpf.h"
#include "oci/config.h"

static bool read_number(const struct cgroup *cg, const struct cgroup_hierarchy *h, const char *file,
			uint64_t *ret)
{
	cleanup_free char *text = NULL;

	return cgroupfs_read(h->root_fd, cgroup_relative(cg), file, &text) == 0 &&
	       parse_u64(text, ret) == 0;
}

static int check_limit(const struct opt_i64 *limit, uint64_t usage, const char *config,
		       struct error *err)
{
	if (!limit->is_set || limit->value <= 0 || usage <= (uint64_t)limit->value)
		return 0;
	return error_set(err, -EBUSY,
			 "cgroup: linux.resources.memory.%s: %" PRId64 " is less than the %" PRIu64
			 " in use (checkBeforeUpdate)",
			 config, limit->value, usage);
}

/* memory.checkBeforeUpdate: to get below a lower limit the kernel would kill. */
static int check_usage(const struct cgroup *cg, const struct oci_memory *m, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, "memory");
	uint64_t usage, swap;
	int r;

	if (!h || !m->check_before_update.is_set || !m->check_before_update.value ||
	    !read_number(cg, h, h->mount.is_v2 ? "memory.current" : "memory.usage_in_bytes",
			 &usage))
		return 0;
	r = check_limit(&m->limit, usage, "limit", err);
	if (r < 0)
		return r;
	if (!h->mount.is_v2)
		return read_number(cg, h, "memory.memsw.usage_in_bytes", &swap)
			       ? check_limit(&m->swap, swap, "swap", err)
			       : 0;
	return read_number(cg, h, "memory.swap.current", &swap)
		       ? check_limit(&m->swap, usage + swap, "swap", err)
		       : 0;
}

static int apply_limits(struct cgroup *cg, const struct oci_resources *resources, struct error *err)
{
	cleanup_cgroup_plan struct cgroup_plan plan = { NULL, 0 };
	int r = cgroup_plan_resources(cg->layout, resources, &plan, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.count; i++)
		cg->is_limited |= !plan.knobs[i].is_optional;
	r = check_usage(cg, &resources->memory, err);
	return r < 0 ? r : cgroup_write_plan(cg, &plan, err);
}

/* On a new cgroup everything is set; later only what differs, so that no device is denied for a
 * moment which is allowed before and after. */
static int filter_lines(const struct cgroup *cg, const struct device_rule *rules, size_t count,
			struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_v1(cg, "devices");
	cleanup_cgroup_plan struct cgroup_plan plan = { NULL, 0 };
	cleanup_free char *present = NULL;
	int r = h->is_made
			? 0
			: cgroupfs_read(h->root_fd, cgroup_relative(cg), "devices.list", &present);

	if (r < 0)
		return error_sys(err, r, "cgroup: read 'devices.list'");
	r = cgroup_devices_lines(rules, count, present, &plan, err);
	return r < 0 ? r : cgroup_write_plan(cg, &plan, err);
}

/* One that was loaded before. */
static struct {
	struct bpf_insn *insns;
	size_t count;
	int fd;
} kept = { .fd = -1 };

static int load_filter(const struct bpf_insn *insns, size_t count)
{
	int fd;

	if (kept.fd < 0 || kept.count != count ||
	    memcmp(kept.insns, insns, count * sizeof(*insns)) != 0)
		return cgroup_bpf_load(insns, count);
	fd = fcntl(kept.fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

void cgroup_keep_filter(const struct cgroup *cg, const struct oci_resources *resources)
{
	cleanup_free struct device_rule *rules = NULL;
	size_t count;

	if (kept.fd >= 0 || cg->v2_fd < 0 || cgroup_v1(cg, "devices") ||
	    cgroup_devices_rules(resources, &rules, &count, NULL) < 0)
		return;
	kept.fd = cgroup_bpf_open(cg->v2_fd);
	if (kept.fd >= 0)
		kept.count = cgroup_devices_program(rules, count, &kept.insns);
}

static int filter_program(const struct cgroup *cg, const struct device_rule *rules, size_t count,
			  struct error *err)
{
	cleanup_free struct bpf_insn *insns = NULL;
	size_t insns_count = cgroup_devices_program(rules, count, &insns);
	cleanup_fd int fd = load_filter(insns, insns_count);
	int r;

	if (fd < 0)
		return error_sys(err, fd, "cgroup: load the device filter (CONFIG_CGROUP_BPF)");
	/* A scope's has systemd's own program, which is there to stay. */
	r = cgroup_bpf_attach(cg->v2_fd, fd, !cgroup_v2(cg)->is_made && !cg->holder);
	return r < 0 ? error_sys(err, r, "cgroup: attach the device filter") : 0;
}

/* Who may not filter, in a user namespace or without rights over cgroups, may neither make device
 * nodes nor use those that the host's permissions do not give. */
static bool may_be_without_filter(const struct cgroup *cg)
{
	cleanup_free char *map = NULL;

	if (cg->is_lenient)
		return true;
	if (read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL) < 0)
		return false;
	/* The first user namespace has every id, and nobody can give all of them to another. */
	return !str_ends_with(map, " 4294967295\n");
}

/* v1's controller where there is one; the v2 hierarchy of a hybrid host takes programs too. */
static int apply_devices(const struct cgroup *cg, const struct oci_resources *resources,
			 struct error *err)
{
	cleanup_free struct device_rule *rules = NULL;
	struct error reason = ERROR_INIT;
	size_t count;
	int r = cgroup_devices_rules(resources, &rules, &count, err);

	if (r < 0)
		return r;
	if (cgroup_v1(cg, "devices"))
		r = filter_lines(cg, rules, count, &reason);
	else if (cg->v2_fd >= 0)
		r = filter_program(cg, rules, count, &reason);
	else
		r = error_set(
			&reason, -EOPNOTSUPP,
			"cgroup: controller 'devices' is not available on this host: linux.resources.devices");
	if ((r == -EPERM || r == -EACCES || (r == -EOPNOTSUPP && cg->is_lenient)) &&
	    may_be_without_filter(cg)) {
		log_debug("%s: ignored without rights over cgroups", reason.msg);
		return 0;
	}
	return r < 0 ? error_set(err, r, "%s", reason.msg) : 0;
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

/* What is missing in an update means "as it is", which v2 has to be told where one file holds two
 * of the configuration's numbers, or the configuration's is the sum of two. */
static void complete(const struct cgroup *cg, struct oci_resources *resources)
{
	const struct cgroup_hierarchy *h = cgroup_v2(cg);
	struct oci_cpu *cpu = &resources->cpu;
	struct oci_memory *m = &resources->memory;
	cleanup_free char *max = NULL;
	uint64_t limit;

	if (!(m->limit.is_set && m->limit.value) && m->swap.is_set && m->swap.value > 0 &&
	    read_number(cg, h, "memory.max", &limit) && limit <= INT64_MAX)
		m->limit = (struct opt_i64){ (int64_t)limit, true };
	if ((cpu->quota.is_set && cpu->quota.value) || !cpu->period.is_set || !cpu->period.value ||
	    cgroupfs_read(h->root_fd, cgroup_relative(cg), "cpu.max", &max) < 0)
		return;
	max[strcspn(max, " ")] = '\0';
	cpu->quota.is_set = parse_i64(max, &cpu->quota.value) == 0;
}

int cgroup_update(struct cgroup *cg, const struct oci_resources *resources, struct error *err)
{
	struct oci_resources completed = *resources;
	int r;

	if (!cgroup_exists(cg))
		return error_set(err, -ENOENT, "cgroup: '%s' does not exist", cg->path);
	if (cg->layout == CGROUP_LAYOUT_V2)
		complete(cg, &completed);
	r = apply_limits(cg, &completed, err);
	return r < 0 || !resources->devices_count ? r : apply_devices(cg, resources, err);
}
