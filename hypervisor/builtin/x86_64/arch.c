/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/arch.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hypervisor/builtin/bus.h"
#include "hypervisor/builtin/kvm.h"
#include "hypervisor/builtin/x86_64/acpi.h"
#include "hypervisor/builtin/x86_64/boot.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"

_Static_assert(ARCH_VIRTIO_MAX == LAYOUT_VIRTIO_MAX, "an interrupt for each");
_Static_assert(ARCH_VIRTIO_WINDOW == LAYOUT_VIRTIO_SIZE, "one word for one thing");
_Static_assert(ARCH_SERIAL_ADDRESS == LAYOUT_SERIAL_PORT, "one word for one thing");
_Static_assert(ARCH_SERIAL_GSI == LAYOUT_SERIAL_GSI, "one word for one thing");
_Static_assert(ARCH_VCPUS_MAX == ACPI_VCPUS_MAX, "each has an entry in the tables");

size_t arch_ranges(uint64_t bytes, struct arch_range ret[static ARCH_RANGES_MAX])
{
	if (bytes <= LAYOUT_HOLE) {
		ret[0] = (struct arch_range){ 0, bytes };
		return 1;
	}
	ret[0] = (struct arch_range){ 0, LAYOUT_HOLE };
	ret[1] = (struct arch_range){ LAYOUT_HOLE_END, bytes - LAYOUT_HOLE };
	return 2;
}

uint64_t arch_virtio_address(size_t index)
{
	return LAYOUT_VIRTIO + index * LAYOUT_VIRTIO_SIZE;
}

uint32_t arch_virtio_gsi(size_t index)
{
	return (uint32_t)(LAYOUT_VIRTIO_GSI + index);
}

/* ACPI 6.5, 4.8.3.7: the kind of sleep in the bits 2 to 4, and bit 5 begins it. */
static void write_power(void *ctx, uint64_t offset, const void *data, size_t size)
{
	const struct arch_power_handler *handler = ctx;
	const uint8_t value = *(const uint8_t *)data;

	(void)size;
	if (offset == LAYOUT_SLEEP_PORT - LAYOUT_SLEEP_PORT && value & 1 << 5)
		handler->fn(handler->ctx, ARCH_POWER_OFF);
	if (offset == LAYOUT_RESET_PORT - LAYOUT_SLEEP_PORT && value == LAYOUT_RESET_VALUE)
		handler->fn(handler->ctx, ARCH_POWER_RESET);
}

static void read_power(void *ctx, uint64_t offset, void *data, size_t size)
{
	(void)ctx;
	(void)offset;
	memset(data, 0, size);
}

int arch_add_power(struct bus *ports, const struct arch_power_handler *handler)
{
	const struct bus_device device = {
		.read = read_power,
		.write = write_power,
		.ctx = (void *)handler,
	};

	return bus_add(ports, LAYOUT_SLEEP_PORT, LAYOUT_RESET_PORT + 1 - LAYOUT_SLEEP_PORT,
		       &device);
}

int arch_load(const struct arch_guest *guest, const struct guest_memory *memory,
	      struct arch_entry *ret, struct error *err)
{
	const struct boot_image image = {
		.kernel_fd = guest->kernel_fd,
		.initrd_fd = guest->initrd_fd,
		.command_line = guest->command_line,
	};
	struct acpi_device devices[LAYOUT_VIRTIO_MAX];
	struct acpi_machine machine = { .vcpus = guest->vcpus, .devices = devices };
	struct boot_entry entry;
	int r;

	for (size_t i = 0; i < guest->virtio_count && i < LAYOUT_VIRTIO_MAX; i++)
		devices[i] = (struct acpi_device){ arch_virtio_address(i), arch_virtio_gsi(i) };
	machine.devices_count = guest->virtio_count;
	r = acpi_write(&machine, memory, err);
	if (r == 0)
		r = boot_load(&image, memory, &entry, err);
	if (r < 0)
		return r;
	*ret = (struct arch_entry){ entry.protocol, entry.instruction, entry.info };
	return 0;
}

int arch_make_chip(const struct kvm *kvm, struct error *err)
{
	const __u64 identity_map = LAYOUT_IDENTITY_MAP;

	if (ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return error_sys(err, errno, "place the identity map");
	if (ioctl(kvm->vm, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return error_sys(err, errno, "place the task state");
	if (ioctl(kvm->vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_sys(err, errno, "make the interrupt chip");
	return 0;
}
