/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The least ELF file that is a kernel with a PVH entry. */

#define TINY_KERNEL_AT 0x1000000u

struct tiny_kernel {
	Elf64_Ehdr header;
	Elf64_Phdr code;
	Elf64_Phdr notes;
	Elf64_Nhdr note;
	char name[4];
	uint64_t entry;
	char text[256];
};

/* @text: instructions of 32 bits; it is entered at the first of them. */
static inline struct tiny_kernel make_tiny_kernel(const void *text, size_t len)
{
	struct tiny_kernel file = {
		.header = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct tiny_kernel, code),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.code = {
			.p_type = PT_LOAD,
			.p_offset = offsetof(struct tiny_kernel, text),
			.p_paddr = TINY_KERNEL_AT,
			.p_filesz = sizeof(file.text),
			.p_memsz = 0x2000,
		},
		.notes = {
			.p_type = PT_NOTE,
			.p_offset = offsetof(struct tiny_kernel, note),
			.p_filesz = sizeof(Elf64_Nhdr) + sizeof(file.name) + sizeof(file.entry),
		},
		.note = {
			.n_namesz = sizeof(file.name),
			.n_descsz = sizeof(file.entry),
			.n_type = 18, /* XEN_ELFNOTE_PHYS32_ENTRY */
		},
		.name = "Xen",
		.entry = TINY_KERNEL_AT,
	};

	memcpy(file.text, text, len);
	return file;
}

/* Assembler's text for the above: name .. name_end. */
#define TINY_GUEST(name, instructions)                                                             \
	__asm__(".pushsection .rodata\n"                                                           \
		".code32\n" #name ":\n" instructions "\n" #name "_end:\n"                          \
		".code64\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char name[], name##_end[]
