/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

#include <stdio.h>

#include "oci/config.h"

/* The rules of linux.resources, which is a document of its own, too (update). */

/* "memory.limit" becomes "linux.resources.memory.limit". */
#define AT(c, fmt, ...) checker_at(c, "%s" fmt, (c)->resources_prefix, ##__VA_ARGS__)

/* -1 stands for every number in a device rule, as absent does. */
static int check_rule_number(struct checker *c, size_t i, const char *key,
			     const struct opt_i64 *number, int64_t max)
{
	if (!number->is_set || (number->value >= -1 && number->value <= max))
		return 0;
	return checker_refuse_number(AT(c, "devices[%zu].%s", i, key), "not a device number",
				     number->value);
}

static int check_device_rule(struct checker *c, size_t i, const struct oci_device_rule *rule)
{
	int r;

	if (rule->type && (!strchr("acb", rule->type[0]) || rule->type[1]))
		return checker_refuse(AT(c, "devices[%zu].type", i), "not one of a, c, b",
				      rule->type);
	if (rule->access && rule->access[strspn(rule->access, "rwm")])
		return checker_refuse(AT(c, "devices[%zu].access", i),
				      "has letters other than r, w, m", rule->access);
	r = check_rule_number(c, i, "major", &rule->major, DEVICE_MAJOR_MAX);
	if (r < 0)
		return r;
	return check_rule_number(c, i, "minor", &rule->minor, DEVICE_MINOR_MAX);
}

