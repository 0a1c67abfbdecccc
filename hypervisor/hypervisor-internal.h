/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"

struct error;
struct fields;

/* What drivers share; for hypervisor/ only. */

/* A guest has its host's architecture; a parameter so that tests see every one of them. */
enum hv_arch {
	HV_ARCH_X86_64,
	HV_ARCH_AARCH64,
	HV_ARCH_RISCV64,
	HV_ARCH_PPC64LE,
	HV_ARCH_S390X,
	HV_ARCH_COUNT,
};
enum hv_arch hv_host_arch(void);

char *hv_kernel_command_line_for(enum hv_arch arch, const struct hv_config *config);

/* Pure parts of guest_image_load() and kvm_probe(), for tests. */
int guest_image_parse(const char *dir, const char *name, const char *text, size_t len,
		      struct guest_image *ret, struct error *err);
/* A cached verdict is two lines: the boot it is of and the reason, empty for a fit one. */
char *kvm_verdict_format(const char *boot_id, const struct kvm_fitness *fitness);
int kvm_verdict_parse(const char *text, const char *boot_id, struct kvm_fitness *ret);

/* A cached rate: the boot it is of and the number. */
char *tsc_format(const char *boot_id, uint32_t khz);
int tsc_parse(const char *text, const char *boot_id, uint32_t *ret_khz);

/* What is measured once a boot. hv_boot_id(): free(3) it; NULL: unknown. */
char *hv_boot_id(void);
int hv_cache_open(const char *cache_dir); /* a directory's descriptor, or -1 */

/* What the probe's child does: runs the tiny guest now. */
void kvm_probe_run(struct kvm_fitness *ret);
