/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "lib/base/str.h"
#include "lib/engine/cgroup-plan-internal.h"
#include "oci/config.h"

/* Block devices, huge pages, RDMA and network packets. */
enum { WEIGHT_MIN = 10, WEIGHT_MAX = 1000 };

unsigned int cgroup_plan_io_weight(unsigned int weight)
{
	return 1 + (weight - WEIGHT_MIN) * 9999 / (WEIGHT_MAX - WEIGHT_MIN);
}

static void add_else(struct cgroup_knob *knob, const char *file, char *value)
{
	knob->else_file = xstrdup(file);
	knob->else_value = value;
}

/* A weight of 0 is none, since that is what an absent number is for programs that generate
 * configurations. *ret_weight: 0 then. */
static int read_weight(struct planner *p, const struct opt_u32 *opt, const char *config,
		       unsigned int *ret_weight)
{
	unsigned int weight = opt->is_set ? opt->value : 0;

	if (weight && (weight < WEIGHT_MIN || weight > WEIGHT_MAX))
		return planner_refuse(p, config, "is not a number from 10 to 1000");
	*ret_weight = weight;
	return 0;
}

/* Which files there are depends on the I/O scheduler that the kernel was built with: BFQ's take
 * the weights as they are, those of the cost model (v2) or of CFQ (v1) have ranges of their own. */
static int plan_weight(struct planner *p, const struct opt_u32 *opt)
{
	struct cgroup_knob *knob;
	unsigned int weight = 0;
	int r = read_weight(p, opt, "blockIO.weight", &weight);

	if (r < 0 || !weight)
		return r;
	knob = planner_add(p, p->is_v2 ? "io.bfq.weight" : "blkio.weight", xasprintf("%u", weight),
			   "blockIO.weight");
	if (p->is_v2)
		add_else(knob, "io.weight", xasprintf("%u", cgroup_plan_io_weight(weight)));
	else
		add_else(knob, "blkio.bfq.weight", xasprintf("%u", weight));
	return 0;
}

/* The weight against the cgroup's own children; only CFQ, which Linux 5.0 dropped, had it. */
static int plan_leaf_weight(struct planner *p, const struct opt_u32 *opt)
{
	unsigned int weight = 0;
	int r = read_weight(p, opt, "blockIO.leafWeight", &weight);

	if (r == 0 && weight && !p->is_v2)
		planner_add(p, "blkio.leaf_weight", xasprintf("%u", weight), "blockIO.leafWeight");
	return r;
}

static int plan_weight_device(struct planner *p, const struct oci_weight_device *d, size_t index)
{
	cleanup_free char *config = xasprintf("blockIO.weightDevice[%zu].weight", index);
	cleanup_free char *leaf_config = xasprintf("blockIO.weightDevice[%zu].leafWeight", index);
	cleanup_free char *device = xasprintf("%" PRId64 ":%" PRId64, d->major, d->minor);
	unsigned int weight = 0, leaf = 0;
	struct cgroup_knob *knob;
	int r = read_weight(p, &d->weight, config, &weight);

	if (r == 0)
		r = read_weight(p, &d->leaf_weight, leaf_config, &leaf);
	if (r < 0)
		return r;
	if (weight && p->is_v2) {
		knob = planner_add(p, "io.bfq.weight", xasprintf("%s %u", device, weight), config);
		add_else(knob, "io.weight",
			 xasprintf("%s %u", device, cgroup_plan_io_weight(weight)));
	} else if (weight) {
		knob = planner_add(p, "blkio.weight_device", xasprintf("%s %u", device, weight),
				   config);
		add_else(knob, "blkio.bfq.weight_device", xasprintf("%s %u", device, weight));
	}
	if (leaf && !p->is_v2)
		planner_add(p, "blkio.leaf_weight_device", xasprintf("%s %u", device, leaf),
			    leaf_config);
	return 0;
}

/* The four kinds of throttling: their files on v1, their keys in io.max of v2. */
struct throttle {
	const char *config;
	const char *v1_file;
	const char *v2_key;
	const struct oci_throttle_device *devices;
	size_t count;
};

