/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/proto/messages.h"

struct cgroup_stats;

/* What a guest says of its container's cgroup, as our own struct, which then owns copies of all.
 * Pure. The guest is hostile: its texts become printable, its lists end somewhere. */
void vm_stats_read(const grpc_CgroupStats *stats, struct cgroup_stats *ret);
