/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct guest_memory;

/*
 * What a guest learns of its machine: processors, the interrupt chip, the serial port, virtio-mmio
 * devices, how it powers off and resets. Hardware-reduced ACPI: of all that a PC has there is
 * nothing that a kernel would have to look for. The kernel's command line could name the devices
 * too, but distributions build without that, and without tables for several processors but these.
 */
struct acpi_device {
	uint64_t address; /* LAYOUT_VIRTIO_SIZE bytes, below 4 GiB */
	uint32_t gsi;
};

struct acpi_machine {
	uint32_t vcpus; /* at most ACPI_VCPUS_MAX */
	const struct acpi_device *devices;
	size_t devices_count;
};

/* Local APIC ids are bytes, of which the highest means all. */
#define ACPI_VCPUS_MAX 254u

/* Writes the tables at LAYOUT_ACPI, where their root pointer is then, too. */
int acpi_write(const struct acpi_machine *machine, const struct guest_memory *memory,
	       struct error *err);
