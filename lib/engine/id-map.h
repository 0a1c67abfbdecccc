/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct oci_id_mapping;
struct oci_linux;
struct oci_user;

/*
 * Who writes the mappings of a new user namespace, and how (user_namespaces(7)). Somebody who may
 * change ids writes any; anybody may map one id, the own one, and for groups only after giving up
 * setgroups(2), by which a group could be left that is there to keep somebody out. All else takes
 * newuidmap(1) and newgidmap(1), which know from /etc/subuid and /etc/subgid what is whose.
 */
struct id_map_rights {
	uid_t uid;
	gid_t gid;
	bool may_set_uids; /* CAP_SETUID in the caller's user namespace */
	bool may_set_gids; /* CAP_SETGID */
};

struct id_map {
	const struct oci_id_mapping *items; /* borrowed from the configuration */
	size_t count;
	bool takes_program;
};

struct id_map_plan {
	struct id_map uids;
	struct id_map gids;
	bool denies_setgroups;
};

/* Pure. Refuses what has no mapping, or none for the root that sets the container up. */
int id_map_plan(const struct oci_linux *linux_, const struct id_map_rights *rights,
		struct id_map_plan *ret, struct error *err);

/* Pure. Refuses a user, or group of it, that the namespace does not have. */
int id_map_check_user(const struct id_map_plan *plan, const struct oci_user *user,
		      struct error *err);

/* The form of /proc/PID/uid_map; free(3) it. */
char *id_map_text(const struct oci_id_mapping *items, size_t count);
/* Arguments of newuidmap and newgidmap; strv_free() them. */
char **id_map_args(const char *program, pid_t pid, const struct id_map *map);

/* Whether there are both of them. */
bool id_map_has_programs(void);

/* By the caller, for a process that just made its user namespace and is still dumpable. */
int id_map_write(const struct id_map_plan *plan, pid_t pid, struct error *err);
