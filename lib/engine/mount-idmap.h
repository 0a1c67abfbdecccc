/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "oci/config.h"

struct error;

/*
 * Id-mapped mounts: the files of a bind mount appear with other owners than they have. The mapping
 * is the mount's own (uidMappings, gidMappings, or crun's "idmap=uids=…;gids=…"), else that of the
 * container's user namespace (config.md#posix-platform-mounts). A first number is an id in the
 * file system, the second what the host sees.
 */
struct mount_idmap {
	bool is_wanted;
	bool is_recursive;	 /* ridmap */
	const char *userns_path; /* of the namespace with the mapping, borrowed; or NULL: these */
	struct oci_id_mapping *uids;
	size_t uids_count;
	struct oci_id_mapping *gids;
	size_t gids_count;
};

/* Pure. @option: "idmap", "idmap=…", "ridmap=…" as given, or NULL; mappings of @mount mean the
 * same. */
int mount_idmap_plan(const struct oci_mount *mount, const char *option,
		     const struct oci_linux *linux_, size_t index, struct mount_idmap *ret,
		     struct error *err);
void mount_idmap_done(struct mount_idmap *idmap);

/* Whether @option is one that mount_idmap_plan() takes. */
bool mount_idmap_is_option(const char *option);

/* Maps the detached tree @mount_fd. Needs the rights of the user namespace that its file system
 * belongs to: on the host, those of root. @source names it in messages. */
int mount_idmap_apply(const struct mount_idmap *idmap, int mount_fd, const char *source,
		      struct error *err);
