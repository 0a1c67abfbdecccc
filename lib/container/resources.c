/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/resources.h"

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "oci/config.h"

static void drop_if_zero(struct opt_i64 *limit)
{
	limit->is_set &= limit->value != 0;
}

static void drop_if_zero_u64(struct opt_u64 *limit)
{
	limit->is_set &= limit->value != 0;
}

static void drop_if_empty(char **text)
{
	if (*text && !**text)
		free(steal_ptr(text));
}

/* Programs that generate these documents write 0 and "" for what they do not want to say. */
static void drop_unsaid(struct oci_resources *res)
{
	drop_if_zero(&res->memory.limit);
	drop_if_zero(&res->memory.reservation);
	drop_if_zero(&res->memory.swap);
	drop_if_zero_u64(&res->cpu.shares);
	drop_if_zero(&res->cpu.quota);
	drop_if_zero_u64(&res->cpu.period);
	drop_if_zero_u64(&res->cpu.realtime_period);
	drop_if_empty(&res->cpu.cpus);
	drop_if_empty(&res->cpu.mems);
	res->block_io.weight.is_set &= res->block_io.weight.value != 0;
}

/* Only their arrays are on the heap. */
static void drop_devices(struct oci_resources *res)
{
	struct oci_resources devices = {
		.devices = steal_ptr(&res->devices),
		.devices_count = res->devices_count,
	};

	res->devices_count = 0;
	fields_release(&oci_resources_fields, &devices);
}

static void complete(struct opt_i64 *limit, const struct opt_i64 *present)
{
	if (!limit->is_set)
		*limit = *present;
}

static void complete_u64(struct opt_u64 *limit, const struct opt_u64 *present)
{
	if (!limit->is_set)
		*limit = *present;
}

/* What v2 keeps in one file, or in terms of each other. */
static void complete_groups(struct oci_resources *res, const struct oci_resources *present)
{
	struct oci_memory *memory = &res->memory;
	struct oci_cpu *cpu = &res->cpu;

	/* No limit of memory, and nothing said of swap: no limit of both. */
	if (memory->limit.is_set && memory->limit.value == -1 && !memory->swap.is_set)
		memory->swap = (struct opt_i64){ -1, true };
	if (memory->limit.is_set || memory->swap.is_set) {
		complete(&memory->limit, &present->memory.limit);
		complete(&memory->swap, &present->memory.swap);
	}
	if (cpu->quota.is_set || cpu->period.is_set || cpu->burst.is_set) {
		complete(&cpu->quota, &present->cpu.quota);
		complete_u64(&cpu->period, &present->cpu.period);
		complete_u64(&cpu->burst, &present->cpu.burst);
	}
	if (cpu->realtime_runtime.is_set || cpu->realtime_period.is_set) {
		complete(&cpu->realtime_runtime, &present->cpu.realtime_runtime);
		complete_u64(&cpu->realtime_period, &present->cpu.realtime_period);
	}
}

void resources_plan_changes(const struct oci_resources *given, const struct oci_resources *present,
			    struct oci_resources *ret)
{
	fields_copy(&oci_resources_fields, ret, given);
	drop_devices(ret);
	drop_unsaid(ret);
	complete_groups(ret, present);
}

/* Written and read again: the tables know how objects and maps merge. */
int resources_merge(struct oci_resources *resources, const struct oci_resources *changes,
		    struct error *err)
{
	struct json_writer *w = json_writer_new(false);
	cleanup_free char *text = NULL;

	fields_write(&oci_resources_fields, w, changes);
	text = json_finish(w);
	return fields_parse(&oci_resources_fields, "resources", text, strlen(text), &oci_limits,
			    resources, err);
}
