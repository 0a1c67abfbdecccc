/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/sysctl.h"

#include <errno.h>
#include <sched.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/procfs.h"

/* clang-format off */
static const struct {
	const char *path; /* with '/' at the end: everything below */
	int flag;
} owners[] = {
	{ "fs/mqueue/",              CLONE_NEWIPC },
	{ "kernel/domainname",       CLONE_NEWUTS },
	{ "kernel/msgmax",           CLONE_NEWIPC },
	{ "kernel/msgmnb",           CLONE_NEWIPC },
	{ "kernel/msgmni",           CLONE_NEWIPC },
	{ "kernel/sem",              CLONE_NEWIPC },
	{ "kernel/shm_rmid_forced",  CLONE_NEWIPC },
	{ "kernel/shmall",           CLONE_NEWIPC },
	{ "kernel/shmmax",           CLONE_NEWIPC },
	{ "kernel/shmmni",           CLONE_NEWIPC },
	{ "net/",                    CLONE_NEWNET },
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

int sysctl_check(const char *name, int private_flags, struct error *err)
{
	cleanup_free char *path = sysctl_path(name);

	if (streq(path, "kernel/hostname"))
		return error_set(err, -EINVAL, "sysctl \"%s\" conflicts with 'hostname'", name);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		if (!matches(path, owners[i].path))
			continue;
		if (private_flags & owners[i].flag)
			return 0;
		break;
	}
	return error_set(err, -EINVAL, "sysctl \"%s\" is not in a separate kernel namespace", name);
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

int sysctls_write(const struct string_map *sysctls, struct error *err)
{
	cleanup_fd int procfs = -1;

	if (!sysctls->count)
		return 0;
	procfs = procfs_open();
	if (procfs < 0)
		return error_sys(err, procfs, "mount a private proc");
	for (size_t i = 0; i < sysctls->count; i++) {
		const struct string_pair *pair = &sysctls->items[i];
		cleanup_free char *path = sysctl_path(pair->key);
		cleanup_free char *full = xasprintf("sys/%s", path);
		int r = procfs_write(procfs, full, pair->value);

		if (r < 0)
			return error_sys(err, r, "set sysctl \"%s\" to \"%s\"", pair->key,
					 pair->value);
	}
	return 0;
}
