/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/sandbox/plan-internal.h"
#include "lib/sandbox/sandbox.h"
#include "lib/settings/settings.h"
#include "oci/annotations.h"
#include "oci/config.h"

/*
 * How large a machine is. A VM is sized once, by what is known when it starts: the limits of its
 * container, or what the engine says of the whole pod. One that has room to grow follows the limits
 * of those that come later.
 */

#define GUEST_OVERHEAD_MIB 96 /* kernel, agent, page tables: what the container's limit lacks */
#define MAX_MEMORY_MIB (1u << 20)
#define MAX_VCPUS 240
#define DEFAULT_PERIOD 100000

#define MIB (1u << 20)

/* What containers may use, added up; 0: nobody says. */
struct demand {
	uint64_t memory; /* bytes */
	uint64_t vcpus;
};

static uint64_t at_least_0(int64_t limit)
{
	return limit > 0 ? (uint64_t)limit : 0;
}

static uint64_t vcpus_for(uint64_t quota, uint64_t period)
{
	return quota ? (quota - 1) / (period ? period : DEFAULT_PERIOD) + 1 : 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* --- a pod as a whole --------------------------------------------------------------------- */

static uint64_t annotated_number(const struct oci_config *config, const char *annotation)
{
	const char *text = oci_annotation(config, annotation);
	uint64_t value;

	return text && parse_u64(text, &value) == 0 ? value : 0;
}

static struct demand containerd_demand(const struct oci_config *config)
{
	return (struct demand){
		annotated_number(config, "io.kubernetes.cri.sandbox-memory"),
		vcpus_for(annotated_number(config, "io.kubernetes.cri.sandbox-cpu-quota"),
			  annotated_number(config, "io.kubernetes.cri.sandbox-cpu-period")),
	};
}

/* The interface's own message (LinuxContainerResources of CRI) as JSON. */
struct crio_resources {
	int64_t memory, quota, period;
};
/* clang-format off */
static const struct field crio_table[] = {
	FIELD(struct crio_resources, "memory_limit_in_bytes", I64, memory),
	FIELD(struct crio_resources, "cpu_quota", I64, quota),
	FIELD(struct crio_resources, "cpu_period", I64, period),
};
/* clang-format on */
static const struct fields crio_fields = FIELDS(struct crio_resources, crio_table);

static struct demand crio_demand(const struct oci_config *config)
{
	static const char *const names[] = {
		"io.kubernetes.cri-o.PodLinuxResources",
		"pod-linux-resources.crio.io",
	};
	struct crio_resources res = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *text = oci_annotation(config, names[i]);
		struct error err = ERROR_INIT;

		if (text && fields_parse(&crio_fields, names[i], text, strlen(text), &oci_limits,
					 &res, &err) < 0)
			log_debug("annotation %s", err.msg);
	}
	return (struct demand){
		at_least_0(res.memory),
		vcpus_for(at_least_0(res.quota), at_least_0(res.period)),
	};
}

static struct demand pod_demand(const struct oci_config *config)
{
	struct demand a = containerd_demand(config), b = crio_demand(config);

	return (struct demand){
		a.memory > b.memory ? a.memory : b.memory,
		a.vcpus > b.vcpus ? a.vcpus : b.vcpus,
	};
}

/* --- the sizes ---------------------------------------------------------------------------- */

static uint32_t clamp(uint64_t value, uint32_t max)
{
	return value < max ? (uint32_t)value : max;
}

static uint64_t to_mib(uint64_t bytes)
{
	return bytes / MIB + (bytes % MIB != 0);
}

static uint64_t own_memory(const struct oci_config *config)
{
	return at_least_0(config->linux_.resources.memory.limit.value);
}

static uint64_t own_vcpus(const struct oci_config *config)
{
	const struct oci_cpu *cpu = &config->linux_.resources.cpu;

	return vcpus_for(at_least_0(cpu->quota.value), cpu->period.value);
}

/* What a pod's engine says includes the containers that it will make. Those without a limit share
 * what a VM without one has. */
static uint64_t memory_mib_for(const struct oci_config *const *configs, size_t count, uint64_t pod)
{
	uint64_t sum = 0, base = GUEST_OVERHEAD_MIB;

	if (pod && pod > own_memory(configs[0]))
		return add(to_mib(pod), GUEST_OVERHEAD_MIB);
	for (size_t i = 0; i < count; i++) {
		uint64_t limit = own_memory(configs[i]);

		if (!limit)
			base = SETTINGS_DEFAULT_MEMORY_MIB;
		sum = add(sum, limit);
	}
	return add(to_mib(sum), base);
}

static uint64_t vcpus_of(const struct oci_config *const *configs, size_t count, uint64_t pod)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum = add(sum, own_vcpus(configs[i]));
	if (pod && pod > own_vcpus(configs[0]))
		sum = pod;
	return sum ? sum : 1;
}

struct sandbox_size sandbox_size_for(const struct oci_config *const *configs, size_t count)
{
	const struct oci_vm *vm = configs[0]->vm;
	const struct oci_vm_hw_config *hw = vm ? vm->hw_config : NULL;
	struct demand pod = pod_demand(configs[0]);
	uint64_t memory_mib = memory_mib_for(configs, count, pod.memory);
	uint64_t vcpus = vcpus_of(configs, count, pod.vcpus);

	if (hw && hw->memory.is_set && hw->memory.value)
		memory_mib = to_mib(hw->memory.value);
	if (hw && hw->vcpus.is_set && hw->vcpus.value)
		vcpus = hw->vcpus.value;
	return (struct sandbox_size){ clamp(memory_mib, MAX_MEMORY_MIB), clamp(vcpus, MAX_VCPUS) };
}

int plan_size(struct planning *p, struct error *err)
{
	const struct oci_vm *vm = p->host->vm;

	p->plan->size = sandbox_size_for(&p->host, 1);
	return vm && vm->hw_config ? plan_hw_config(vm->hw_config, err) : 0;
}
