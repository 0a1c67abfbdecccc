/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor-internal.h"

/* For hypervisor/qemu/ and its tests. */

int qemu_plan(const struct hv_config *config, char ***ret_argv, struct error *err);

/* The programs that may be QEMU for @arch, the usual one first; ends in NULL. */
const char *const *qemu_program_names(enum hv_arch arch);

/* Whether the plan wants config->tsc_khz, which takes a moment to measure. */
bool qemu_wants_tsc(const struct hv_config *config);

/* The descriptors that the plan names; @ret has room for QEMU_MAX_FDS. */
#define QEMU_MAX_FDS (6 + HV_DISKS_MAX + 2 * HV_NICS_MAX)
size_t qemu_planned_fds(const struct hv_config *config, int *ret);

/* What a running machine can (enum hv_feature), by QEMU's name for its type: "pc-q35-7.2-machine".
 * 0 for one that we do not start. */
unsigned int qemu_machine_features(const char *type);

/* The controller that more disks can be plugged into. */
#define QEMU_SCSI_ID "scsi"
