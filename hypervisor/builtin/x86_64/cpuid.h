/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;

/* What a vcpu says of itself when asked by cpuid, made from what KVM can do: which of @count it is,
 * cores of one package; and that it is a guest's. Pure. */
void cpuid_adapt(struct kvm_cpuid2 *cpuid, uint32_t index, uint32_t count, bool has_tsc_deadline);
