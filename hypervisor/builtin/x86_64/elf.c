/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "hypervisor/builtin/x86_64/boot-internal.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

/*
 * An uncompressed kernel (vmlinux) and its PVH entry: Xen's x86/HVM direct boot ABI, which a note
 * of the file offers and whose structures are in xen/include/public/arch-x86/hvm/start_info.h.
 */

#define SEGMENTS_MAX 64
#define NOTES_MAX_BYTES 65536
#define NOTE_PVH_ENTRY 18   /* XEN_ELFNOTE_PHYS32_ENTRY */
#define LINE_MAX_CHARS 2047 /* COMMAND_LINE_SIZE of Linux */

#define START_INFO_MAGIC 0x336ec578
enum { MODULES_AT = LAYOUT_START_INFO + 0x100, RANGES_AT = LAYOUT_START_INFO + 0x200 };

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t modules_count;
	uint64_t modules;
	uint64_t command_line;
	uint64_t rsdp;
	uint64_t ranges; /* since version 1, as is what follows */
	uint32_t ranges_count;
	uint32_t reserved;
};

struct module {
	uint64_t address;
	uint64_t size;
	uint64_t command_line;
	uint64_t reserved;
};

struct range {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct elf {
	struct boot *boot;
	Elf64_Phdr segments[SEGMENTS_MAX];
	size_t segments_count;
	uint64_t end;	/* behind the last byte that is loaded */
	uint64_t entry; /* 0: no note said one */
};

static int read_header(struct elf *e, struct error *err)
{
	Elf64_Ehdr header;

	if (boot_read(e->boot, 0, &header, sizeof(header)) < 0)
		return error_set(err, -ENODATA, "elf header: the file ends before it");
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64)
		return error_set(err, -ENOEXEC, "elf header: not of an x86_64 kernel");
	if (header.e_phentsize != sizeof(Elf64_Phdr) || !header.e_phnum ||
	    header.e_phnum > SEGMENTS_MAX)
		return error_set(err, -ENOEXEC, "elf header: no segments, or not as a kernel's");
	e->segments_count = header.e_phnum;
	if (boot_read(e->boot, header.e_phoff, e->segments,
		      e->segments_count * sizeof(Elf64_Phdr)) < 0)
		return error_set(err, -ENODATA, "elf segments: the file ends before them");
	return 0;
}

/* What a segment has more of memory than of the file is zero already. */
static int load_segment(struct elf *e, const Elf64_Phdr *segment, struct error *err)
{
	if (!segment->p_memsz)
		return 0;
	if (segment->p_filesz > segment->p_memsz)
		return error_set(err, -ENOEXEC, "segment: larger in the file than in memory");
	if (!boot_is_place(e->boot, segment->p_paddr, segment->p_memsz))
		return error_set(err, -ENOSPC,
				 "segment: the guest has no memory for it, from 0x%llx to 0x%llx",
				 (unsigned long long)segment->p_paddr,
				 (unsigned long long)(segment->p_paddr + segment->p_memsz));
	if (segment->p_paddr + segment->p_memsz > e->end)
		e->end = segment->p_paddr + segment->p_memsz;
	if (!segment->p_filesz)
		return 0;
	return boot_read_to(e->boot, segment->p_offset, segment->p_paddr, segment->p_filesz,
			    "segment", err);
}

static size_t aligned(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/* Some linkers write the address in 4 bytes, others in 8. */
static void take_note(struct elf *e, const Elf64_Nhdr *note, const char *name,
		      const char *description)
{
	uint32_t half;

	if (note->n_type != NOTE_PVH_ENTRY || note->n_namesz != sizeof("Xen") ||
	    memcmp(name, "Xen", sizeof("Xen")) != 0)
		return;
	if (note->n_descsz == sizeof(e->entry)) {
		memcpy(&e->entry, description, sizeof(e->entry));
	} else if (note->n_descsz == sizeof(half)) {
		memcpy(&half, description, sizeof(half));
		e->entry = half;
	}
}

static void read_notes(struct elf *e, const char *notes, size_t len)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		size_t name_size, size;

		memcpy(&note, notes, sizeof(note));
		notes += sizeof(note);
		len -= sizeof(note);
		if (note.n_namesz > NOTES_MAX_BYTES || note.n_descsz > NOTES_MAX_BYTES)
			return;
		name_size = aligned(note.n_namesz);
		size = name_size + aligned(note.n_descsz);
		if (size > len)
			return;
		take_note(e, &note, notes, notes + name_size);
		notes += size;
		len -= size;
	}
}

