/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/process-plan.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/linux/caps.h"
#include "lib/linux/lsm.h"

static uint64_t plan_set(char *const *names, uint64_t available, uint64_t *warned)
{
	uint64_t set = 0;

	strv_each(name, names) {
		int number = caps_number(name);

		if (number < 0) {
			log_warning("process.capabilities: unknown capability '%s' ignored", name);
		} else if (available >> number & 1) {
			set |= UINT64_C(1) << number;
		} else if (!(*warned >> number & 1)) {
			*warned |= UINT64_C(1) << number;
			log_warning("process.capabilities: '%s' is not available, ignored", name);
		}
	}
	return set;
}

static void plan_caps(const struct oci_capabilities *caps, uint64_t available,
		      struct process_plan *plan)
{
	uint64_t warned = 0;

	if (!caps)
		return;
	plan->has_caps = true;
	plan->bounding = plan_set(caps->bounding, available, &warned);
	plan->effective = plan_set(caps->effective, available, &warned);
	plan->permitted = plan_set(caps->permitted, available, &warned);
	plan->inheritable = plan_set(caps->inheritable, available, &warned);
	plan->ambient = plan_set(caps->ambient, available, &warned);
}

/* The kernel's rule, told in the configuration's words instead of an EPERM out of nowhere. Ambient
 * capabilities that are not inheritable are common in templates, and nobody minds: the set cannot
 * have them, so they are left out. */
static int fit_caps(struct process_plan *plan, struct error *err)
{
	if (plan->effective & ~plan->permitted)
		return error_set(err, -EINVAL,
				 "process.capabilities.effective: not a subset of permitted");
	plan->ambient &= plan->permitted & plan->inheritable;
	return 0;
}

static int check_rlimits(const struct oci_process *process, struct error *err)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < process->rlimits_count; i++) {
		const struct oci_rlimit *limit = &process->rlimits[i];

		if (limit->type < 0 || limit->type >= OCI_RLIMIT_COUNT)
			return error_set(err, -EINVAL, "process.rlimits[%zu].type: missing", i);
		if (seen & 1u << limit->type)
			return error_set(err, -EINVAL, "process.rlimits[%zu]: given twice", i);
		if (limit->soft > limit->hard)
			return error_set(err, -EINVAL,
					 "process.rlimits[%zu]: soft limit over hard limit", i);
		seen |= 1u << limit->type;
	}
	return 0;
}

/* A label that is asked for and cannot be given would be a wall that is not there. */
static int check_labels(const struct oci_process *process, struct error *err)
{
	const char *profile = process->apparmor_profile;

	if (profile && *profile && !lsm_has_apparmor())
		return error_set(err, -EOPNOTSUPP,
				 "process.apparmorProfile: '%s' given, but AppArmor is not enabled",
				 profile);
	if (profile && *profile && !streq(profile, "unconfined"))
		return error_set(err, -EOPNOTSUPP, "process.apparmorProfile: not supported");
	if (!process->selinux_label || !*process->selinux_label)
		return 0;
	if (!lsm_has_selinux())
		return error_set(err, -EOPNOTSUPP,
				 "process.selinuxLabel: given, but SELinux is not enabled");
	return error_set(err, -EOPNOTSUPP, "process.selinuxLabel: not supported");
}

static int check(const struct oci_process *process, struct error *err)
{
	int r;

	if (!process->args || !process->args[0])
		return error_set(err, -EINVAL, "process.args: args must not be empty");
	if (!process->cwd || !*process->cwd)
		return error_set(err, -EINVAL, "process.cwd: Cwd property must not be empty");
	if (*process->cwd != '/')
		return error_set(err, -EINVAL, "process.cwd: Cwd must be an absolute path");
	if (process->user.umask.is_set && process->user.umask.value > 0777)
		return error_set(err, -EINVAL, "process.user.umask: over 0777");
	r = check_labels(process, err);
	return r < 0 ? r : check_rlimits(process, err);
}

int process_plan(const struct oci_process *process, const struct oci_seccomp *seccomp,
		 uint64_t available, struct process_plan *ret, struct error *err)
{
	struct process_plan plan = { .process = process, .seccomp = seccomp };
	int r = 0;

	if (seccomp)
		r = filter_plan(seccomp, &plan.filter, err);
	if (r < 0)
		return r;
	if (process) {
		r = check(process, err);
		if (r < 0)
			return r;
		plan_caps(process->capabilities, available, &plan);
		r = fit_caps(&plan, err);
		if (r == 0)
			r = environment_plan(process->env, &plan.env, err);
		if (r < 0)
			return r;
	}
	*ret = plan;
	return 0;
}

void process_plan_done(struct process_plan *plan)
{
	strv_free(plan->env);
	plan->env = NULL;
}
