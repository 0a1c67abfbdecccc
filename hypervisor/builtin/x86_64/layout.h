/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Where things are in a guest's physical addresses. Memory begins at 0 and has a hole in front of
 * 4 GiB, where devices are; what does not fit below the hole goes on behind it.
 */
enum {
	/* Read by a kernel in its first moments, and its own to use after that. */
	LAYOUT_GDT = 0x500,
	LAYOUT_START_INFO = 0x6000,  /* PVH */
	LAYOUT_BOOT_PARAMS = 0x7000, /* bzImage */
	LAYOUT_PAGE_TABLES = 0x9000,
	LAYOUT_COMMAND_LINE = 0x20000,
	LAYOUT_LOW_END = 0x9fc00, /* to a PC's kernel everything behind it belongs to a BIOS */

	LAYOUT_ACPI = 0xe0000,
	LAYOUT_ACPI_END = 0x100000,
	LAYOUT_KERNEL = 0x100000, /* none may be loaded below */

	/* Of the 64-bit entry, whose page tables reach that far. */
	LAYOUT_MAPPED = 0x40000000,
};

#define LAYOUT_HOLE UINT64_C(0xc0000000)
#define LAYOUT_HOLE_END UINT64_C(0x100000000)

#define LAYOUT_VIRTIO UINT64_C(0xd0000000)
#define LAYOUT_VIRTIO_SIZE 0x1000u
#define LAYOUT_IOAPIC 0xfec00000u
#define LAYOUT_LAPIC 0xfee00000u
#define LAYOUT_IDENTITY_MAP UINT64_C(0xfffbc000) /* a page for KVM on older Intel processors */
#define LAYOUT_TSS UINT64_C(0xfffbd000)		 /* and three more */

/* The interrupt chip has 24 inputs, of which the lowest are a PC's own. */
#define LAYOUT_SERIAL_GSI 4u
#define LAYOUT_VIRTIO_GSI 5u
#define LAYOUT_GSI_COUNT 24u
#define LAYOUT_VIRTIO_MAX (LAYOUT_GSI_COUNT - LAYOUT_VIRTIO_GSI)

#define LAYOUT_SERIAL_PORT 0x3f8u
/* What ACPI names for power off and reset; no kernel looks for anything else there. */
#define LAYOUT_SLEEP_PORT 0x600u
#define LAYOUT_SLEEP_STATUS_PORT 0x601u
#define LAYOUT_RESET_PORT 0x602u
#define LAYOUT_RESET_VALUE 1u
