/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/engine/cgroup-plan.h"

/* What the parts of cgroup_plan_resources() share: cgroup-plan.c, cgroup-plan-….c. */
#define RESOURCES "linux.resources."

struct opt_i64;
struct opt_u32;
struct opt_u64;
struct oci_memory;

struct planner {
	bool is_v2;
	struct cgroup_plan plan;
	struct error *err;
};

/* Adds FILE=VALUE for the configuration's linux.resources.CONFIG; its controller is what stands in
 * front of the file's dot. Takes @value. The result is valid until the next call. */
struct cgroup_knob *planner_add(struct planner *p, const char *file, char *value,
				const char *config);
/* -1 is "no limit" everywhere in the configuration, and on v1. */
struct cgroup_knob *planner_add_limit(struct planner *p, const char *file, int64_t value,
				      const char *config);
int planner_refuse(struct planner *p, const char *config, const char *reason);

/* What a limit of 0 means is "none given", since that is what an absent number is for the
 * programs that generate configurations. */
int64_t planner_given(const struct opt_i64 *opt);
uint64_t planner_given_u64(const struct opt_u64 *opt);

int cgroup_plan_memory(struct planner *p, const struct oci_memory *m);
int cgroup_plan_devices_io(struct planner *p, const struct oci_resources *resources);
