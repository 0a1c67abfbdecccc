/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/x86_64/cpuid.h"

#include <linux/kvm.h>
#include <stddef.h>

#include "lib/base/str.h"

/* Intel's manual 2A, CPUID; AMD's APM 3, appendix E. */

struct place {
	uint32_t index, count;
	uint32_t id_bits; /* of an APIC's id that say which core it is */
	bool has_tsc_deadline;
};

static uint32_t replace_bits(uint32_t value, unsigned int from, unsigned int width, uint32_t bits)
{
	const uint32_t mask = (uint32_t)((UINT64_C(1) << width) - 1);

	return (value & ~(mask << from)) | (bits & mask) << from;
}

#define HYPERVISOR (1u << 31)

static void adapt_features(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	enum { TSC_DEADLINE = 1 << 24, SEVERAL = 1 << 28 };

	e->ebx = replace_bits(e->ebx, 24, 8, p->index);
	e->ebx = replace_bits(e->ebx, 16, 8, 1u << p->id_bits);
	e->ecx |= HYPERVISOR;
	if (p->has_tsc_deadline)
		e->ecx |= TSC_DEADLINE;
	e->edx = p->count > 1 ? e->edx | SEVERAL : e->edx & ~(uint32_t)SEVERAL;
}

/* Of the caches the last is everybody's, the others each core's. */
static void adapt_caches(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	enum { LAST_LEVEL = 3 };
	const uint32_t level = e->eax >> 5 & 7;

	if (!(e->eax & 0x1f))
		return;
	e->eax = replace_bits(e->eax, 14, 12, level >= LAST_LEVEL ? p->count - 1 : 0);
	e->eax = replace_bits(e->eax, 26, 6, (1u << p->id_bits) - 1);
}

static void adapt_topology(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	enum { THREADS = 1, CORES = 2 };

	e->eax = e->ebx = 0;
	e->ecx = e->index;
	e->edx = p->index;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= THREADS << 8;
	} else if (e->index == 1) {
		e->eax = p->id_bits;
		e->ebx = p->count;
		e->ecx |= CORES << 8;
	}
}

static void adapt_amd_sizes(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	e->ecx = replace_bits(e->ecx, 0, 8, p->count - 1);
	e->ecx = replace_bits(e->ecx, 12, 4, p->id_bits);
}

/* One thread a core, all on one node. */
static void adapt_amd_topology(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	e->eax = p->index;
	e->ebx = p->index & 0xff;
	e->ecx = 0;
}

/* clang-format off */
static const struct {
	uint32_t function;
	void (*adapt)(struct kvm_cpuid_entry2 *e, const struct place *p);
} leaves[] = {
	{ 0x1, adapt_features },
	{ 0x4, adapt_caches },
	{ 0xb, adapt_topology },
	{ 0x1f, adapt_topology },
	{ 0x80000008, adapt_amd_sizes },
	{ 0x8000001d, adapt_caches },
	{ 0x8000001e, adapt_amd_topology },
};
/* clang-format on */

void cpuid_adapt(struct kvm_cpuid2 *cpuid, uint32_t index, uint32_t count, bool has_tsc_deadline)
{
	struct place place = { index, count, 0, has_tsc_deadline };

	while (1u << place.id_bits < count)
		place.id_bits++;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		for (size_t j = 0; j < ARRAY_SIZE(leaves); j++)
			if (cpuid->entries[i].function == leaves[j].function)
				leaves[j].adapt(&cpuid->entries[i], &place);
}
