/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/labels.h"

#include <errno.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/linux/apparmor.h"
#include "lib/linux/selinux.h"
#include "oci/config.h"

static bool is_given(const char *label)
{
	return label && *label;
}

int labels_plan(const struct oci_process *process, bool has_apparmor, bool has_selinux,
		struct labels_plan *ret, struct error *err)
{
	const char *profile = process->apparmor_profile;
	const char *label = process->selinux_label;
	struct labels_plan plan = { NULL, NULL };

	if (is_given(profile) && has_apparmor)
		plan.apparmor = profile;
	else if (is_given(profile) && !streq(profile, "unconfined"))
		log_warning("process.apparmorProfile: AppArmor is not enabled, '%s' is ignored",
			    profile);
	if (is_given(label) && has_selinux)
		plan.selinux = label;
	else if (is_given(label))
		return error_set(err, -EOPNOTSUPP,
				 "process.selinuxLabel: '%s' given, but SELinux is not enabled",
				 label);
	if (plan.selinux && selinux_check(plan.selinux) < 0)
		return error_set(err, -EINVAL,
				 "process.selinuxLabel: the policy of this host has no '%s'",
				 plan.selinux);
	*ret = plan;
	return 0;
}

void labels_close(struct labels *labels)
{
	close_fdp(&labels->apparmor_fd);
	close_fdp(&labels->selinux_fd);
	close_fdp(&labels->key_fd);
	*labels = (struct labels)LABELS_INIT;
}

static int check_open(int fd, const char *what, struct error *err)
{
	if (fd == -EXDEV)
		return error_set(err, fd, "%s: something is mounted inside /proc", what);
	return fd < 0 ? error_sys(err, fd, "%s: open `/proc/thread-self/attr/exec`", what) : 0;
}

int labels_open(const struct labels_plan *plan, int procfs_fd, struct labels *ret,
		struct error *err)
{
	int r = 0;

	if (plan->apparmor) {
		ret->apparmor_fd = apparmor_open_exec(procfs_fd);
		r = check_open(ret->apparmor_fd, "process.apparmorProfile", err);
	}
	if (r < 0 || !plan->selinux)
		return r;
	ret->selinux_fd = selinux_open(procfs_fd, SELINUX_EXEC);
	r = check_open(ret->selinux_fd, "process.selinuxLabel", err);
	if (r < 0)
		return r;
	ret->key_fd = selinux_open(procfs_fd, SELINUX_KEY_CREATE);
	return check_open(ret->key_fd, "process.selinuxLabel", err);
}

int labels_begin_keys(const struct labels_plan *plan, const struct labels *labels,
		      struct error *err)
{
	int r = labels->key_fd >= 0 ? selinux_write(labels->key_fd, plan->selinux) : 0;

	return r < 0 ? error_sys(err, r, "process.selinuxLabel: label keys with '%s'",
				 plan->selinux)
		     : 0;
}

int labels_end_keys(const struct labels *labels, struct error *err)
{
	int r = labels->key_fd >= 0 ? selinux_write(labels->key_fd, NULL) : 0;

	return r < 0 ? error_sys(err, r, "process.selinuxLabel: no longer label keys") : 0;
}

/* podman looks for the path in backticks, and takes "no such file" for a missing program. */
static int apply_apparmor(const char *profile, int fd, struct error *err)
{
	int r = apparmor_write_exec(fd, profile);

	if (r == -ENOENT)
		return error_set(
			err, r,
			"process.apparmorProfile: profile '%s' is not loaded: write `/proc/thread-self/attr/apparmor/exec`",
			profile);
	return r < 0 ? error_sys(
			       err, r,
			       "process.apparmorProfile: '%s': write `/proc/thread-self/attr/apparmor/exec`",
			       profile)
		     : 0;
}

static int apply_selinux(const char *label, int fd, struct error *err)
{
	int r = selinux_write(fd, label);

	return r < 0 ? error_sys(err, r,
				 "process.selinuxLabel: '%s': write `/proc/thread-self/attr/exec`",
				 label)
		     : 0;
}

int labels_apply(const struct labels_plan *plan, struct labels *labels, struct error *err)
{
	int r = plan->apparmor ? apply_apparmor(plan->apparmor, labels->apparmor_fd, err) : 0;

	if (r == 0 && plan->selinux)
		r = apply_selinux(plan->selinux, labels->selinux_fd, err);
	labels_close(labels);
	return r;
}
