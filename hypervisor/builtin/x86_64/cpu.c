/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/kvm.h"
#include "hypervisor/builtin/x86_64/boot.h"
#include "hypervisor/builtin/x86_64/cpu.h"
#include "hypervisor/builtin/x86_64/cpuid.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/* A vcpu before its first instruction. */

#define CPUID_ENTRIES_MAX 256

int cpu_describe(const struct kvm *kvm, uint32_t index, uint32_t count, struct kvm_cpuid2 **ret,
		 struct error *err)
{
	cleanup_free struct kvm_cpuid2 *cpuid =
		xcalloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
	const bool has_deadline =
		ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;

	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return error_sys(err, errno, "ask what processors can do");
	cpuid_adapt(cpuid, index, count, has_deadline);
	*ret = steal_ptr(&cpuid);
	return 0;
}

static int set_cpuid(const struct kvm *kvm, int fd, uint32_t index, uint32_t count,
		     struct error *err)
{
	cleanup_free struct kvm_cpuid2 *cpuid = NULL;
	int r = cpu_describe(kvm, index, count, &cpuid, err);

	if (r < 0)
		return r;
	if (ioctl(fd, KVM_SET_CPUID2, cpuid) < 0)
		return error_sys(err, errno, "say what it can do");
	return 0;
}

/* As firmware leaves them: fast string operations, and memory that is cached. */
static int set_msrs(int fd, struct error *err)
{
	enum { MISC_ENABLE = 0x1a0, MTRR_DEFAULT = 0x2ff };
	enum { FAST_STRINGS = 1, MTRR_ENABLED = 1 << 11, WRITE_BACK = 6 };
	static const struct kvm_msr_entry wanted[] = {
		{ .index = MISC_ENABLE, .data = FAST_STRINGS },
		{ .index = MTRR_DEFAULT, .data = MTRR_ENABLED | WRITE_BACK },
	};

	cleanup_free struct kvm_msrs *msrs = xcalloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));

	/* One by one: a processor need not have them all. */
	msrs->nmsrs = 1;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		msrs->entries[0] = wanted[i];
		if (ioctl(fd, KVM_SET_MSRS, msrs) < 0)
			return error_sys(err, errno, "set its msrs");
	}
	return 0;
}

enum { CODE = 0xb, DATA = 0x3, TASK = 0xb }; /* types of segments, in use already */

static struct kvm_segment make_segment(uint16_t selector, uint8_t type, bool is_long)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = !is_long,
		.s = 1,
		.l = is_long,
		.g = 1,
	};
}

static void set_segments(struct kvm_sregs *sregs, bool is_long)
{
	const struct kvm_segment data = make_segment(0x18, DATA, false);

	sregs->cs = make_segment(0x10, CODE, is_long);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){ .limit = 0x67, .type = TASK, .present = 1 };
	sregs->idt = (struct kvm_dtable){ 0 };
}

#define CR0_PG (1u << 31)
enum { CR0_PE = 1 << 0, CR0_ET = 1 << 4, CR4_PAE = 1 << 5 };
enum { EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };

/* Without paging, flat (xen: docs/misc/pvh.pandoc). */
static void enter_pvh(struct kvm_sregs *sregs, struct kvm_regs *regs, uint64_t info)
{
	set_segments(sregs, false);
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
	regs->rbx = info;
}

/* Linux: Documentation/arch/x86/boot.rst, 64-bit boot protocol. */
static void enter_linux64(struct kvm_sregs *sregs, struct kvm_regs *regs, uint64_t info)
{
	set_segments(sregs, true);
	sregs->gdt = (struct kvm_dtable){ .base = LAYOUT_GDT, .limit = 4 * 8 - 1 };
	sregs->cr0 = CR0_PG | CR0_PE | CR0_ET;
	sregs->cr3 = LAYOUT_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	regs->rsi = info;
}

static void (*const protocols[])(struct kvm_sregs *sregs, struct kvm_regs *regs, uint64_t info) = {
	[BOOT_PVH] = enter_pvh,
	[BOOT_LINUX64] = enter_linux64,
};

static int set_registers(int fd, const struct arch_entry *entry, struct error *err)
{
	enum { ALWAYS_ONE = 1 << 1 };
	struct kvm_regs regs = { .rip = entry->instruction, .rflags = ALWAYS_ONE };
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs) < 0)
		return error_sys(err, errno, "get its registers");
	protocols[entry->protocol](&sregs, &regs, entry->info);
	if (ioctl(fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(fd, KVM_SET_REGS, &regs) < 0)
		return error_sys(err, errno, "set its registers");
	return 0;
}

/* All but the first wait to be woken by it, and begin as on hardware. */
int arch_set_vcpu(const struct kvm *kvm, int vcpu_fd, uint32_t index, uint32_t count,
		  const struct arch_entry *entry, struct error *err)
{
	int r = set_cpuid(kvm, vcpu_fd, index, count, err);

	if (r == 0)
		r = set_msrs(vcpu_fd, err);
	if (r == 0 && index == 0 && entry)
		r = set_registers(vcpu_fd, entry, err);
	return r;
}

uint64_t arch_instruction(int vcpu_fd)
{
	struct kvm_regs regs;

	return ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0 ? 0 : regs.rip;
}
