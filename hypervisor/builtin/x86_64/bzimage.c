/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "hypervisor/builtin/x86_64/boot-internal.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/*
 * A compressed kernel and its 64-bit entry: Documentation/arch/x86/boot.rst of Linux. Only the part
 * behind the real-mode code is loaded, to where it prefers to be, so that it need not move itself.
 */

#define SECTOR 512
#define ENTRY_64 0x200 /* behind the beginning of what is loaded */
#define OLDEST_VERSION 0x020c
#define HEADER_MAGIC 0x53726448 /* "HdrS" */
#define BOOT_FLAG 0xaa55
#define LOADER_UNKNOWN 0xff
#define LINE_MAX_CHARS 2047

/* A header ends where its jump leads to: behind it are instructions. */
static void cut_header(struct setup_header *header)
{
	const size_t begin = offsetof(struct setup_header, header);
	const size_t len = begin + (header->jump >> 8);

	if (len < sizeof(*header))
		memset((char *)header + len, 0, sizeof(*header) - len);
}

static int read_header(const struct boot *b, struct setup_header *ret, struct error *err)
{
	struct setup_header header = { 0 };

	if (boot_read(b, offsetof(struct boot_params, hdr), &header, sizeof(header)) < 0)
		return error_set(err, -ENODATA, "the file is too short for a kernel");
	if (header.boot_flag != BOOT_FLAG || header.header != HEADER_MAGIC)
		return error_set(err, -ENOEXEC, "neither an ELF file nor a bzImage");
	if (header.version < OLDEST_VERSION || !(header.loadflags & LOADED_HIGH) ||
	    !(header.xloadflags & XLF_KERNEL_64))
		return error_set(err, -ENOTSUP, "no 64-bit entry in its bzImage");
	cut_header(&header);
	*ret = header;
	return 0;
}

static int load(struct boot *b, const struct setup_header *header, struct error *err)
{
	uint64_t offset = (header->setup_sects ? header->setup_sects + 1u : 5u) * SECTOR;
	uint64_t size = b->kernel_size > offset ? b->kernel_size - offset : 0;
	uint64_t needed = header->init_size > size ? header->init_size : size;

	if (size <= ENTRY_64)
		return error_set(err, -ENODATA, "the bzImage ends before its kernel");
	if (!boot_is_place(b, header->pref_address, needed) ||
	    header->pref_address + needed > LAYOUT_MAPPED)
		return error_set(err, -ENOSPC,
				 "the guest has no memory for it, %llu KiB from 0x%llx",
				 (unsigned long long)needed >> 10,
				 (unsigned long long)header->pref_address);
	return boot_read_to(b, offset, header->pref_address, size, "bzImage", err);
}

static void describe_memory(const struct boot *b, struct boot_params *params)
{
	struct boot_range ranges[BOOT_RANGES_MAX];
	size_t count = boot_ranges(b, ranges);

	_Static_assert(BOOT_RANGES_MAX <= E820_MAX_ENTRIES_ZEROPAGE, "all fit");
	for (size_t i = 0; i < count; i++)
		params->e820_table[i] = (struct boot_e820_entry){
			.addr = ranges[i].begin,
			.size = ranges[i].size,
			.type = ranges[i].type,
		};
	params->e820_entries = (__u8)count;
}

static int write_params(const struct boot *b, const struct setup_header *header, struct error *err)
{
	struct boot_params params = { .hdr = *header };

	params.hdr.type_of_loader = LOADER_UNKNOWN;
	params.hdr.cmd_line_ptr = LAYOUT_COMMAND_LINE;
	params.hdr.ramdisk_image = (__u32)b->initrd;
	params.hdr.ramdisk_size = (__u32)b->initrd_size;
	params.acpi_rsdp_addr = LAYOUT_ACPI;
	describe_memory(b, &params);
	if (!guest_memory_write(b->memory, LAYOUT_BOOT_PARAMS, &params, sizeof(params)))
		return error_set(err, -EFAULT, "boot parameters: no memory for them");
	return 0;
}

/* Whatever is read and written before it has tables of its own. */
static int write_tables(const struct boot *b, struct error *err)
{
	enum { TABLE_SIZE = 4096, ENTRIES = 512 };
	enum { PRESENT_WRITABLE = 0x3, LARGE = 0x80 };
	static const uint64_t gdt[] = {
		0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, /* code at 0x10, data at 0x18 */
	};
	const uint64_t upper = (LAYOUT_PAGE_TABLES + TABLE_SIZE) | PRESENT_WRITABLE;
	const uint64_t middle = (LAYOUT_PAGE_TABLES + 2 * TABLE_SIZE) | PRESENT_WRITABLE;
	uint64_t pages[ENTRIES];
	bool is_written;

	_Static_assert(LAYOUT_MAPPED == ENTRIES << 21, "one table of pages of 2 MiB");
	for (uint64_t i = 0; i < ENTRIES; i++)
		pages[i] = i << 21 | LARGE | PRESENT_WRITABLE;
	is_written = guest_memory_write(b->memory, LAYOUT_GDT, gdt, sizeof(gdt)) &&
		     guest_memory_write(b->memory, LAYOUT_PAGE_TABLES, &upper, sizeof(upper)) &&
		     guest_memory_write(b->memory, LAYOUT_PAGE_TABLES + TABLE_SIZE, &middle,
					sizeof(middle)) &&
		     guest_memory_write(b->memory, LAYOUT_PAGE_TABLES + 2 * TABLE_SIZE, pages,
					sizeof(pages));
	return is_written ? 0 : error_set(err, -EFAULT, "page tables: no memory for them");
}

static size_t line_max(const struct setup_header *header)
{
	return header->cmdline_size < LINE_MAX_CHARS ? header->cmdline_size : LINE_MAX_CHARS;
}

int boot_bzimage(struct boot *b, struct error *err)
{
	struct setup_header header;
	int r = read_header(b, &header, err);

	if (r == 0)
		r = load(b, &header, err);
	if (r == 0)
		r = boot_put_rest(b, header.pref_address + header.init_size,
				  (uint64_t)header.initrd_addr_max + 1, line_max(&header), err);
	if (r == 0)
		r = write_params(b, &header, err);
	if (r == 0)
		r = write_tables(b, err);
	if (r < 0)
		return r;
	b->entry = (struct boot_entry){ BOOT_LINUX64, header.pref_address + ENTRY_64,
					LAYOUT_BOOT_PARAMS };
	return 0;
}
