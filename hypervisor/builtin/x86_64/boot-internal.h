/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/x86_64/boot.h"

/* For the loaders of the formats. */
struct boot {
	const struct boot_image *image;
	const struct guest_memory *memory;
	uint64_t low_end; /* of the memory that begins at 0 */
	uint64_t kernel_size;

	/* Where the initial file system is; nowhere: both 0. */
	uint64_t initrd, initrd_size;

	struct boot_entry entry;
};

enum { BOOT_RAM = 1, BOOT_RESERVED = 2 }; /* as E820 and PVH have them */
struct boot_range {
	uint64_t begin, size;
	uint32_t type;
};
#define BOOT_RANGES_MAX (GUEST_MEMORY_REGIONS_MAX + 2)
size_t boot_ranges(const struct boot *b, struct boot_range *ret);

/* @len bytes of the kernel's file. -ENODATA: it ends before. */
int boot_read(const struct boot *b, uint64_t offset, void *buf, size_t len);
/* The same into guest memory. @what: "segment". */
int boot_read_to(const struct boot *b, uint64_t offset, uint64_t address, uint64_t len,
		 const char *what, struct error *err);
/* Whether a kernel, or a part of one, may be there. */
bool boot_is_place(const struct boot *b, uint64_t address, uint64_t size);

/* The initial file system and the command line, for a kernel whose last byte is before @kernel_end,
 * and that reads neither at @initrd_limit and beyond nor more than @line_max characters. */
int boot_put_rest(struct boot *b, uint64_t kernel_end, uint64_t initrd_limit, size_t line_max,
		  struct error *err);

int boot_elf(struct boot *b, struct error *err);
int boot_bzimage(struct boot *b, struct error *err);
