/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Gives this process a session keyring that is not its parent's: a new one, or the one of this
 * name if there is one that its user may search (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING). Then
 * whoever joins later may find it: processes of the same user, or, with @is_for_others, of any,
 * for user namespaces, where the user who enters is not the one who made it. 0 or -errno. */
int keyring_join(const char *name, bool is_for_others);
