/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/engine/filter.h"
#include "lib/engine/labels.h"
#include "lib/engine/scheduling.h"
#include "oci/config.h"

struct error;

/* What a process document means, decided before anything is cloned. The same for a container's
 * first process and for those that enter it later. */
struct process_plan {
	const struct oci_process *process; /* NULL: a container that can be made, but not started */
	const struct oci_seccomp *seccomp; /* or NULL */
	struct filter_plan filter;
	struct scheduling_plan scheduling;
	struct labels_plan labels;
	bool is_in_user_ns;
	bool keeps_groups; /* the caller's, whatever process.user says */
	char **env;

	bool has_caps; /* else they stay what the runtime has */
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct process_request {
	const struct oci_process *process; /* or NULL */
	const struct oci_linux *linux_;	   /* of the container */
	/* Bit mask of what the runtime may give away. Capabilities that are unknown or not
	 * available are warned of and left out (config.md#linux-process). */
	uint64_t available;
	bool is_guest;
	bool is_entering;   /* a running container, so that execCPUAffinity counts */
	bool is_in_user_ns; /* one that is not the caller's */
	bool keeps_groups;  /* the annotation run.oci.keep_original_groups */
};

/* Whether a container's processes stay in the caller's supplementary groups. */
bool process_keeps_groups(const struct oci_config *config, bool is_guest);

/* process_plan_done() it. */
int process_plan(const struct process_request *request, struct process_plan *ret,
		 struct error *err);
void process_plan_done(struct process_plan *plan);

/* What a process that enters takes over from the container's own where its document says nothing,
 * as other runtimes have it: capabilities, limits, labels, scheduling, umask. *ret borrows from
 * both. Pure. */
void process_inherit(const struct oci_process *process, const struct oci_process *own,
		     struct oci_process *ret);
