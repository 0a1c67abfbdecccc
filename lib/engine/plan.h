/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "lib/engine/device-plan.h"
#include "lib/engine/mount-plan.h"
#include "lib/engine/namespaces.h"
#include "lib/engine/process-plan.h"

struct engine_container;
struct error;

/*
 * Everything that can be decided from the configuration alone, and everything that has to be
 * refused, before there is a process. What is asked for and not built is an error here: nothing
 * is dropped silently.
 */
struct container_plan {
	char *rootfs; /* absolute host path */
	struct namespace_plan namespaces;
	char *delegate; /* of cgroups: the one below the container's that it manages, or NULL */
	struct propagation_plan propagation;
	struct mount_plan *mounts;
	size_t mounts_count;
	struct devices_plan devices;
	struct process_plan process;
};

/* @available: capabilities that may be given away. container_plan_done() it in any case. */
int container_plan(const struct engine_container *c, uint64_t available, struct container_plan *ret,
		   struct error *err);
void container_plan_done(struct container_plan *plan);

/* The label of its mounts, and how they get it. *@ret has linux_ set. */
int mount_context_plan(const struct oci_config *config, struct mount_context *ret,
		       struct error *err);

/* What the plan's namespaces allow, known once those that are joined are open. */
int container_plan_check(const struct engine_container *c, const struct container_plan *plan,
			 struct error *err);
