/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/metrics/metrics.h"

struct cgroup_stats;

/* What a container's cgroup says of it, as moat_container_…; a limit that is none is left out.
 * Whose they are say the labels that @m puts in front. Pure. */
void metrics_add_container(struct metrics *m, const struct cgroup_stats *stats);
