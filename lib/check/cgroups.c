/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "lib/check/check-internal.h"
#include "lib/linux/cgroupfs.h"

/* What limits of containers are made of. */
static const char *const wanted[] = { "cpu", "memory", "pids" };

struct hierarchies {
	struct cgroupfs_mount *mounts;
	size_t count;
	bool has_v1, has_v2;
};

static void done(struct hierarchies *h)
{
	cgroupfs_free_mounts(h->mounts, h->count);
}
#define cleanup_hierarchies CLEANUP(done)

static bool read_hierarchies(const struct check *c, struct hierarchies *ret)
{
	cleanup_free char *text = check_host_read(c, "/proc/self/mountinfo");

	*ret = (struct hierarchies){ NULL };
	if (!text || cgroupfs_parse_mounts(text, &ret->mounts, &ret->count) < 0)
		return false;
	for (size_t i = 0; i < ret->count; i++) {
		ret->has_v2 |= ret->mounts[i].is_v2;
		ret->has_v1 |= !ret->mounts[i].is_v2;
	}
	return true;
}

static void check_version(struct check *c)
{
	cleanup_hierarchies struct hierarchies h = { NULL };

	if (!read_hierarchies(c, &h))
		check_lacks(c, xstrdup("mount -t cgroup2 cgroup2 /sys/fs/cgroup"),
			    "no cgroup file system is mounted");
	else if (h.has_v1)
		check_ok(c, h.has_v2 ? "v1, and v2 beside it" : "v1");
	else
		check_ok(c, "v2");
}

static bool is_controlled(const struct hierarchies *h, char *const *v2, const char *controller)
{
	for (size_t i = 0; i < h->count; i++)
		if (strv_has(h->mounts[i].options, controller))
			return true;
	return strv_has(v2, controller);
}

/* The root's, or a user's own, which has those that were delegated. */
static char *controllers_path(const struct check *c)
{
	cleanup_free char *text = check_host_read(c, "/proc/self/cgroup");
	cleanup_strv char **lines = text ? strv_split(text, '\n') : NULL;

	strv_each(line, lines) {
		const char *own = str_after(line, "0::");

		if (own && c->host->is_rootless)
			return xasprintf(CGROUPFS_DIR "%s/cgroup.controllers", own);
	}
	return xstrdup(CGROUPFS_DIR "/cgroup.controllers");
}

static void check_controllers(struct check *c)
{
	cleanup_hierarchies struct hierarchies h = { NULL };
	cleanup_free char *path = controllers_path(c);
	cleanup_free char *text = check_host_read(c, path);
	cleanup_strv char **v2 = text ? strv_split(text, ' ') : NULL;
	cleanup_strv char **lacking = NULL;
	cleanup_free char *list = NULL;

	if (!read_hierarchies(c, &h))
		return; /* which the line before this one says */
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!is_controlled(&h, v2, wanted[i]))
			strv_push(&lacking, xstrdup(wanted[i]));
	if (!lacking) {
		check_ok(c, "cpu, memory, pids");
		return;
	}
	list = strv_join(lacking, ", ");
	check_warn(
		c,
		xstrdup(c->host->is_rootless
				? "systemctl edit user@.service: [Service] Delegate=cpu cpuset io memory pids"
				: "boot with 'cgroup_enable=memory', or a kernel that has them"),
		"no limits of: %s", list);
}

static void check_systemd(struct check *c)
{
	if (check_host_can(c, "/run/systemd/system", F_OK))
		check_ok(c, "systemd can make them (--cgroup-manager systemd)");
	else
		check_ok(c, "no systemd here: moat makes them itself");
}

static const struct check_spec specs[] = {
	{ "version", check_version },
	{ "controllers", check_controllers },
	{ "manager", check_systemd },
};
const struct check_field check_cgroups = CHECK_FIELD("cgroups", specs);
