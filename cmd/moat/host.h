/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;
struct globals;
struct settings;

/* What commands that tell of this host and of its users have in common. */

/* A user's name, or "#UID"; free(3) it. */
char *user_name(uid_t uid);

/* "CAP_CHOWN" …: those that both the library and the running kernel know; a strv. */
char **capability_names(void);

/* Directory of the guest image that a new virtual machine boots. *ret_origin: the variable that
 * says so, or NULL; may be NULL. free(3) the directory. */
char *host_image_dir(const struct settings *settings, const char **ret_origin);

/* What a container without a word of its own gets: enum isolation. */
int host_isolation(const struct globals *globals, const struct settings *settings, int *ret,
		   struct error *err);
