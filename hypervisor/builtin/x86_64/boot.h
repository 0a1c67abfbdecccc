/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct guest_memory;

/*
 * Puts a kernel and what it starts with into a guest's memory, which is as new (all zeroes).
 * Kernels are the operator's; but whatever is in the files, nothing is written outside of the
 * memory. Where ACPI's tables are is told, not whether they are there (acpi.h).
 */
struct boot_image {
	int kernel_fd; /* ELF with a PVH note, or a bzImage with a 64-bit entry */
	int initrd_fd; /* -1: none */
	const char *command_line;
};

enum boot_protocol {
	BOOT_PVH,     /* 32-bit protected mode, flat; the address is in rbx */
	BOOT_LINUX64, /* long mode with LAYOUT_PAGE_TABLES and LAYOUT_GDT; it is in rsi */
};

struct boot_entry {
	enum boot_protocol protocol;
	uint64_t instruction;
	uint64_t info;
};

int boot_load(const struct boot_image *image, const struct guest_memory *memory,
	      struct boot_entry *ret, struct error *err);