static int check_device_rules(struct checker *c)
{
	for (size_t i = 0; i < c->resources->devices_count; i++) {
		int r = check_device_rule(c, i, &c->resources->devices[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_memory(struct checker *c)
{
	const struct oci_memory *m = &c->resources->memory;
	const struct {
		const char *key;
		const struct opt_i64 *bytes;
	} limits[] = {
		{ "limit", &m->limit },	  { "reservation", &m->reservation }, { "swap", &m->swap },
		{ "kernel", &m->kernel }, { "kernelTCP", &m->kernel_tcp },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].bytes->value < -1)
			return checker_refuse_number(AT(c, "memory.%s", limits[i].key),
						     "must be -1 (unlimited) or more",
						     limits[i].bytes->value);
	if (m->swap.value > 0 && m->limit.value > m->swap.value)
		return checker_refuse_number(AT(c, "memory.swap"),
					     "memory+swap limit should be >= memory limit",
					     m->swap.value);
	if (m->swappiness.value > 100)
		return checker_refuse_number(AT(c, "memory.swappiness"), "must be from 0 to 100",
					     (long long)m->swappiness.value);
	return 0;
}

/* What the kernel accepts (Documentation/scheduler/sched-bwc.rst); 0 and a negative quota mean
 * that nothing is set. */
#define CPU_PERIOD_MIN_US 1000
#define CPU_PERIOD_MAX_US 1000000

static int check_cpu_times(struct checker *c)
{
	const struct oci_cpu *cpu = &c->resources->cpu;

	if (cpu->period.value &&
	    (cpu->period.value < CPU_PERIOD_MIN_US || cpu->period.value > CPU_PERIOD_MAX_US))
		return checker_refuse_number(AT(c, "cpu.period"),
					     "must be from 1000 to 1000000 microseconds",
					     (long long)cpu->period.value);
	if (cpu->quota.value > 0 && cpu->quota.value < CPU_PERIOD_MIN_US)
		return checker_refuse_number(AT(c, "cpu.quota"),
					     "must be 1000 microseconds or more", cpu->quota.value);
	if (cpu->quota.value > 0 && cpu->burst.value > (uint64_t)cpu->quota.value)
		return checker_refuse_number(AT(c, "cpu.burst"), "must not be more than the quota",
					     (long long)cpu->burst.value);
	if (cpu->idle.value < 0 || cpu->idle.value > 1)
		return checker_refuse_number(AT(c, "cpu.idle"), "must be 0 or 1", cpu->idle.value);
	return 0;
}

static int check_cpuset(struct checker *c, const char *key, const char *list)
{
	/* What lists are made of (the kernel's bitmap_parselist(), which has the last word). */
	if (!list || !list[strspn(list, "0123456789,-:/Nal \n")])
		return 0;
	return checker_refuse(AT(c, "cpu.%s", key), "not a list of numbers", list);
}

static int check_cpu(struct checker *c)
{
	int r = check_cpu_times(c);

	if (r == 0)
		r = check_cpuset(c, "cpus", c->resources->cpu.cpus);
	if (r == 0)
		r = check_cpuset(c, "mems", c->resources->cpu.mems);
	return r;
}

static int check_pids(struct checker *c)
{
	int64_t limit = c->resources->pids.limit.value;

	if (limit < -1)
		return checker_refuse_number(AT(c, "pids.limit"), "must be -1 (unlimited) or more",
					     limit);
	return 0;
}

/* A disk in the lists of blockIO; c->path names the entry. */
static int check_disk(struct checker *c, int64_t major, int64_t minor)
{
	if (major < 0 || major > DEVICE_MAJOR_MAX)
		return checker_refuse_number(checker_down(c, ".major"), "not a device number",
					     major);
	if (minor < 0 || minor > DEVICE_MINOR_MAX)
		return checker_refuse_number(checker_down(c, ".minor"), "not a device number",
					     minor);
	return 0;
}

/* cgroup-v1/blkio-controller.rst; 0 is what Docker writes for "none". */
static int check_weight(struct checker *c, const char *key, const struct opt_u32 *weight)
{
	if (!weight->value || (weight->value >= 10 && weight->value <= 1000))
		return 0;
	return checker_refuse_number(checker_down(c, key), "must be from 10 to 1000",
				     weight->value);
}

static int check_weight_device(struct checker *c, size_t i, const struct oci_weight_device *device)
{
	int r;

	AT(c, "blockIO.weightDevice[%zu]", i);
	if (!device->weight.is_set && !device->leaf_weight.is_set)
		return checker_refuse(c, "needs weight or leafWeight", NULL);
	r = check_disk(c, device->major, device->minor);
	if (r == 0)
		r = check_weight(c, ".weight", &device->weight);
	if (r == 0)
		r = check_weight(c, ".leafWeight", &device->leaf_weight);
	return r;
}

static int check_weights(struct checker *c)
{
	const struct oci_block_io *io = &c->resources->block_io;
	int r;

	AT(c, "blockIO");
	r = check_weight(c, ".weight", &io->weight);
	if (r == 0)
		r = check_weight(c, ".leafWeight", &io->leaf_weight);
	for (size_t i = 0; r == 0 && i < io->weight_devices_count; i++)
		r = check_weight_device(c, i, &io->weight_devices[i]);
	return r;
}

static int check_throttles(struct checker *c)
{
	const struct oci_block_io *io = &c->resources->block_io;
	const struct {
		const char *key;
		const struct oci_throttle_device *devices;
		size_t count;
	} kinds[] = {
		{ "throttleReadBpsDevice", io->read_bps, io->read_bps_count },
		{ "throttleWriteBpsDevice", io->write_bps, io->write_bps_count },
		{ "throttleReadIOPSDevice", io->read_iops, io->read_iops_count },
		{ "throttleWriteIOPSDevice", io->write_iops, io->write_iops_count },
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (size_t i = 0; i < kinds[k].count; i++) {
			int r;

			AT(c, "blockIO.%s[%zu]", kinds[k].key, i);
			r = check_disk(c, kinds[k].devices[i].major, kinds[k].devices[i].minor);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* "2MB": it becomes part of a file's name. */
static bool is_page_size(const char *size)
{
	const char *unit = size + strspn(size, "0123456789");

	return unit != size && *size != '0' && *unit && strchr("KMG", *unit) &&
	       streq(unit + 1, "B");
}

static int check_hugepages(struct checker *c)
{
	for (size_t i = 0; i < c->resources->hugepages_count; i++) {
		const char *size = c->resources->hugepages[i].page_size;

		AT(c, "hugepageLimits[%zu].pageSize", i);
		if (!is_page_size(size))
			return checker_refuse(c, "not a size like 64KB, 2MB or 1GB", size);
	}
	return 0;
}

static int check_network(struct checker *c)
{
	const struct oci_network *network = &c->resources->network;

	for (size_t i = 0; i < network->priorities_count; i++) {
		const char *name = network->priorities[i].name;

		AT(c, "network.priorities[%zu].name", i);
		if (!is_interface_name(name))
			return checker_refuse(c, "not an interface's name", name);
	}
	return 0;
}

/* The device and its limits become the words of one line (cgroup-v1/rdma.rst). */
static int check_rdma(struct checker *c)
{
	for (size_t i = 0; i < c->resources->rdma_count; i++) {
		const struct oci_rdma *rdma = &c->resources->rdma[i];

		AT(c, "rdma.%s", rdma->device);
		if (!*rdma->device || rdma->device[strcspn(rdma->device, " \t\n")])
			return checker_refuse(c, "not an RDMA device's name", rdma->device);
		if (!rdma->hca_handles.is_set && !rdma->hca_objects.is_set)
			return checker_refuse(c, "needs hcaHandles or hcaObjects", NULL);
	}
	return 0;
}

/* A key is a file of the cgroup, not a path from there. */
static int check_unified(struct checker *c)
{
	const struct string_map *unified = &c->resources->unified;

	for (size_t i = 0; i < unified->count; i++) {
		const char *key = unified->items[i].key;

		if (!*key || strchr(key, '/'))
			return checker_refuse(AT(c, "unified"), "not the name of a cgroup file",
					      key);
	}
	return 0;
}

static const struct rule rules[] = {
	{ "config-linux.md#configLinuxDeviceAllowedlist", check_device_rules },
	{ "config-linux.md#configLinuxMemory", check_memory },
	{ "config-linux.md#configLinuxCPU", check_cpu },
	{ "config-linux.md#configLinuxBlockIO", check_weights },
	{ "config-linux.md#configLinuxBlockIO", check_throttles },
	{ "config-linux.md#configLinuxHugePageLimits", check_hugepages },
	{ "config-linux.md#configLinuxNetwork", check_network },
	{ "config-linux.md#configLinuxPIDS", check_pids },
	{ "config-linux.md#configLinuxRDMA", check_rdma },
	{ "config-linux.md#configLinuxUnified", check_unified },
};
const struct rules oci_resources_rules = RULES(rules);
