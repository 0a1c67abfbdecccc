/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <elf.h>
#include <string.h>

#include "lib/base/str.h"

static const char *const arch_words[] = {
	[HV_ARCH_X86_64] = "x86_64",   [HV_ARCH_AARCH64] = "aarch64", [HV_ARCH_RISCV64] = "riscv64",
	[HV_ARCH_PPC64LE] = "ppc64le", [HV_ARCH_S390X] = "s390x",
};
_Static_assert(ARRAY_SIZE(arch_words) == HV_ARCH_COUNT, "a word for each architecture");
const struct names hv_arch_names = NAMES(arch_words);

enum hv_arch hv_host_arch(void)
{
#if defined(__x86_64__)
	return HV_ARCH_X86_64;
#elif defined(__aarch64__)
	return HV_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
	return HV_ARCH_RISCV64;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return HV_ARCH_PPC64LE;
#elif defined(__s390x__)
	return HV_ARCH_S390X;
#else
#error "no guest of this architecture yet: give it a row in hv_arch's tables"
#endif
}

static const struct {
	unsigned char byte_order;
	uint16_t machine;
} elf_kinds[HV_ARCH_COUNT] = {
	[HV_ARCH_X86_64] = { ELFDATA2LSB, EM_X86_64 },
	[HV_ARCH_AARCH64] = { ELFDATA2LSB, EM_AARCH64 },
	[HV_ARCH_RISCV64] = { ELFDATA2LSB, EM_RISCV },
	[HV_ARCH_PPC64LE] = { ELFDATA2LSB, EM_PPC64 },
	[HV_ARCH_S390X] = { ELFDATA2MSB, EM_S390 },
};

enum hv_arch hv_elf_arch(const void *data, size_t len)
{
	const unsigned char *head = data;
	const unsigned char *machine = head + offsetof(Elf64_Ehdr, e_machine);

	if (len < HV_ELF_HEAD_BYTES || memcmp(head, ELFMAG, SELFMAG) != 0 ||
	    head[EI_CLASS] != ELFCLASS64)
		return HV_ARCH_COUNT;
	for (int arch = 0; arch < HV_ARCH_COUNT; arch++) {
		const bool is_big = elf_kinds[arch].byte_order == ELFDATA2MSB;
		const unsigned int number =
			(unsigned int)machine[is_big] | (unsigned int)machine[!is_big] << 8;

		if (head[EI_DATA] == elf_kinds[arch].byte_order &&
		    number == elf_kinds[arch].machine)
			return (enum hv_arch)arch;
	}
	return HV_ARCH_COUNT;
}
