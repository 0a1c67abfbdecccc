/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct oci_process;

/* What the command line of `exec` says about the process; NULL, false: nothing. */
struct exec_changes {
	const char *user; /* UID[:GID], numbers only */
	const char *cwd;
	char **env;
	char **additional_gids;
	char **capabilities;
	const char *apparmor_profile;
	const char *selinux_label;
	bool has_terminal;
	bool no_new_privileges;
	char *const *args; /* empty: leave the process's own */
};

/* Changes @process, a container's own or a document's, into what the command line asks for. Pure.
 * Nothing is guessed: a user that is not two clean numbers is refused, since the alternative is
 * to run as somebody else. Capabilities never become inheritable, and ambient only where they are
 * inheritable already, so that a program without file capabilities gains none on execve(2). */
int exec_process_change(struct oci_process *process, const struct exec_changes *changes,
			struct error *err);

/* "UID" or "UID:GID"; without a group *ret_gid is left as it is. */
int exec_parse_user(const char *text, uid_t *ret_uid, gid_t *ret_gid, struct error *err);
