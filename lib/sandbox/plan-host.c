/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/sandbox.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/str.h"
#include "lib/sandbox/plan-internal.h"
#include "oci/config.h"

/* On top of the guest's RAM: the VMM itself, virtiofsd, the page tables; and the code that an
 * emulating VMM has translated (HV_TRANSLATION_MIB). A limit for when something goes wrong; the
 * guest's own use never meets it. */
#define VMM_OVERHEAD_MIB 256

static char character[] = "c", block[] = "b";

/* A guest can make device nodes on the shared root file system. What the VMM cannot open there,
 * it cannot be made to open. */
#define MISC_DEVICE(number)                                                                        \
	{                                                                                          \
		.allow = true, .type = character, .major = { 10, true }, .minor = { number, true } \
	}
static struct oci_device_rule vmm_devices[] = {
	{ .allow = false },
	MISC_DEVICE(200), /* net/tun: the shim's; without rights over a network it is nothing */
	MISC_DEVICE(232), /* kvm */
	MISC_DEVICE(238), /* vhost-net */
	MISC_DEVICE(241), /* vhost-vsock */
	{ 0 },		  /* the guest's disks, which it has anyway */
	{ 0 },
};
#define FIRST_DISK_RULE (ARRAY_SIZE(vmm_devices) - SANDBOX_DISKS_MAX)

static struct oci_memory host_memory(const struct oci_config *config, uint32_t memory_mib)
{
	const struct oci_memory *memory = &config->linux_.resources.memory;
	struct sandbox_size size = sandbox_size_for(&config, 1);
	uint64_t mib = size.memory_mib > memory_mib ? size.memory_mib : memory_mib;

	if (!memory->limit.is_set || memory->limit.value <= 0)
		return (struct oci_memory){ 0 };
	mib += VMM_OVERHEAD_MIB + HV_TRANSLATION_MIB;
	return (struct oci_memory){ .limit = { (int64_t)(mib << 20), true } };
}

/* How many rules there are then. */
static size_t allow_disks(const struct oci_config *config)
{
	const char *const disks[SANDBOX_DISKS_MAX] = {
		config->vm && config->vm->image ? config->vm->image->path : NULL,
		config->root.path,
	};
	size_t count = FIRST_DISK_RULE;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		if (disks[i] && *disks[i] == '/' && stat(disks[i], &st) == 0 && S_ISBLK(st.st_mode))
			vmm_devices[count++] = (struct oci_device_rule){
				.allow = true,
				.type = block,
				.major = { major(st.st_rdev), true },
				.minor = { minor(st.st_rdev), true },
			};
	return count;
}

/* How many processes the container has is the guest's business: here they are threads of a VMM.
 * Keys for cgroup v2 alone mean the container, too. */
struct oci_resources sandbox_host_resources(const struct oci_config *config, uint32_t memory_mib,
					    bool is_booting)
{
	struct oci_resources res = {
		.devices = vmm_devices,
		.devices_count = allow_disks(config),
		.memory = host_memory(config, memory_mib),
		.cpu = config->linux_.resources.cpu,
		.block_io = config->linux_.resources.block_io,
	};

	if (is_booting) {
		res.cpu.quota.is_set = false;
		res.cpu.period.is_set = false;
		res.cpu.burst.is_set = false;
	}
	return res;
}
