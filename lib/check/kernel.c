/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "lib/check/check-internal.h"

/* Oldest kernel with all that is used without asking first: pidfds of waitable processes (5.4),
 * openat2(2) and clone3(2) into a cgroup (5.7), close_range(2) (5.9). */
#define OLDEST_MAJOR 5
#define OLDEST_MINOR 10

static void check_release(struct check *c)
{
	cleanup_free char *release = check_host_read(c, "/proc/sys/kernel/osrelease");
	unsigned int major, minor;

	if (!release || sscanf(release, "%u.%u", &major, &minor) != 2) {
		check_warn(c, xstrdup("mount -t proc proc /proc"), "/proc does not tell");
		return;
	}
	if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR)) {
		check_lacks(c, xasprintf("boot Linux %d.%d or newer", OLDEST_MAJOR, OLDEST_MINOR),
			    "Linux %s is too old", release);
		return;
	}
	check_ok(c, "Linux %s", release);
}

static void check_seccomp(struct check *c)
{
	if (check_host_can(c, "/proc/sys/kernel/seccomp/actions_avail", F_OK))
		check_ok(c, "filters of system calls");
	else
		check_lacks(c, xstrdup("boot a kernel with CONFIG_SECCOMP_FILTER"),
			    "the kernel has no filters of system calls");
}

static const struct check_spec specs[] = {
	{ "release", check_release },
	{ "seccomp", check_seccomp },
};
const struct check_field check_kernel = CHECK_FIELD("kernel", specs);
