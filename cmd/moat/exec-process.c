/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/exec-process.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "oci/config.h"

static void replace(char **slot, const char *value)
{
	free(*slot);
	*slot = xstrdup(value);
}

int exec_parse_user(const char *text, uid_t *ret_uid, gid_t *ret_gid, struct error *err)
{
	cleanup_strv char **parts = strv_split(text, ':');
	size_t count = strv_len(parts);
	uint32_t uid, gid = *ret_gid;

	/* (uid_t)-1 means "leave it" to setresuid(2): it would be the runtime's own user. */
	if (count < 1 || count > 2 || parse_u32(parts[0], &uid) < 0 || uid == (uid_t)-1)
		return error_set(err, -EINVAL, "invalid user '%s': want UID or UID:GID in numbers",
				 text);
	if (count == 2 && (parse_u32(parts[1], &gid) < 0 || gid == (gid_t)-1))
		return error_set(err, -EINVAL,
				 "invalid group in user '%s': want UID:GID in numbers", text);
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

static int change_user(struct oci_user *user, const struct exec_changes *changes, struct error *err)
{
	if (changes->user) {
		int r = exec_parse_user(changes->user, &user->uid, &user->gid, err);

		if (r < 0)
			return r;
	}
	strv_each(text, changes->additional_gids) {
		uint32_t gid;

		if (parse_u32(text, &gid) < 0 || gid == (gid_t)-1)
			return error_set(err, -EINVAL, "invalid additional group '%s'", text);
		user->additional_gids =
			xrealloc(user->additional_gids, user->additional_gids_count + 1,
				 sizeof(*user->additional_gids));
		user->additional_gids[user->additional_gids_count++] = gid;
	}
	return 0;
}

/* A variable that is there already is replaced: which of two wins is the program's choice, not
 * ours. */
static void set_variable(char ***env, const char *assignment, size_t name_len)
{
	for (char **e = *env; e && *e; e++) {
		if (strncmp(*e, assignment, name_len + 1) == 0) {
			replace(e, assignment);
			return;
		}
	}
	strv_push(env, xstrdup(assignment));
}

static int change_env(struct oci_process *process, const struct exec_changes *changes,
		      struct error *err)
{
	strv_each(assignment, changes->env) {
		size_t name_len = strcspn(assignment, "=");

		if (!name_len)
			return error_set(err, -EINVAL,
					 "invalid environment variable '%s': name cannot be empty",
					 assignment);
		if (!assignment[name_len])
			return error_set(err, -EINVAL,
					 "invalid environment variable '%s': missing '='",
					 assignment);
		set_variable(&process->env, assignment, name_len);
	}
	return 0;
}

static void add_capability(char ***set, const char *name)
{
	if (!strv_has(*set, name))
		strv_push(set, xstrdup(name));
}

static int change_capabilities(struct oci_process *process, const struct exec_changes *changes,
			       struct error *err)
{
	strv_each(name, changes->capabilities) {
		struct oci_capabilities *caps;

		if (!str_after(name, "CAP_"))
			return error_set(err, -EINVAL,
					 "invalid capability '%s': want a name like CAP_CHOWN",
					 name);
		if (!process->capabilities)
			process->capabilities = xcalloc(1, sizeof(*process->capabilities));
		caps = process->capabilities;
		add_capability(&caps->bounding, name);
		add_capability(&caps->effective, name);
		add_capability(&caps->permitted, name);
		if (strv_has(caps->inheritable, name))
			add_capability(&caps->ambient, name);
	}
	return 0;
}

static int check(const struct oci_process *process, struct error *err)
{
	if (!process->args || !process->args[0])
		return error_set(err, -EINVAL, "no command given: args must not be empty");
	if (!process->cwd || !*process->cwd)
		return error_set(err, -EINVAL, "Cwd property must not be empty");
	if (*process->cwd != '/')
		return error_set(err, -EINVAL, "Cwd must be an absolute path: '%s'", process->cwd);
	return 0;
}

int exec_process_change(struct oci_process *process, const struct exec_changes *changes,
			struct error *err)
{
	int r;

	if (changes->args && changes->args[0]) {
		strv_free(process->args);
		process->args = strv_copy(changes->args);
	}
	if (changes->cwd)
		replace(&process->cwd, changes->cwd);
	if (changes->apparmor_profile)
		replace(&process->apparmor_profile, changes->apparmor_profile);
	if (changes->selinux_label)
		replace(&process->selinux_label, changes->selinux_label);
	process->terminal |= changes->has_terminal;
	process->no_new_privileges |= changes->no_new_privileges;
	r = change_user(&process->user, changes, err);
	if (r == 0)
		r = change_env(process, changes, err);
	if (r == 0)
		r = change_capabilities(process, changes, err);
	return r == 0 ? check(process, err) : r;
}
