/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct oci_config;
struct oci_resources;

/*
 * A container's cgroup as systemd makes it: a transient scope, whose cgroup is delegated to us
 * ("Control Group APIs and Delegation" of systemd's documentation). Limits that systemd knows are
 * its properties; everything else is done in the cgroup as without systemd.
 *
 * A scope has processes from its begin to its end. So a holder, a child that does nothing, is its
 * first one, and goes when the container's is in. Who is killed in between takes the holder with
 * him, and systemd forgets the scope.
 */

/* Pure: linux.cgroupsPath ("SLICE:PREFIX:NAME") and the id to the names of slice and scope; free(3)
 * them. NULL and "": "moat-ID.scope". Without a slice it is the manager's usual one. */
int scope_plan_names(const char *cgroups_path, const char *id, bool is_users, char **ret_slice,
		     char **ret_unit, struct error *err);
/* Pure: the path in a text of /proc/PID/cgroup that is systemd's. free(3) it; NULL: none. */
char *scope_find_path(const char *proc_cgroup);

struct scope {
	char *unit;
	char *path;   /* of its cgroup, in each hierarchy */
	pid_t holder; /* a child of ours, or 0 */
};
#define SCOPE_INIT                                                                                 \
	{                                                                                          \
		NULL, NULL, 0                                                                      \
	}
void scope_done(struct scope *scope); /* lets go of the holder, too */

/* @resources: those of the host, not the configuration's if that is a guest's. @is_users: the
 * user's manager. Errors are scope_done()'s business too. */
int scope_start(const char *id, const struct oci_config *config,
		const struct oci_resources *resources, bool is_v2, bool is_users, struct scope *ret,
		struct error *err);
/* Changes its limits; the cgroup's files are to be written after that. */
int scope_update(const char *unit, const struct oci_resources *resources, bool is_v2, bool is_users,
		 struct error *err);
/* Waits until systemd has forgotten it, once nothing is left in its cgroup. Not there: fine. */
int scope_stop(const char *unit, bool is_users, struct error *err);
