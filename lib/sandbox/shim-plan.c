/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/str.h"
#include "lib/sandbox/creation.h"
#include "lib/sandbox/shim.h"
#include "lib/sandbox/wishes.h"
#include "oci/config.h"

/* moat.json and annotations size what the container leaves open. */
static void apply_sizes(struct creation *c)
{
	const struct oci_resources *resources = &c->config->linux_.resources;
	const struct settings_vm *vm = &c->settings.vm;
	const struct oci_vm_hw_config *hw = c->config->vm ? c->config->vm->hw_config : NULL;

	if (vm->memory_mib.is_set && resources->memory.limit.value <= 0 &&
	    !(hw && hw->memory.is_set))
		c->plan->size.memory_mib = vm->memory_mib.value;
	if (vm->vcpus.is_set && resources->cpu.quota.value <= 0 && !(hw && hw->vcpus.is_set))
		c->plan->size.vcpus = vm->vcpus.value;
}

int creation_plan(struct creation *c, enum sandbox_role role, enum sandbox_files files,
		  struct error *err)
{
	if (c->config->process && c->config->process->terminal && c->options->console_fd < 0)
		return error_set(err, -EINVAL, "process.terminal: no console socket to send it to");
	return sandbox_plan_new(c->record.id, role, files, c->record.bundle, c->config, &c->plan,
				err);
}

int creation_plan_sandbox(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct oci_vm *vm = c->config->vm;
	const char *program = vm && vm->hypervisor ? vm->hypervisor->path : NULL;
	bool shares_nothing = false;
	int r = wishes_apply(c->config, &c->settings, err);

	if (r == 0)
		r = vm_shares_nothing(&c->settings.vm, program, &shares_nothing, err);
	if (r == 0)
		r = creation_plan(c, SANDBOX_OWNER,
				  shares_nothing ? SANDBOX_COPIED : SANDBOX_SHARED, err);
	if (r < 0)
		return r;
	apply_sizes(c);
	c->vm_dir = xasprintf("%s/" SHIM_VM_DIR, state_dir_path(c->dir));
	if (!shares_nothing)
		c->shared_dir = xasprintf("%s/" SHIM_SHARED_DIR, c->vm_dir);
	return 0;
}

int creation_plan_member(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r;

	c->vm_dir = xasprintf("%s/%s/" SHIM_VM_DIR, c->options->root, c->record.sandbox);
	if (files_are_shared(c->vm_dir))
		c->shared_dir = xasprintf("%s/" SHIM_SHARED_DIR, c->vm_dir);
	r = creation_plan(c, SANDBOX_MEMBER, c->shared_dir ? SANDBOX_SHARED : SANDBOX_COPIED, err);
	if (r == 0 && c->plan->disks_count && c->record.disk)
		sandbox_plan_name_disk(c->plan, c->record.disk);
	return r;
}
