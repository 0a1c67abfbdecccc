/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/cleanup.h"
#include "lib/engine/cgroup.h"

struct error;
struct oci_resources;

/*
 * What linux.resources comes down to: files and values, in the order in which they should be
 * written. Pure; see cgroup_plan_path() in cgroup.h too.
 */
struct cgroup_knob {
	char *controller; /* "memory"; "cgroup" is the core of v2, which is always there */
	char *file;	  /* "memory.max" */
	char *value;
	char *else_file; /* written instead where the kernel has no such file, or NULL */
	char *else_value;
	char *config;	  /* where the configuration asks for it: "linux.resources.memory.limit" */
	bool is_optional; /* asks for nothing that a host without it does not give */
	bool may_wait;	  /* Depends on present values of others. What is refused with EINVAL is
			     * tried again after them, which needs no reading and works for
			     * growing and shrinking alike. */
};

struct cgroup_plan {
	struct cgroup_knob *knobs;
	size_t count;
};

/* Limits, without devices. Errors name the place: "linux.resources.memory.swap: …". */
int cgroup_plan_resources(enum cgroup_layout layout, const struct oci_resources *resources,
			  struct cgroup_plan *ret, struct error *err);
void cgroup_plan_add(struct cgroup_plan *plan, struct cgroup_knob knob); /* takes its strings */
void cgroup_plan_done(struct cgroup_plan *plan);
#define cleanup_cgroup_plan CLEANUP(cgroup_plan_done)

/* cpu.shares of v1 as cpu.weight of v2: 2, 1024 and 262144 are 1, 100 and 10000. */
unsigned int cgroup_plan_weight(unsigned long long shares);
/* blkio.weight of v1 (10 to 1000) as io.weight of v2 (1 to 10000). */
unsigned int cgroup_plan_io_weight(unsigned int weight);
