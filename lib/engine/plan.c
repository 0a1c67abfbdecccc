/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/plan.h"

#include <errno.h>
#include <sched.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/engine.h"
#include "lib/engine/net-devices.h"
#include "lib/engine/sysctl.h"
#include "lib/linux/lsm.h"
#include "oci/annotations.h"

static int plan_rootfs(const struct engine_container *c, struct container_plan *plan,
		       struct error *err)
{
	const char *path = c->config->root.path;

	if (!path || !*path)
		return error_set(err, -EINVAL, "root.path: missing");
	plan->rootfs = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", c->bundle, path);
	return 0;
}

/* As crun has it: where SELinux is not in force a label has no meaning, and is none. */
int mount_context_plan(const struct oci_config *config, struct mount_context *ret,
		       struct error *err)
{
	static const char key[] = "run.oci.mount_context_type";
	static const char *const options[] = { "context", "fscontext", "defcontext",
					       "rootcontext" };
	const char *wanted = oci_annotation(config, key);
	const char *label = config->linux_.mount_label;

	if (!label || !*label)
		return 0;
	if (!lsm_has_selinux()) {
		log_warning("linux.mountLabel: SELinux is not enabled, ignored");
		return 0;
	}
	ret->label = label;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (!wanted || streq(options[i], wanted)) {
			ret->label_option = options[i];
			return 0;
		}
	return error_set(err, -EINVAL, "annotations: %s: unknown value '%s'", key, wanted);
}

static int plan_mounts(const struct oci_config *config, struct container_plan *plan,
		       struct error *err)
{
	struct mount_context context = { .linux_ = &config->linux_ };
	int label = mount_context_plan(config, &context, err);

	if (label < 0)
		return label;
	plan->mounts = xcalloc(config->mounts_count + 1, sizeof(*plan->mounts));
	for (size_t i = 0; i < config->mounts_count; i++) {
		int r = mount_plan(&context, &config->mounts[i], i, &plan->mounts[i], err);

		if (r < 0)
			return r;
		plan->mounts_count++;
	}
	return 0;
}

static int check_terminal(const struct engine_container *c, struct error *err)
{
	bool wants = c->config->process && c->config->process->terminal;

	if (wants && c->console_socket < 0)
		return error_set(err, -EINVAL, "process.terminal: there is no console socket");
	if (!wants && c->console_socket >= 0)
		return error_set(err, -EINVAL,
				 "process.terminal: console socket given, but no terminal wanted");
	return 0;
}

static int plan_process(const struct engine_container *c, uint64_t available,
			struct container_plan *plan, struct error *err)
{
	const struct oci_config *config = c->config;
	const struct process_request request = {
		.process = config->process,
		.linux_ = &config->linux_,
		.available = available,
		.is_in_user_ns = namespaces_have_user(&plan->namespaces),
		.keeps_groups = process_keeps_groups(config, c->is_guest),
	};

	return process_plan(&request, &plan->process, err);
}

static int plan_delegate(const struct engine_container *c, struct container_plan *plan,
			 struct error *err)
{
	static const char key[] = "run.oci.delegate-cgroup";
	int r = oci_annotation_cgroup(c->config, key, &plan->delegate, err);

	if (r < 0 || !plan->delegate)
		return r;
	if (!c->cgroup)
		return error_set(err, -EINVAL, "annotation %s: the container has no cgroup", key);
	if (c->cgroup->layout != CGROUP_LAYOUT_V2)
		return error_set(err, -EOPNOTSUPP,
				 "annotation %s: delegation is not safe on cgroup v1", key);
	return 0;
}

int container_plan(const struct engine_container *c, uint64_t available, struct container_plan *ret,
		   struct error *err)
{
	const struct oci_config *config = c->config;
	const struct oci_linux *l = &config->linux_;
	int r;

	*ret = (struct container_plan){ 0 };
	if (!config->process && c->start_fd < 0)
		return error_set(err, -EINVAL, "process: missing");
	r = plan_rootfs(c, ret, err);
	if (r == 0)
		r = namespaces_plan(config, &ret->namespaces, err);
	if (r == 0)
		r = plan_delegate(c, ret, err);
	if (r == 0)
		r = propagation_plan(l->rootfs_propagation, &ret->propagation, err);
	if (r == 0)
		r = plan_mounts(config, ret, err);
	if (r == 0)
		r = devices_plan(config, &ret->devices, err);
	if (r == 0)
		r = check_terminal(c, err);
	if (r == 0)
		r = plan_process(c, available, ret, err);
	return r;
}

void container_plan_done(struct container_plan *plan)
{
	for (size_t i = 0; i < plan->mounts_count; i++)
		mount_plan_done(&plan->mounts[i]);
	free(plan->mounts);
	free(plan->rootfs);
	free(plan->delegate);
	devices_plan_done(&plan->devices);
	process_plan_done(&plan->process);
	*plan = (struct container_plan){ 0 };
}

int container_plan_check(const struct engine_container *c, const struct container_plan *plan,
			 struct error *err)
{
	const struct oci_config *config = c->config;
	int private_flags = plan->namespaces.private_flags;
	int r;

	/* The network is the VM's, hence the container's, without a namespace in between. */
	if (c->is_guest)
		private_flags |= CLONE_NEWNET;
	if ((config->hostname || config->domainname) && !(private_flags & CLONE_NEWUTS))
		return error_set(err, -EINVAL, "unable to set %s without a private UTS namespace",
				 config->hostname ? "hostname" : "domainname");
	r = net_devices_check(&config->linux_, &plan->namespaces, err);
	return r < 0 ? r : sysctls_check(&config->linux_.sysctl, private_flags, err);
}
