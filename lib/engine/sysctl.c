/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/sysctl.h"

#include <errno.h>
#include <sched.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/procfs.h"

/* clang-format off */
static const struct owner {
	const char *path; /* with '/' at the end: everything below */
	int flag;
	const char *kind;
} owners[] = {
	{ "fs/mqueue/",              CLONE_NEWIPC,  "ipc" },
	{ "kernel/domainname",       CLONE_NEWUTS,  "uts" },
	{ "kernel/msgmax",           CLONE_NEWIPC,  "ipc" },
	{ "kernel/msgmnb",           CLONE_NEWIPC,  "ipc" },
	{ "kernel/msgmni",           CLONE_NEWIPC,  "ipc" },
	{ "kernel/sem",              CLONE_NEWIPC,  "ipc" },
	{ "kernel/shm_rmid_forced",  CLONE_NEWIPC,  "ipc" },
	{ "kernel/shmall",           CLONE_NEWIPC,  "ipc" },
	{ "kernel/shmmax",           CLONE_NEWIPC,  "ipc" },
	{ "kernel/shmmni",           CLONE_NEWIPC,  "ipc" },
	{ "net/",                    CLONE_NEWNET,  "network" },
	/* Namespaces have them of their own, but whoever writes the host's opens it to all. */
	{ "user/",                   CLONE_NEWUSER, "user" },
};
/* clang-format on */

char *sysctl_path(const char *name)
{
	char *path = xstrdup(name);
	const char *first = path + strcspn(path, "./");

	if (*first == '/')
		return path;
	for (char *p = path; *p; p++) {
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	}
	return path;
}

static bool matches(const char *path, const char *owner)
{
	return str_ends_with(owner, "/") ? str_after(path, owner) != NULL : streq(path, owner);
}

static const struct owner *find_owner(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
		if (matches(path, owners[i].path))
			return &owners[i];
	return NULL;
}

/* "net/../vm/swappiness" is no setting of the network's. */
static bool is_straight(const char *path)
{
	cleanup_strv char **names = strv_split(path, '/');

	strv_each(name, names)
		if (!*name || is_dots(name))
			return false;
	return true;
}

int sysctl_check(const char *name, int private_flags, struct error *err)
{
	cleanup_free char *path = sysctl_path(name);
	const struct owner *owner = is_straight(path) ? find_owner(path) : NULL;

	if (streq(path, "kernel/hostname"))
		return error_set(err, -EINVAL, "sysctl \"%s\" conflicts with 'hostname'", name);
	if (!owner)
		return error_set(err, -EINVAL,
				 "sysctl \"%s\" is not in a separate kernel namespace", name);
	if (!(private_flags & owner->flag))
		return error_set(err, -EINVAL,
				 "sysctl \"%s\" is not allowed in the host's %s namespace", name,
				 owner->kind);
	return 0;
}

int sysctls_check(const struct string_map *sysctls, int private_flags, struct error *err)
{
	for (size_t i = 0; i < sysctls->count; i++) {
		int r = sysctl_check(sysctls->items[i].key, private_flags, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The kernel lets a user namespace mount a proc only while it sees one without anything over it,
 * which a host that is a container itself may not have; and AppArmor there knows no path of files
 * on a mount that is nowhere. What is below sys is the same on any proc: the settings of the
 * namespaces of whoever writes. */
static int write_on_host(const char *path, const char *value)
{
	cleanup_fd int procfs = procfs_open_host();

	return procfs < 0 ? procfs : procfs_write(procfs, path, value);
}

static int write_one(int procfs, const char *path, const char *value)
{
	int r = procfs >= 0 ? procfs_write(procfs, path, value) : procfs;

	return r == -EPERM || r == -EACCES ? write_on_host(path, value) : r;
}

int sysctls_write(const struct string_map *sysctls, struct error *err)
{
	cleanup_fd int procfs = -1;

	if (!sysctls->count)
		return 0;
	procfs = procfs_open();
	if (procfs < 0 && procfs != -EPERM && procfs != -EACCES)
		return error_sys(err, procfs, "mount a private proc");
	for (size_t i = 0; i < sysctls->count; i++) {
		const struct string_pair *pair = &sysctls->items[i];
		cleanup_free char *path = sysctl_path(pair->key);
		cleanup_free char *full = xasprintf("sys/%s", path);
		int r = write_one(procfs, full, pair->value);

		if (r < 0)
			return error_sys(err, r, "set sysctl \"%s\" to \"%s\"", pair->key,
					 pair->value);
	}
	return 0;
}
