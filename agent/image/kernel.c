/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>

#include "agent/image/unpack.h"
#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

#define XEN_NOTE_PHYS32_ENTRY 18 /* Xen's elfnote.h: where a PVH boot enters */
#define CONFIG_MAX_BYTES (4u * 1024 * 1024)
#define RELEASE_MAX 128

/* A part of the file, or NULL when it does not lie within. */
static const char *slice(const struct kernel_file *k, uint64_t offset, uint64_t len)
{
	if (offset > k->len || len > k->len - offset)
		return NULL;
	return k->data + offset;
}

/* --- ELF ----------------------------------------------------------------------------------- */

static bool notes_have_pvh(const char *notes, size_t len)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr head;
		size_t name_len, size;

		memcpy(&head, notes, sizeof(head));
		name_len = ((size_t)head.n_namesz + 3) & ~(size_t)3;
		size = sizeof(head) + name_len + (((size_t)head.n_descsz + 3) & ~(size_t)3);
		if (size > len)
			return false;
		if (head.n_type == XEN_NOTE_PHYS32_ENTRY && head.n_namesz == 4 &&
		    memcmp(notes + sizeof(head), "Xen", 4) == 0)
			return true;
		notes += size;
		len -= size;
	}
	return false;
}

static bool has_pvh_entry(const struct kernel_file *k, const Elf64_Ehdr *head)
{
	for (size_t i = 0; i < head->e_phnum; i++) {
		const char *at =
			slice(k, head->e_phoff + i * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr));
		const char *notes;
		Elf64_Phdr segment;

		if (!at)
			return false;
		memcpy(&segment, at, sizeof(segment));
		if (segment.p_type != PT_NOTE)
			continue;
		notes = slice(k, segment.p_offset, segment.p_filesz);
		if (notes && notes_have_pvh(notes, segment.p_filesz))
			return true;
	}
	return false;
}

static bool is_elf(const struct kernel_file *k)
{
	return k->len >= sizeof(Elf64_Ehdr) && memcmp(k->data, ELFMAG, SELFMAG) == 0;
}

/* QEMU enters the other architectures' where the file says, with nothing more to ask for. */
static int check_elf(const char *path, struct kernel_file *k, struct error *err)
{
	Elf64_Ehdr head;

	k->arch = (int)hv_elf_arch(k->data, k->len);
	if (k->arch == HV_ARCH_COUNT)
		return error_set(err, -ENOEXEC,
				 "kernel '%s': an ELF file, but of no architecture that has guests",
				 path);
	if (k->arch != HV_ARCH_X86_64)
		return 0;
	memcpy(&head, k->data, sizeof(head));
	if (!has_pvh_entry(k, &head))
		return error_set(err, -ENOEXEC,
				 "kernel '%s': an ELF file without a PVH entry (CONFIG_PVH)", path);
	k->is_elf = true;
	return 0;
}

/* --- other formats ------------------------------------------------------------------------- */

/* Where they are in the kernel's sources: Documentation/arch/x86/boot.rst, arm64/booting.rst and
 * riscv/boot-image-header.rst; arch/s390/boot/head.S. */
static const struct {
	enum hv_arch arch;
	uint64_t offset;
	const char *magic;
} images[] = {
	{ HV_ARCH_X86_64, 0x202, "HdrS" },
	{ HV_ARCH_AARCH64, 56, "ARM\x64" },
	{ HV_ARCH_RISCV64, 56, "RSC\x05" },
	{ HV_ARCH_S390X, 0x10008, "S390EP" },
};

static int check_image(const char *path, struct kernel_file *k, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		const size_t len = strlen(images[i].magic);
		const char *magic = slice(k, images[i].offset, len);

		if (!magic || memcmp(magic, images[i].magic, len) != 0)
			continue;
		k->arch = (int)images[i].arch;
		return 0;
	}
	return error_set(err, -ENOEXEC, "kernel '%s': neither an ELF file nor a kernel's image",
			 path);
}

/* --- what it says of itself ---------------------------------------------------------------- */

static char *copy_release(const char *text, const char *end)
{
	size_t max = (size_t)(end - text) < RELEASE_MAX ? (size_t)(end - text) : RELEASE_MAX;
	size_t len = 0;

	while (len < max && text[len] > ' ' && text[len] < 0x7f)
		len++;
	return len && len < max ? xstrndup(text, len) : NULL;
}

static char *find_bzimage_release(const struct kernel_file *k)
{
	const char *at = slice(k, 0x20e, 2);
	uint16_t offset;

	if (!at)
		return NULL;
	memcpy(&offset, at, sizeof(offset));
	at = offset ? slice(k, offset + 0x200u, 1) : NULL;
	return at ? copy_release(at, k->data + k->len) : NULL;
}

/* Its banner; the words also occur in formats, where no number follows. */
static char *find_banner_release(const struct kernel_file *k)
{
	static const char words[] = "Linux version ";
	const char *end = k->data + k->len;
	const char *p = k->data;

	while ((p = memmem(p, (size_t)(end - p), words, sizeof(words) - 1))) {
		p += sizeof(words) - 1;
		if (p < end && *p >= '0' && *p <= '9')
			return copy_release(p, end);
	}
	return NULL;
}

/* CONFIG_IKCONFIG: a gzip stream between two marks. */
static char *find_config(const struct kernel_file *k)
{
	const char *p = memmem(k->data, k->len, "IKCFG_ST\x1f\x8b", 10);
	char *config;
	size_t len;

	if (!p)
		return NULL;
	p += 8;
	if (unpack_gzip(p, (size_t)(k->data + k->len - p), CONFIG_MAX_BYTES, &config, &len) < 0)
		return NULL;
	return config;
}

int kernel_file_parse(const char *path, char *data, size_t len, struct kernel_file *ret,
		      struct error *err)
{
	struct kernel_file k = { .data = data, .len = len };
	int r = is_elf(&k) ? check_elf(path, &k, err) : check_image(path, &k, err);

	if (r < 0) {
		kernel_file_done(&k);
		return r;
	}
	k.release = k.arch == HV_ARCH_X86_64 && !k.is_elf ? find_bzimage_release(&k)
							  : find_banner_release(&k);
	k.config = find_config(&k);
	*ret = k;
	return 0;
}

int kernel_file_read(const char *path, struct kernel_file *ret, struct error *err)
{
	char *data;
	size_t len;
	int r = unpack_file(path, KERNEL_MAX_BYTES, &data, &len, err);

	return r < 0 ? r : kernel_file_parse(path, data, len, ret, err);
}

void kernel_file_done(struct kernel_file *kernel)
{
	free(kernel->data);
	free(kernel->release);
	free(kernel->config);
	*kernel = (struct kernel_file){ 0 };
}
