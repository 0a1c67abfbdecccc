/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;

/* Standard input, output and error of a process in a container. */

/* @fds become 0, 1 and 2, whichever they are; the array is changed. */
int standard_fds_place(int fds[3], struct error *err);

/* Those that are the host's /dev/null become the container's: through /proc/self/fd the host's
 * inode could be opened again, and its owner and mode be changed. A container without one keeps
 * what it was given. */
void standard_fds_reopen_null(void);

/* They belong to @uid, so that it can open /dev/stdout and the like. */
int standard_fds_own(uid_t uid, struct error *err);