static char *throttle_text(const struct planner *p, const struct throttle *t,
			   const struct oci_throttle_device *d)
{
	if (!p->is_v2)
		return xasprintf("%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->rate);
	/* On v1 a rate of 0 is none. */
	if (!d->rate)
		return xasprintf("%" PRId64 ":%" PRId64 " %s=max", d->major, d->minor, t->v2_key);
	return xasprintf("%" PRId64 ":%" PRId64 " %s=%" PRIu64, d->major, d->minor, t->v2_key,
			 d->rate);
}

static void plan_throttle(struct planner *p, const struct throttle *t)
{
	for (size_t i = 0; i < t->count; i++) {
		cleanup_free char *config = xasprintf("blockIO.%s[%zu]", t->config, i);

		planner_add(p, p->is_v2 ? "io.max" : t->v1_file,
			    throttle_text(p, t, &t->devices[i]), config);
	}
}

static int plan_block_io(struct planner *p, const struct oci_block_io *io)
{
	/* clang-format off */
	const struct throttle throttles[] = {
		{ "throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps",
		  io->read_bps, io->read_bps_count },
		{ "throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps",
		  io->write_bps, io->write_bps_count },
		{ "throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops",
		  io->read_iops, io->read_iops_count },
		{ "throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops",
		  io->write_iops, io->write_iops_count },
	};
	/* clang-format on */
	int r = plan_weight(p, &io->weight);

	if (r == 0)
		r = plan_leaf_weight(p, &io->leaf_weight);
	for (size_t i = 0; r == 0 && i < io->weight_devices_count; i++)
		r = plan_weight_device(p, &io->weight_devices[i], i);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(throttles); i++)
		plan_throttle(p, &throttles[i]);
	return r;
}

/* "2MB", "1GB", "64KB": it becomes a part of a file's name. */
static bool is_page_size(const char *s)
{
	size_t digits = s ? strspn(s, "0123456789") : 0;

	return digits && strchr("KMG", s[digits]) && s[digits] && streq(s + digits + 1, "B");
}

static int plan_hugepages(struct planner *p, const struct oci_hugepage_limit *limit, size_t index)
{
	cleanup_free char *config = xasprintf("hugepageLimits[%zu]", index);
	const char *suffix = p->is_v2 ? "max" : "limit_in_bytes";
	cleanup_free char *file = NULL;
	cleanup_free char *reserved = NULL;

	if (!is_page_size(limit->page_size))
		return planner_refuse(p, config, "pageSize is not a size like 2MB");
	file = xasprintf("hugetlb.%s.%s", limit->page_size, suffix);
	reserved = xasprintf("hugetlb.%s.rsvd.%s", limit->page_size, suffix);
	planner_add(p, file, xasprintf("%" PRIu64, limit->limit), config);
	/* Since Linux 5.7; without it a process beyond the limit gets SIGBUS when it uses the
	 * page, instead of an error when it asks for it. */
	planner_add(p, reserved, xasprintf("%" PRIu64, limit->limit), config)->is_optional = true;
	return 0;
}

static int plan_rdma(struct planner *p, const struct oci_rdma *rdma)
{
	cleanup_free char *config = xasprintf("rdma[\"%s\"]", rdma->device);
	struct strbuf value = STRBUF_INIT;

	if (!rdma->hca_handles.is_set && !rdma->hca_objects.is_set)
		return planner_refuse(p, config, "neither hcaHandles nor hcaObjects is given");
	strbuf_addstr(&value, rdma->device);
	if (rdma->hca_handles.is_set)
		strbuf_addf(&value, " hca_handle=%" PRIu32, rdma->hca_handles.value);
	if (rdma->hca_objects.is_set)
		strbuf_addf(&value, " hca_object=%" PRIu32, rdma->hca_objects.value);
	planner_add(p, "rdma.max", strbuf_steal(&value), config);
	return 0;
}

/* v2 has no such controllers; eBPF and netfilter took over. Peers ignore them there. */
static void plan_network(struct planner *p, const struct oci_network *network)
{
	if (p->is_v2)
		return;
	if (network->class_id.is_set && network->class_id.value)
		planner_add(p, "net_cls.classid", xasprintf("%" PRIu32, network->class_id.value),
			    "network.classID");
	for (size_t i = 0; i < network->priorities_count; i++) {
		const struct oci_interface_priority *priority = &network->priorities[i];
		cleanup_free char *config = xasprintf("network.priorities[%zu]", i);

		planner_add(p, "net_prio.ifpriomap",
			    xasprintf("%s %" PRIu32, priority->name, priority->priority), config);
	}
}

int cgroup_plan_devices_io(struct planner *p, const struct oci_resources *resources)
{
	int r = plan_block_io(p, &resources->block_io);

	for (size_t i = 0; r == 0 && i < resources->hugepages_count; i++)
		r = plan_hugepages(p, &resources->hugepages[i], i);
	for (size_t i = 0; r == 0 && i < resources->rdma_count; i++)
		r = plan_rdma(p, &resources->rdma[i]);
	if (r == 0)
		plan_network(p, &resources->network);
	return r;
}
