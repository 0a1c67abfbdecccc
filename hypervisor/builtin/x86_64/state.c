/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/kvm.h"
#include "hypervisor/builtin/x86_64/cpu.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/base/wire.h"

/*
 * What KVM keeps of a machine and its vcpus. KVM's own structures are saved as they are: their
 * layout is the kernel's promise to programs. Numbers of fields never change.
 */

/* Larger than any of the structures. */
#define PART_MAX 8192
#define MSRS_MAX 1024

/* --- parts of a vcpu ---------------------------------------------------------------------- */

struct part {
	uint32_t field;
	unsigned long get, set;
	size_t size;
	const char *name;
};

#define FIELD_XSAVE 3
#define FIELD_MSRS 20
#define FIELD_TSC_KHZ 21

/* In the order in which they are read and written. How a vcpu waits comes first, since asking for
 * it handles what others told it; segments have the local APIC's address; events are last, because
 * writing registers drops them. */
/* clang-format off */
static const struct part parts[] = {
	{ 1, KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state), "how it waits" },
	{ 2, KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs), "segments" },
	{ 4, KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs), "registers" },
	{ 5, KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs), "extended control registers" },
	{ FIELD_XSAVE, KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(struct kvm_xsave), "vectors" },
	{ 6, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs), "breakpoints" },
	{ 7, KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state), "local APIC" },
	{ FIELD_MSRS, 0, 0, 0, "msrs" },
	{ 8, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), "events" },
};
/* clang-format on */

static int find_field(const void *data, size_t len, uint32_t number, struct wire_field *ret)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	int r;

	while ((r = wire_next(&reader, ret)) > 0)
		if (ret->number == number)
			return 1;
	return r < 0 ? r : -EBADMSG;
}

static int find_bytes(const void *data, size_t len, uint32_t number, struct wire_field *ret)
{
	int r = find_field(data, len, number, ret);

	return r > 0 && ret->type != WIRE_BYTES ? -EBADMSG : r;
}

static int damaged(const char *name, struct error *err)
{
	return error_set(err, -EBADMSG, "%s: not what a saved machine has", name);
}

/* --- msrs --------------------------------------------------------------------------------- */

enum { MSR_EFER = 0xc0000080, MSR_TSC_DEADLINE = 0x6e0 };

/* One by one, since a list ends at the first that a processor has not. */
static bool access_msr(int fd, unsigned long request, struct kvm_msr_entry *entry)
{
	union {
		struct kvm_msrs list;
		char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} one = { .list = { .nmsrs = 1 } };
	bool is_done;

	memcpy(one.list.entries, entry, sizeof(*entry));
	is_done = ioctl(fd, request, &one) == 1;
	memcpy(entry, one.list.entries, sizeof(*entry));
	return is_done;
}

