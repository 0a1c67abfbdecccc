/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A process and all that it started, as far as they are its children still; none when it has ended.
 * *ret: free(3). What is found is true of a moment that has passed. */
void process_tree(pid_t root, pid_t **ret, size_t *ret_count);

/* What a "children" of /proc lists, by its path at @dirfd, as a strv of pids. */
char **process_children(int dirfd, const char *path);

/* Bytes of memory that they have resident, added up: what they share counts for each. */
uint64_t process_memory(const pid_t *pids, size_t count);

/* Its arguments as a strv, or NULL. A process may write there what it likes. */
char **process_arguments(pid_t pid);
