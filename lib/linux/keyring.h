/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Gives this process a session keyring of its own, so that it does not share its parent's
 * (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING). @name: NULL for one without. 0 or -errno. */
int keyring_join_new(const char *name);
