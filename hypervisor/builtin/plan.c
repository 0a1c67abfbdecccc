/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/builtin-internal.h"
#include "hypervisor/builtin/virtio/fs.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/* Of devices that every machine has: randomness, balloon, vsock. */
#define FIXED_DEVICES 3

/* No PCI, and one serial port: a kernel need not look for more. */
#define MACHINE_WORDS "pci=off 8250.nr_uarts=1 "

static size_t fixed_devices(const struct hv_config *c)
{
	return FIXED_DEVICES + (c->share != HV_SHARE_NONE);
}

/* Each costs its guest a millisecond and up to 2 MiB of memory that it touches. */
#define SPARES_MAX 4

size_t builtin_spares(const struct hv_config *c)
{
	const size_t taken = fixed_devices(c) + c->disks_count + c->nics_count;
	size_t count = HV_DISKS_MAX - c->disks_count;

	if (!c->has_disk_slots)
		return 0;
	if (count > ARCH_VIRTIO_MAX - taken)
		count = ARCH_VIRTIO_MAX - taken;
	return count < SPARES_MAX ? count : SPARES_MAX;
}

char *builtin_command_line(const struct hv_config *config)
{
	cleanup_free char *line = hv_kernel_command_line(config);

	return xasprintf(MACHINE_WORDS "%s", line);
}

/* One that takes devices from the command line takes them from ACPI, too; images that were made
 * before somebody asked say only so much. */
static bool finds_devices(const struct guest_image *guest)
{
	return guest->has_acpi_mmio || (guest->has_acpi && guest->has_mmio);
}

static int refuse(const struct hv_config *c, struct error *err)
{
	const size_t fixed = fixed_devices(c);
	const struct {
		bool is_so;
		const char *text;
	} reasons[] = {
		{ c->accel != HV_ACCEL_KVM, "runs by KVM alone" },
		{ c->program != NULL, "is no program of its own" },
		{ c->program_args && *c->program_args, "takes no parameters" },
		{ c->is_restored && c->share != HV_SHARE_NONE,
		  "does not go on from a machine that shares files" },
		{ c->memory && c->has_hugepages, "takes a file or huge pages as memory" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].is_so)
			return error_set(err, -ENOTSUP, "the built-in VMM %s", reasons[i].text);
	if (!finds_devices(c->guest))
		return error_set(err, -ENOTSUP, "guest kernel '%s': no virtio-mmio by ACPI",
				 c->guest->release);
	if (c->share != HV_SHARE_NONE && !c->guest->has_virtiofs)
		return error_set(err, -ENOTSUP, "guest kernel '%s': no virtiofs",
				 c->guest->release);
	if (c->share != HV_SHARE_NONE && strlen(c->share_tag) > VIRTIO_FS_TAG_MAX)
		return error_set(err, -ENAMETOOLONG, "share '%s': its name is too long",
				 c->share_tag);
	if (c->vcpus > ARCH_VCPUS_MAX)
		return error_set(err, -ERANGE, "vcpus: %u are more than %d", c->vcpus,
				 ARCH_VCPUS_MAX);
	if (fixed + c->disks_count + c->nics_count > ARCH_VIRTIO_MAX)
		return error_set(err, -ERANGE,
				 "disks and network interfaces: %zu are more than %zu",
				 c->disks_count + c->nics_count, ARCH_VIRTIO_MAX - fixed);
	return 0;
}

static void plan_memory(const struct hv_config *c, char ***argv)
{
	const char *kind = "";

	if (c->memory)
		kind = c->memory->is_private ? ",private" : ",shared";
	else if (c->has_hugepages)
		kind = ",hugepages";
	strv_pushf(argv, "memory=%uM%s%s", c->memory_mib, kind,
		   c->is_preallocated ? ",preallocated" : "");
}

static void plan_disks(const struct hv_config *c, char ***argv)
{
	for (size_t i = 0; i < c->disks_count; i++)
		strv_pushf(argv, "disk=%s,fd=%d%s", c->disks[i].id, c->disks[i].fd,
			   c->disks[i].is_readonly ? ",readonly" : "");
}

static void plan_nics(const struct hv_config *c, char ***argv)
{
	for (size_t i = 0; i < c->nics_count; i++) {
		const struct hv_nic *nic = &c->nics[i];

		strv_pushf(argv, "nic=%02x:%02x:%02x:%02x:%02x:%02x,fd=%d", nic->mac[0],
			   nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5],
			   nic->fd);
	}
}

/* Nothing is executed: the words say what the machine is made of, to people and to who compares. */
int builtin_plan(const struct hv_config *c, char ***ret_argv, struct error *err)
{
	cleanup_free char *line = NULL;
	char **argv = NULL;
	int r = hv_check_config(&hypervisor_builtin, c, err);

	if (r == 0)
		r = refuse(c, err);
	if (r < 0)
		return r;
	line = builtin_command_line(c);
	strv_push(&argv, xstrdup("builtin"));
	plan_memory(c, &argv);
	strv_pushf(&argv, "vcpus=%u", c->vcpus);
	strv_pushf(&argv, "kernel=%s", c->guest->kernel);
	if (c->guest->initrd)
		strv_pushf(&argv, "initrd=%s", c->guest->initrd);
	strv_pushf(&argv, "append=%s", line);
	strv_pushf(&argv, "vsock=%s", c->channel_path);
	if (c->share != HV_SHARE_NONE)
		strv_pushf(&argv, "files=%s,path=%s", c->share_tag, c->share_path);
	plan_disks(c, &argv);
	plan_nics(c, &argv);
	if (builtin_spares(c))
		strv_pushf(&argv, "slots=%zu", builtin_spares(c));
	*ret_argv = argv;
	return 0;
}