static int list_msrs(const struct kvm *kvm, struct kvm_msr_list **ret, struct error *err)
{
	cleanup_free struct kvm_msr_list *list =
		xcalloc(1, sizeof(*list) + MSRS_MAX * sizeof(list->indices[0]));

	list->nmsrs = MSRS_MAX;
	if (ioctl(kvm->fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return error_sys(err, errno, "list msrs");
	*ret = steal_ptr(&list);
	return 0;
}

static int save_msrs(const struct kvm *kvm, int fd, struct strbuf *out, struct error *err)
{
	cleanup_free struct kvm_msr_list *list = NULL;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int r = list_msrs(kvm, &list, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < list->nmsrs; i++) {
		struct kvm_msr_entry entry = { .index = list->indices[i] };

		if (access_msr(fd, KVM_GET_MSRS, &entry))
			strbuf_add(&text, &entry, sizeof(entry));
	}
	wire_add_bytes(out, FIELD_MSRS, text.buf ? text.buf : "", text.len);
	return 0;
}

/* One that can only be read need not be written when it is right already. */
static int restore_msr(int fd, const struct kvm_msr_entry *wanted, struct error *err)
{
	struct kvm_msr_entry entry = *wanted;

	if (access_msr(fd, KVM_SET_MSRS, &entry))
		return 0;
	entry = (struct kvm_msr_entry){ .index = wanted->index };
	if (access_msr(fd, KVM_GET_MSRS, &entry) && entry.data == wanted->data)
		return 0;
	return error_set(err, -EINVAL, "msr 0x%x: KVM here does not take 0x%llx", wanted->index,
			 (unsigned long long)wanted->data);
}

/* The deadline is one of a counter's that has to be there by then. */
static int restore_msrs(int fd, const struct wire_field *f, struct error *err)
{
	struct kvm_msr_entry entry;
	int r = 0;

	if (f->len % sizeof(entry) || f->len > MSRS_MAX * sizeof(entry))
		return damaged("msrs", err);
	for (int turn = 0; turn < 2; turn++)
		for (size_t at = 0; r == 0 && at < f->len; at += sizeof(entry)) {
			memcpy(&entry, f->data + at, sizeof(entry));
			if ((entry.index == MSR_TSC_DEADLINE) == turn)
				r = restore_msr(fd, &entry, err);
		}
	return r;
}

/* --- a vcpu ------------------------------------------------------------------------------- */

/* Registers for matrices need more, and a right that nobody asked for. */
static int check_xsave(const struct kvm *kvm, struct error *err)
{
	if (ioctl(kvm->vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2) > (int)sizeof(struct kvm_xsave))
		return error_set(err, -ENOTSUP, "vector registers: more than can be saved");
	return 0;
}

/* What KVM keeps for a guest that has guests of its own is not saved. */
static int check_nesting(int fd, struct error *err)
{
	enum { EFER_SVME = 1 << 12, CR4_VMXE = 1 << 13 };
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs) < 0)
		return error_sys(err, errno, "get its registers");
	if (sregs.efer & EFER_SVME || sregs.cr4 & CR4_VMXE)
		return error_set(err, -EBUSY, "it runs virtual machines itself");
	return 0;
}

static int save_part(const struct kvm *kvm, int fd, const struct part *part, struct strbuf *out,
		     struct error *err)
{
	_Alignas(64) char data[PART_MAX] = { 0 };

	if (part->field == FIELD_MSRS)
		return save_msrs(kvm, fd, out, err);
	if (ioctl(fd, part->get, data) < 0)
		return error_sys(err, errno, "get its %s", part->name);
	wire_add_bytes(out, part->field, data, part->size);
	return 0;
}

