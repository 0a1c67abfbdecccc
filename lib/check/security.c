/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "lib/check/check-internal.h"

#define LIST "/sys/kernel/security/lsm"

static void check_modules(struct check *c)
{
	cleanup_free char *list = check_host_read(c, LIST);

	if (list)
		check_ok(c, "%s", list);
	else
		check_warn(c, xstrdup("mount -t securityfs securityfs /sys/kernel/security"),
			   "'" LIST "' cannot be read, so profiles and labels cannot be told");
}

static void check_apparmor(struct check *c)
{
	cleanup_free char *enabled = check_host_read(c, "/sys/module/apparmor/parameters/enabled");

	if (streq_null(enabled, "Y"))
		check_ok(c, "in force: native containers get their profiles");
	else
		check_ok(c, "not in force: profiles are left out, with a warning");
}

static void check_selinux(struct check *c)
{
	cleanup_free char *enforcing = check_host_read(c, "/sys/fs/selinux/enforce");

	if (!enforcing)
		check_ok(c, "not in force: labels are refused");
	else
		check_ok(c, streq(enforcing, "1") ? "enforcing" : "permissive");
}

static const struct check_spec specs[] = {
	{ "modules", check_modules },
	{ "AppArmor", check_apparmor },
	{ "SELinux", check_selinux },
};
const struct check_field check_security = CHECK_FIELD("security", specs);
