/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/plan-internal.h"

#include "lib/base/fields.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

/*
 * linux.resources for the guest's cgroup, which applies the container's limits once more. Those
 * that count something of the host's have their place there: on the VMM (plan-host.c), whose
 * processors, memory nodes and disks they mean, or nowhere.
 */

static bool is_guest_cgroup_key(const char *key)
{
	static const char *const controllers[] = { "memory.", "cpu.", "pids.", "hugetlb." };

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (str_after(key, controllers[i]))
			return true;
	return false;
}

/* These are files of cgroup v2 that only the container's cgroup has. */
static void drop_unified(struct string_map *unified)
{
	cleanup_free char *first = NULL;
	size_t kept = 0, dropped;

	for (size_t i = 0; i < unified->count; i++) {
		struct string_pair *pair = &unified->items[i];

		if (is_guest_cgroup_key(pair->key)) {
			unified->items[kept++] = *pair;
			continue;
		}
		if (!first)
			first = steal_ptr(&pair->key);
		free(pair->key);
		free(pair->value);
	}
	dropped = unified->count - kept;
	unified->count = kept;
	if (dropped)
		log_warning("linux.resources.unified: left out %zu of the host's keys, '%s' first",
			    dropped, first);
}

/* A guest has no huge pages unless it makes some out of its own memory, so that "none", which
 * Kubernetes writes for every size, is true without a limit. */
static void warn_of_hugepages(const struct oci_resources *res)
{
	for (size_t i = 0; i < res->hugepages_count; i++) {
		if (!res->hugepages[i].limit)
			continue;
		log_warning(
			"linux.resources.hugepageLimits: left out, the guest has no huge pages");
		return;
	}
}

static void warn_of_host_limits(const struct oci_resources *res)
{
	warn_of_hugepages(res);
	if (res->network.class_id.value || res->network.priorities_count)
		log_warning("linux.resources.network: left out, the VMM's packets are not marked");
	if (res->rdma_count)
		log_warning("linux.resources.rdma: left out, the guest has no such device");
}

void sandbox_guest_resources(struct oci_resources *res)
{
	struct oci_resources dropped = {
		.cpu.cpus = steal_ptr(&res->cpu.cpus),
		.cpu.mems = steal_ptr(&res->cpu.mems),
		.block_io = res->block_io,
		.hugepages = steal_ptr(&res->hugepages),
		.hugepages_count = res->hugepages_count,
		.network = res->network,
		.rdma = steal_ptr(&res->rdma),
		.rdma_count = res->rdma_count,
	};

	/* cgroup v2 has no budgets for realtime; the VMM's may. */
	res->cpu.realtime_runtime.is_set = false;
	res->cpu.realtime_period.is_set = false;
	res->block_io = (struct oci_block_io){ 0 };
	res->hugepages_count = 0;
	res->network = (struct oci_network){ 0 };
	res->rdma_count = 0;
	warn_of_host_limits(&dropped);
	fields_release(&oci_resources_fields, &dropped);
	drop_unified(&res->unified);
}

int plan_resources(struct planning *p, struct error *err)
{
	sandbox_guest_resources(&p->guest->linux_.resources);
	plan_replace(&p->guest->linux_.cgroups_path, xasprintf("/%s", p->id));
	return 0;
}
