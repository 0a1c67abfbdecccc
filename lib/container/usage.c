/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/usage.h"

#include "hypervisor/hypervisor.h"
#include "lib/base/str.h"
#include "lib/container/container.h"
#include "lib/linux/process-tree.h"
#include "lib/sandbox/shim.h"

/* "kvm" of "-accel kvm,…", which every QEMU of ours has. */
static char *find_accelerator(char *const *arguments)
{
	for (; *arguments && arguments[1]; arguments++)
		if (streq(*arguments, "-accel"))
			return xstrndup(arguments[1], strcspn(arguments[1], ","));
	return NULL;
}

static char *describe_vmm(const char *root, const char *id, const pid_t *pids, size_t count)
{
	cleanup_free char *dir = xasprintf("%s/%s/" SHIM_VM_DIR, root, id);
	cleanup_free char *control = NULL;
	const struct hypervisor *driver;

	if (hypervisor_running(dir, &driver, &control, NULL) < 0)
		return NULL;
	if (!(driver->features & HV_FEATURE_TCG))
		return xasprintf("%s/kvm", driver->name);
	for (size_t i = 0; i < count; i++) {
		cleanup_strv char **arguments = process_arguments(pids[i]);
		cleanup_free char *accelerator = arguments ? find_accelerator(arguments) : NULL;

		if (accelerator)
			return xasprintf("%s/%s", driver->name, accelerator);
	}
	return NULL;
}

static void use_of_vm(const char *root, const struct record *record, struct container_usage *ret)
{
	cleanup_free pid_t *pids = NULL;
	size_t count;

	process_tree((pid_t)record->pid, &pids, &count);
	ret->memory = process_memory(pids, count);
	if (record->sandbox && !streq(record->sandbox, record->id))
		ret->vmm = xasprintf("in %s", record->sandbox);
	else
		ret->vmm = describe_vmm(root, record->id, pids, count);
}

static void use_of_native(const char *root, const struct record *record,
			  struct container_usage *ret)
{
	cleanup_free pid_t *pids = NULL;
	size_t count;

	if (container_pids(root, record->id, &pids, &count, NULL) == 0)
		ret->memory = process_memory(pids, count);
}

void container_usage(const char *root, const struct container_info *info,
		     struct container_usage *ret)
{
	const struct record *record = &info->record;

	*ret = (struct container_usage){ NULL };
	if (info->status == OCI_STATUS_STOPPED || !record->pid)
		return;
	if (record->isolation == ISOLATION_VM)
		use_of_vm(root, record, ret);
	else
		use_of_native(root, record, ret);
}
