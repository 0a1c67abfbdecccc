/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor-internal.h"

/* For hypervisor/cloud-hypervisor/ and its tests. */

int ch_plan(const struct hv_config *config, char ***ret_argv, struct error *err);

/* The descriptors that it inherits; @ret has room for CH_MAX_FDS. */
#define CH_MAX_FDS (3 + HV_DISKS_MAX + HV_NICS_MAX)
size_t ch_planned_fds(const struct hv_config *config, int *ret);

/* What one that goes on is told when it runs, with the interfaces' descriptors. free(3) it. */
char *ch_restore_request(const struct hv_config *config);

/* It takes memory in pieces of this size. */
#define CH_MEMORY_PIECE_MIB 128u

/* Before it a disk's format was guessed from what the guest had written there, and an interface's
 * MTU asked of a network namespace that has none. */
#define CH_OLDEST_MAJOR 52

/* What it calls itself: "v52.0", "54.0.0-12-gabcdef". -EPROTO: not a version. */
int ch_version_parse(const char *text, unsigned int *ret_major);
