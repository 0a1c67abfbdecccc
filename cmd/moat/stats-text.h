/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct cgroup_stats;
struct intel_rdt_stats;

/* One line of `events` (without its newline), in runc's words: an object with "type", "id" and, of
 * type "stats", "data". What runc leaves out when it is 0 is left out here. free(3) it. */
char *event_stats_text(const char *id, const struct cgroup_stats *stats,
		       const struct intel_rdt_stats *rdt); /* NULL: none */
char *event_oom_text(const char *id);
