/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

/* A virtual machine of the kernel's, without anything of an architecture. */
struct kvm {
	int fd; /* /dev/kvm */
	int vm;
	size_t run_size; /* of a vcpu's shared page */
};
#define KVM_INIT                                                                                   \
	{                                                                                          \
		.fd = -1, .vm = -1                                                                 \
	}

int kvm_open(struct kvm *ret, struct error *err);
void kvm_close(struct kvm *kvm); /* safe on a half-made one */

int kvm_add_memory(const struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
		   struct error *err);
/* Each time that the eventfd is written the input of the interrupt chip is raised, as an edge. */
int kvm_add_irqfd(const struct kvm *kvm, int fd, uint32_t gsi, struct error *err);
/* The eventfd is written when a guest writes this value, of 4 bytes, and no vcpu leaves the guest
 * for it. */
int kvm_add_ioeventfd(const struct kvm *kvm, int fd, uint64_t gpa, uint32_t value,
		      struct error *err);
