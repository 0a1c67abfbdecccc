/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/engine/filter.h"
#include "oci/config.h"

struct error;

/* What a process document means, decided before anything is cloned. The same for a container's
 * first process and for those that enter it later. */
struct process_plan {
	const struct oci_process *process; /* NULL: a container that can be made, but not started */
	const struct oci_seccomp *seccomp; /* or NULL */
	struct filter_plan filter;
	char **env;

	bool has_caps; /* else they stay what the runtime has */
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* @available: bit mask of what the runtime may give away. Capabilities that are unknown or not
 * available are warned of and left out (config.md#linux-process). process_plan_done() it. */
int process_plan(const struct oci_process *process, const struct oci_seccomp *seccomp,
		 uint64_t available, struct process_plan *ret, struct error *err);
void process_plan_done(struct process_plan *plan);
