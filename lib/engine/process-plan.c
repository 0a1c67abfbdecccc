/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/process-plan.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/engine/rlimits.h"
#include "lib/linux/caps.h"
#include "lib/linux/lsm.h"
#include "oci/annotations.h"

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

static void tell_of_ambient(uint64_t left_out)
{
	for (unsigned int number = 0; number < 64; number++)
		if (left_out >> number & 1)
			log_info(
				"process.capabilities.ambient: '%s' is not both permitted and inheritable, ignored",
				caps_name(number));
}

/* The kernel's rules, told in the configuration's words instead of an EPERM out of nowhere. That
 * the ambient set cannot have what is not inheritable is told to who asks for such words: buildah
 * lists it for every step of a build, whose output this would be in, and runc ran them all for
 * years. */
static int fit_caps(struct process_plan *plan, struct error *err)
{
	uint64_t fitting = plan->permitted & plan->inheritable;

	if (plan->effective & ~plan->permitted)
		return error_set(err, -EINVAL,
				 "process.capabilities.effective: not a subset of permitted");
	tell_of_ambient(plan->ambient & ~fitting);
	plan->ambient &= fitting;
	return 0;
}

static int plan_labels(const struct oci_process *process, struct process_plan *plan,
		       struct error *err)
{
	/* Looking costs system calls, and most processes have no label. */
	bool has_apparmor = process->apparmor_profile && lsm_has_apparmor();
	bool has_selinux = process->selinux_label && lsm_has_selinux();

	return labels_plan(process, has_apparmor, has_selinux, &plan->labels, err);
}

static int check(const struct oci_process *process, struct error *err)
{
	if (!process->args || !process->args[0])
		return error_set(err, -EINVAL, "process.args: args must not be empty");
	if (!process->cwd || !*process->cwd)
		return error_set(err, -EINVAL, "process.cwd: Cwd property must not be empty");
	if (*process->cwd != '/')
		return error_set(err, -EINVAL, "process.cwd: Cwd must be an absolute path");
	if (process->user.umask.is_set && process->user.umask.value > 0777)
		return error_set(err, -EINVAL, "process.user.umask: over 0777");
	return rlimits_check(process, err);
}

/* The container's first process is not meant (config.md#configLinuxProcess, execCPUAffinity). */
static int plan_scheduling(const struct process_request *request, struct process_plan *plan,
			   struct error *err)
{
	int r = scheduling_plan(request->process, request->linux_, &plan->scheduling, err);

	plan->scheduling.is_guest = request->is_guest;
	if (r == 0 && !request->is_entering) {
		id_set_done(&plan->scheduling.cpus_initial);
		id_set_done(&plan->scheduling.cpus_final);
	}
	return r;
}

static int plan_all(const struct process_request *request, struct process_plan *plan,
		    struct error *err)
{
	const struct oci_process *process = request->process;
	int r;

	if (!process)
		return 0;
	if (plan->seccomp) {
		r = filter_plan(plan->seccomp, &plan->filter, err);
		if (r < 0)
			return r;
	}
	r = check(process, err);
	if (r < 0)
		return r;
	plan_caps(process->capabilities, request->available, plan);
	r = fit_caps(plan, err);
	if (r == 0)
		r = plan_labels(process, plan, err);
	if (r == 0)
		r = plan_scheduling(request, plan, err);
	return r == 0 ? environment_plan(process->env, &plan->env, err) : r;
}

/* In a guest there is no caller who could have groups. */
bool process_keeps_groups(const struct oci_config *config, bool is_guest)
{
	return !is_guest && oci_annotation_is_true(config, "run.oci.keep_original_groups");
}

int process_plan(const struct process_request *request, struct process_plan *ret, struct error *err)
{
	struct process_plan plan = {
		.process = request->process,
		.seccomp = request->process ? request->linux_->seccomp : NULL,
		.is_in_user_ns = request->is_in_user_ns,
		.keeps_groups = request->keeps_groups,
	};
	int r = plan_all(request, &plan, err);

	if (r < 0) {
		process_plan_done(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

void process_plan_done(struct process_plan *plan)
{
	scheduling_plan_done(&plan->scheduling);
	strv_free(plan->env);
	plan->env = NULL;
}

void process_inherit(const struct oci_process *process, const struct oci_process *own,
		     struct oci_process *ret)
{
	*ret = *process;
	if (!own)
		return;
	if (!ret->capabilities)
		ret->capabilities = own->capabilities;
	if (!ret->rlimits_count) {
		ret->rlimits = own->rlimits;
		ret->rlimits_count = own->rlimits_count;
	}
	if (!ret->apparmor_profile)
		ret->apparmor_profile = own->apparmor_profile;
	if (!ret->selinux_label)
		ret->selinux_label = own->selinux_label;
	if (!ret->oom_score_adj.is_set)
		ret->oom_score_adj = own->oom_score_adj;
	if (!ret->scheduler)
		ret->scheduler = own->scheduler;
	if (!ret->io_priority)
		ret->io_priority = own->io_priority;
	if (!ret->exec_cpu_affinity)
		ret->exec_cpu_affinity = own->exec_cpu_affinity;
	if (!ret->user.umask.is_set)
		ret->user.umask = own->user.umask;
}
