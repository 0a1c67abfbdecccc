/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Becomes root of the user namespace that this process has just entered, with no groups but its
 * root's, unless @keeps_groups. Where setgroups(2) is denied (user_namespaces(7)) the caller's
 * other groups stay, which that file is for. 0 or -errno; -EINVAL: the namespace has no root. */
int ids_become_root(bool keeps_groups);

/* SIGKILL when the parent dies. A change of user and the joining of a user namespace undo it. If
 * it died before this, whoever waits for its messages sees their end. 0 or -errno. */
int ids_die_with_parent(void);