static int load_notes(struct elf *e, const Elf64_Phdr *segment, struct error *err)
{
	cleanup_free char *notes = NULL;

	if (segment->p_filesz > NOTES_MAX_BYTES)
		return error_set(err, -ENOEXEC, "elf notes: longer than a kernel's");
	notes = xmalloc(segment->p_filesz + 1);
	if (boot_read(e->boot, segment->p_offset, notes, segment->p_filesz) < 0)
		return error_set(err, -ENODATA, "elf notes: the file ends before them");
	read_notes(e, notes, segment->p_filesz);
	return 0;
}

static int load_segments(struct elf *e, struct error *err)
{
	for (size_t i = 0; i < e->segments_count; i++) {
		const Elf64_Phdr *segment = &e->segments[i];
		int r = 0;

		if (segment->p_type == PT_LOAD)
			r = load_segment(e, segment, err);
		else if (segment->p_type == PT_NOTE)
			r = load_notes(e, segment, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_entry(const struct elf *e, struct error *err)
{
	if (!e->entry)
		return error_set(err, -ENOEXEC, "no PVH entry (CONFIG_PVH of Linux)");
	if (e->entry > UINT32_MAX || e->entry < LAYOUT_KERNEL || e->entry >= e->end)
		return error_set(err, -ENOEXEC, "its PVH entry is outside of what it loads");
	return 0;
}

static bool write_ranges(const struct boot *b, size_t *ret_count)
{
	struct boot_range ranges[BOOT_RANGES_MAX];
	struct range written[BOOT_RANGES_MAX] = { { 0 } };
	size_t count = boot_ranges(b, ranges);

	for (size_t i = 0; i < count; i++)
		written[i] = (struct range){
			.address = ranges[i].begin,
			.size = ranges[i].size,
			.type = ranges[i].type,
		};
	*ret_count = count;
	return guest_memory_write(b->memory, RANGES_AT, written, count * sizeof(written[0]));
}

static int write_info(struct boot *b, struct error *err)
{
	const struct module initrd = { .address = b->initrd, .size = b->initrd_size };
	struct start_info info = {
		.magic = START_INFO_MAGIC,
		.version = 1,
		.modules_count = b->initrd_size ? 1 : 0,
		.modules = MODULES_AT,
		.command_line = LAYOUT_COMMAND_LINE,
		.rsdp = LAYOUT_ACPI,
		.ranges = RANGES_AT,
	};
	size_t count = 0;
	bool is_written = write_ranges(b, &count);

	info.ranges_count = (uint32_t)count;
	is_written = is_written &&
		     guest_memory_write(b->memory, MODULES_AT, &initrd, sizeof(initrd)) &&
		     guest_memory_write(b->memory, LAYOUT_START_INFO, &info, sizeof(info));
	return is_written ? 0 : error_set(err, -EFAULT, "start info: no memory for it");
}

int boot_elf(struct boot *b, struct error *err)
{
	struct elf e = { .boot = b };
	int r = read_header(&e, err);

	if (r == 0)
		r = load_segments(&e, err);
	if (r == 0)
		r = check_entry(&e, err);
	if (r == 0)
		r = boot_put_rest(b, e.end, UINT32_MAX, LINE_MAX_CHARS, err);
	if (r == 0)
		r = write_info(b, err);
	b->entry = (struct boot_entry){ BOOT_PVH, e.entry, LAYOUT_START_INFO };
	return r;
}
