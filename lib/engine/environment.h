/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct error;

/* process.env as execve(2) takes it: of several with one name the last wins, at the place of the
 * first. Refuses entries without a name or '='. Pure; strv_free() the result. */
int environment_plan(char *const *env, char ***ret, struct error *err);

/* The value of @name in @env, or NULL. */
const char *environment_get(char *const *env, const char *name);

/* Home directory of @uid by the text of a passwd(5) file, or NULL. free(3) it. */
char *environment_find_home(const char *passwd, uid_t uid);

/* The login name, likewise. */
char *environment_find_name(const char *passwd, uid_t uid);

/* Adds HOME if it is missing or empty: from /etc/passwd of the root this process is in, which is
 * the container's and not trusted, else "/". */
void environment_add_home(char ***env, uid_t uid);

/* The protocol of sd_listen_fds(3) for a process whose descriptors 3 … 2+@count are passed sockets;
 * @names may be NULL. To be called by the process itself: its pid is part of it. */
void environment_add_listen(char ***env, unsigned int count, const char *names);
