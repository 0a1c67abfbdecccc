/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * A sandbox takes namespaces and mounts, which an ordinary user may make as the root of a user
 * namespace only. So there the shim makes itself one, in which the VMM and its helpers live too;
 * whoever comes later, another shim or a `delete`, enters that. Whoever has these rights, root or
 * the root of an engine's own user namespace (rootless podman), stays where it is.
 *
 * The ids in it are those of user-ids.h: a file of the user's belongs to root in the guest.
 */
bool rights_are_missing(void);

/* Whether this process has rights, and not those over its pid namespace: an engine's user
 * namespace. Engines enter the mount and pid namespaces of the pid that they know, as podman does
 * to copy files, and there they could enter a shim's only if it has a pid namespace of its own. */
bool rights_want_pid_namespace(void);

/* Makes the user namespace and enters it. For a process of one thread. */
int rights_make(struct error *err);

/* Enters the one that owns the namespace at @path, or that @fd is. 1, or 0 where nothing is missing
 * or nothing would be gained: it is our own, or above it. */
int rights_enter(const char *path, struct error *err);
int rights_enter_by_fd(int fd, struct error *err);
