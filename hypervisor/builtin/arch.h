/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct kvm;
struct strbuf;

/* What differs by architecture; one directory each. */

/* Where memory of this size is in the guest's addresses. */
#define ARCH_RANGES_MAX 2
struct arch_range {
	uint64_t gpa, size;
};
size_t arch_ranges(uint64_t bytes, struct arch_range ret[static ARCH_RANGES_MAX]);

/* The window and the interrupt of a virtio device. */
#define ARCH_VIRTIO_WINDOW 0x1000
#define ARCH_VIRTIO_MAX 19
uint64_t arch_virtio_address(size_t index);
uint32_t arch_virtio_gsi(size_t index);

/* Of the serial port, among the ports where there are such, else in memory. */
#define ARCH_SERIAL_ADDRESS 0x3f8
#define ARCH_SERIAL_GSI 4

/* What else answers in the machine: how it ends. @on_power is told ARCH_POWER_… by a vcpu. */
struct bus;
enum arch_power { ARCH_POWER_OFF, ARCH_POWER_RESET };
struct arch_power_handler {
	void (*fn)(void *ctx, enum arch_power what);
	void *ctx;
};
/* @handler is kept. */
int arch_add_power(struct bus *ports, const struct arch_power_handler *handler);

#define ARCH_VCPUS_MAX 254

struct arch_guest {
	int kernel_fd;
	int initrd_fd; /* -1: none */
	const char *command_line;
	uint32_t vcpus;
	size_t virtio_count;
};

/* How a vcpu begins, as the guest's memory says. */
struct arch_entry {
	int protocol;
	uint64_t instruction;
	uint64_t info;
};
int arch_load(const struct arch_guest *guest, const struct guest_memory *memory,
	      struct arch_entry *ret, struct error *err);

/* The virtual machine's own part, before it has vcpus; then each of these, of which the first
 * begins at @entry and the others wait for it; NULL: arch_restore_vcpu() says where. @count: of
 * all. */
int arch_make_chip(const struct kvm *kvm, struct error *err);
int arch_set_vcpu(const struct kvm *kvm, int vcpu_fd, uint32_t index, uint32_t count,
		  const struct arch_entry *entry, struct error *err);

/* Where a vcpu is, for a message; 0: unknown. */
uint64_t arch_instruction(int vcpu_fd);

/*
 * Saving what KVM keeps, as fields (lib/base/wire.h), while no vcpu runs; and the way back, into
 * a machine that has not run yet, in this order: the processor is looked at, chip, vcpus, clock.
 * -EBADMSG: not what was saved; -EINVAL: this host is another one than it has to be.
 */
int arch_save_chip(const struct kvm *kvm, uint32_t vcpus, struct strbuf *out, struct error *err);
int arch_save_vcpu(const struct kvm *kvm, int vcpu_fd, struct strbuf *out, struct error *err);
int arch_check_processor(const struct kvm *kvm, uint32_t vcpus, const void *data, size_t len,
			 struct error *err);
int arch_restore_chip(const struct kvm *kvm, const void *data, size_t len, struct error *err);
int arch_restore_vcpu(int vcpu_fd, const void *data, size_t len, struct error *err);
int arch_restore_clock(const struct kvm *kvm, const void *data, size_t len, struct error *err);