int arch_save_vcpu(const struct kvm *kvm, int vcpu_fd, struct strbuf *out, struct error *err)
{
	int khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
	int r = check_xsave(kvm, err);

	if (r == 0)
		r = check_nesting(vcpu_fd, err);
	wire_add_varint(out, FIELD_TSC_KHZ, khz > 0 ? (uint64_t)khz : 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = save_part(kvm, vcpu_fd, &parts[i], out, err);
	return r;
}

static int restore_part(int fd, const struct part *part, const void *data, size_t len,
			struct error *err)
{
	_Alignas(64) char copy[PART_MAX] = { 0 };
	struct wire_field f;

	if (find_bytes(data, len, part->field, &f) < 0)
		return damaged(part->name, err);
	if (part->field == FIELD_MSRS)
		return restore_msrs(fd, &f, err);
	if (f.len != part->size)
		return damaged(part->name, err);
	memcpy(copy, f.data, f.len);
	if (ioctl(fd, part->set, copy) < 0)
		return error_sys(err, errno, "set its %s", part->name);
	return 0;
}

/* KVM scales a counter, or refuses: the guest's time would be wrong. */
static int restore_rate(int fd, const void *data, size_t len, struct error *err)
{
	struct wire_field f;
	int khz = ioctl(fd, KVM_GET_TSC_KHZ, 0);

	if (find_field(data, len, FIELD_TSC_KHZ, &f) < 0 || f.type != WIRE_VARINT ||
	    f.value > INT32_MAX)
		return damaged("time stamp counter", err);
	if (!f.value || (int)f.value == khz)
		return 0;
	if (ioctl(fd, KVM_SET_TSC_KHZ, (unsigned long)f.value) < 0)
		return error_set(err, -EINVAL,
				 "its time stamp counter ran at %d kHz, this host's at %d",
				 (int)f.value, khz);
	return 0;
}

int arch_restore_vcpu(int vcpu_fd, const void *data, size_t len, struct error *err)
{
	int r = restore_rate(vcpu_fd, data, len, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = restore_part(vcpu_fd, &parts[i], data, len, err);
	return r;
}

/* --- the machine -------------------------------------------------------------------------- */

enum chip_field { CHIP_PROCESSOR = 1, CHIP_CLOCK, CHIP_IRQCHIP };

#define CHIPS 3 /* two of a PC's, and the I/O APIC */

static int save_chips(const struct kvm *kvm, struct strbuf *out, struct error *err)
{
	for (uint32_t i = 0; i < CHIPS; i++) {
		struct kvm_irqchip chip = { .chip_id = i };

		if (ioctl(kvm->vm, KVM_GET_IRQCHIP, &chip) < 0)
			return error_sys(err, errno, "get the interrupt chip's state");
		wire_add_bytes(out, CHIP_IRQCHIP + i, &chip, sizeof(chip));
	}
	return 0;
}

static int save_processor(const struct kvm *kvm, uint32_t count, struct strbuf *out,
			  struct error *err)
{
	cleanup_free struct kvm_cpuid2 *cpuid = NULL;
	int r = cpu_describe(kvm, 0, count, &cpuid, err);

	if (r < 0)
		return r;
	wire_add_bytes(out, CHIP_PROCESSOR, cpuid->entries,
		       cpuid->nent * sizeof(cpuid->entries[0]));
	return 0;
}

int arch_save_chip(const struct kvm *kvm, uint32_t vcpus, struct strbuf *out, struct error *err)
{
	struct kvm_clock_data clock = { 0 };
	int r = save_processor(kvm, vcpus, out, err);

	if (r < 0)
		return r;
	if (ioctl(kvm->vm, KVM_GET_CLOCK, &clock) < 0)
		return error_sys(err, errno, "get the guest's clock");
	wire_add_varint(out, CHIP_CLOCK, clock.clock);
	return save_chips(kvm, out, err);
}

int arch_check_processor(const struct kvm *kvm, uint32_t vcpus, const void *data, size_t len,
			 struct error *err)
{
	cleanup_strbuf struct strbuf ours = STRBUF_INIT;
	struct wire_field had, has;
	int r = save_processor(kvm, vcpus, &ours, err);

	if (r < 0)
		return r;
	if (find_bytes(data, len, CHIP_PROCESSOR, &had) < 0 ||
	    find_bytes(ours.buf, ours.len, CHIP_PROCESSOR, &has) < 0)
		return damaged("processor", err);
	if (had.len != has.len || memcmp(had.data, has.data, had.len) != 0)
		return error_set(err, -EINVAL,
				 "it was saved on another processor, or with another kernel's KVM");
	return 0;
}

static int restore_irqchip(const struct kvm *kvm, uint32_t id, const void *data, size_t len,
			   struct error *err)
{
	struct kvm_irqchip chip;
	struct wire_field f;

	if (find_bytes(data, len, CHIP_IRQCHIP + id, &f) < 0 || f.len != sizeof(chip))
		return damaged("interrupt chip", err);
	memcpy(&chip, f.data, sizeof(chip));
	if (chip.chip_id != id)
		return damaged("interrupt chip", err);
	if (ioctl(kvm->vm, KVM_SET_IRQCHIP, &chip) < 0)
		return error_sys(err, errno, "set the interrupt chip's state");
	return 0;
}

int arch_restore_chip(const struct kvm *kvm, const void *data, size_t len, struct error *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < CHIPS; i++)
		r = restore_irqchip(kvm, i, data, len, err);
	return r;
}

int arch_restore_clock(const struct kvm *kvm, const void *data, size_t len, struct error *err)
{
	struct kvm_clock_data clock = { 0 };
	struct wire_field f;

	if (find_field(data, len, CHIP_CLOCK, &f) < 0 || f.type != WIRE_VARINT)
		return damaged("clock", err);
	clock.clock = f.value;
	if (ioctl(kvm->vm, KVM_SET_CLOCK, &clock) < 0)
		return error_sys(err, errno, "set the guest's clock");
	return 0;
}
