/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct oci_id_mapping;

/*
 * The ids that a user without rights may use in a user namespace: its own one as root, and from 1
 * on those that /etc/subuid and /etc/subgid give it (subuid(5)), which only newuidmap(1) and
 * newgidmap(1) can map. So do container engines, whose files these may be.
 */
struct user_ids {
	struct oci_id_mapping *uids;
	struct oci_id_mapping *gids;
	size_t uids_count;
	size_t gids_count;
};
void user_ids_done(struct user_ids *ids);
#define cleanup_user_ids CLEANUP(user_ids_done)

/* The caller's. Without those programs or files: the own ids alone. */
void user_ids_read(struct user_ids *ret);

/* Pure. @text: of a subuid(5) file, or NULL; @name and @uid are whose lines count, @name may be
 * NULL; @own is the id that becomes root. *ret: free(3). Lines that are wrong or that do not fit
 * beside those before are passed over, as they are by the programs. */
size_t user_ids_map(const char *text, const char *name, uid_t uid, uint32_t own,
		    struct oci_id_mapping **ret);
