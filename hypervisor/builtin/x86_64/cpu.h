/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct kvm;
struct kvm_cpuid2;

/* What vcpu @index of @count says of itself on this host: the same each time. free(3) it. */
int cpu_describe(const struct kvm *kvm, uint32_t index, uint32_t count, struct kvm_cpuid2 **ret,
		 struct error *err);
