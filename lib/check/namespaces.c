/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "lib/check/check-internal.h"

static void check_kinds(struct check *c)
{
	static const char *const kinds[] = { "mnt", "pid",  "net",    "ipc",
					     "uts", "user", "cgroup", "time" };
	cleanup_strv char **lacking = NULL;
	cleanup_free char *list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cleanup_free char *path = xasprintf("/proc/self/ns/%s", kinds[i]);

		if (!check_host_can(c, path, F_OK))
			strv_push(&lacking, xstrdup(kinds[i]));
	}
	if (!lacking) {
		check_ok(c, "mnt, pid, net, ipc, uts, user, cgroup, time");
		return;
	}
	list = strv_join(lacking, ", ");
	/* Without the newest containers run that do not ask for them. */
	if (streq(list, "time"))
		check_warn(c, xstrdup("boot a kernel with CONFIG_TIME_NS"),
			   "the kernel has no time namespaces");
	else
		check_lacks(c, xstrdup("boot a kernel with CONFIG_NAMESPACES and all below it"),
			    "the kernel lacks: %s", list);
}

/* Settings of the kernel, and of distributions' kernels, by which users may not make them. */
static const struct {
	const char *path;
	const char *bad;
	const char *cure;
} switches[] = {
	{ "/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
	  "sysctl kernel.unprivileged_userns_clone=1" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
	  "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for moat" },
};

static void check_users(struct check *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		cleanup_free char *value = check_host_read(c, switches[i].path);

		if (!streq_null(value, switches[i].bad))
			continue;
		(c->host->is_rootless ? check_lacks : check_warn)(
			c, xstrdup(switches[i].cure), "users cannot make user namespaces: %s is %s",
			switches[i].path, switches[i].bad);
		return;
	}
	check_ok(c, "users can make user namespaces");
}

static bool has_line_of(const char *text, const char *user)
{
	cleanup_strv char **lines = text ? strv_split(text, '\n') : NULL;

	strv_each(line, lines) {
		const char *rest = str_after(line, user);

		if (rest && *rest == ':')
			return true;
	}
	return false;
}

/* A user's containers have more than one id only by these. */
static void check_ids(struct check *c)
{
	cleanup_free char *uids = check_host_read(c, "/etc/subuid");
	cleanup_free char *gids = check_host_read(c, "/etc/subgid");
	const char *user = c->host->user;

	if (!c->host->is_rootless || !user)
		return;
	if (!has_line_of(uids, user) || !has_line_of(gids, user)) {
		check_warn(
			c,
			xasprintf(
				"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
				user),
			"/etc/subuid and /etc/subgid give '%s' no ids: containers have one", user);
		return;
	}
	if (!check_host_can(c, "/usr/bin/newuidmap", X_OK) ||
	    !check_host_can(c, "/usr/bin/newgidmap", X_OK)) {
		check_warn(c, check_install(c, PACKAGE_UIDMAP),
			   "no newuidmap and newgidmap: containers have one id");
		return;
	}
	check_ok(c, "more ids for '%s' by newuidmap", user);
}

static const struct check_spec specs[] = {
	{ "kinds", check_kinds },
	{ "users", check_users },
	{ "ids", check_ids },
};
const struct check_field check_namespaces = CHECK_FIELD("namespaces", specs);
