/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <elf.h>
#include <fcntl.h>
#include <zlib.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/* Kernels and modules small enough for tests, and a directory to put them in. */

/* A module whose .modinfo section is @info: strings with their NULs. */
static inline char *make_module(const char *info, size_t info_len, size_t *ret_len)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	Elf64_Ehdr head = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_REL,
		.e_machine = EM_X86_64,
		.e_shoff = sizeof(head),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
		.e_shstrndx = 2,
	};
	size_t data = sizeof(head) + 3 * sizeof(Elf64_Shdr);
	Elf64_Shdr sections[3] = {
		{ 0 },
		{ .sh_name = 1, .sh_offset = data, .sh_size = info_len },
		{ .sh_name = 10, .sh_offset = data + info_len, .sh_size = sizeof(names) },
	};
	struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, &head, sizeof(head));
	strbuf_add(&sb, sections, sizeof(sections));
	strbuf_add(&sb, info, info_len);
	strbuf_add(&sb, names, sizeof(names));
	*ret_len = sb.len;
	return strbuf_steal(&sb);
}

/* An ELF kernel with a note of @note_type by "Xen", its banner and, unless NULL, its
 * configuration packed inside. */
static inline char *make_elf_kernel(uint32_t note_type, const char *config, size_t *ret_len)
{
	static const char banner[] = "Linux version %s\0Linux version 6.9.1-test (cc)";
	Elf64_Ehdr head = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(head),
		.e_phnum = 1,
	};
	const struct {
		Elf64_Nhdr head;
		char name[4];
		uint64_t entry;
	} note = { { 4, 8, note_type }, "Xen", 0 };
	Elf64_Phdr segment = { .p_type = PT_NOTE,
			       .p_offset = sizeof(head) + sizeof(segment),
			       .p_filesz = sizeof(note) };
	struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, &head, sizeof(head));
	strbuf_add(&sb, &segment, sizeof(segment));
	strbuf_add(&sb, &note, sizeof(note));
	strbuf_add(&sb, banner, sizeof(banner));
	if (config) {
		Bytef packed[65536];
		z_stream z = { .next_in = (Bytef *)config,
			       .avail_in = (uInt)strlen(config),
			       .next_out = packed,
			       .avail_out = sizeof(packed) };

		if (deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) != Z_OK ||
		    deflate(&z, Z_FINISH) != Z_STREAM_END)
			abort();
		strbuf_addstr(&sb, "IKCFG_ST");
		strbuf_add(&sb, packed, z.total_out);
		strbuf_addstr(&sb, "IKCFG_ED");
		deflateEnd(&z);
	}
	*ret_len = sb.len;
	return strbuf_steal(&sb);
}

/* A bzImage's header with the release behind it. */
static inline char *make_bzimage(const char *release, size_t *ret_len)
{
	size_t len = 0x300 + strlen(release) + 1;
	char *data = xcalloc(1, len);

	memcpy(data, "MZ", 2);
	memcpy(data + 0x202, "HdrS", 4);
	data[0x20f] = 1; /* 0x100, counted from 0x200 */
	memcpy(data + 0x300, release, strlen(release));
	*ret_len = len;
	return data;
}

static inline void put_file(const char *dir, const char *name, const void *data, size_t len)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_free char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	cleanup_fd int fd = -1;

	if (mkdir_parents(parent, 0755) < 0)
		abort();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write_all(fd, data, len) < 0)
		abort();
}

static inline void put_text(const char *dir, const char *name, const char *text)
{
	put_file(dir, name, text, strlen(text));
}

/* As much of an agent as tells whose it is: @machine by the ELF format's number. */
static inline void put_agent(const char *dir, uint16_t machine)
{
	const Elf64_Ehdr head = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = machine,
	};

	put_file(dir, "agent", &head, sizeof(head));
}

/* A module that needs the comma-separated others. */
static inline void put_module(const char *dir, const char *name, const char *depends)
{
	cleanup_free char *info = xasprintf("license=GPL%cdepends=%s", 0, depends);
	size_t info_len = strlen("license=GPL") + 1 + strlen("depends=") + strlen(depends) + 1;
	size_t len;
	cleanup_free char *data = make_module(info, info_len, &len);

	put_file(dir, name, data, len);
}
