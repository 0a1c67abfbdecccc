/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor-internal.h"

/* For hypervisor/qemu/ and its tests. */

/* hypervisor_qemu's plan slot for any architecture. */
int qemu_plan_for(enum hv_arch arch, const struct hv_config *config, char ***ret_argv,
		  struct error *err);

/* The programs that may be QEMU for @arch, the usual one first; ends in NULL. */
const char *const *qemu_program_names(enum hv_arch arch);

/* Whether the plan wants config->tsc_khz, which takes a moment to measure. */
bool qemu_wants_tsc(enum hv_arch arch, const struct hv_config *config);

/* The descriptors that the plan names; @ret has room for QEMU_MAX_FDS. */
#define QEMU_MAX_FDS 4
size_t qemu_planned_fds(const struct hv_config *config, int *ret);
